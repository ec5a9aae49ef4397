#!/usr/bin/env bash
# Makes the secrets of docker/compose.yml, random ones, where there are none yet; what is there is kept.
#
#   docker/secrets.sh [DIR]     default: docker/secrets, which git ignores
#
# DIR/ROLE/{username,password} for admin, leader, worker, operator and monitor; DIR/rabbitmq/admin.conf;
# DIR/grafana/password. Nobody else on this machine can enter DIR; the files in it can be read by all, since each
# container has a user of its own.
#
# The broker and Grafana take their administrator at their first start: after a DIR was removed, remove their volumes,
# too (`docker compose -f docker/compose.yml down --volumes`).
set -euo pipefail

case "${1:-}" in
  --help | -h) sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//; p}' "$0" && exit ;;
  -*) printf 'secrets.sh: unknown option %s; see --help\n' "$1" >&2 && exit 2 ;;
esac
dir=${1:-$(dirname "$0")/secrets}

random() { head -c 24 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }

# A folder appears with all of its files or not at all.
make() { # name, function that fills a folder
  [ ! -d "$dir/$1" ] || return 0
  local draft=$dir/.$1.$$
  mkdir "$draft"
  "$2" "$1" "$draft"
  chmod 444 "$draft"/*
  chmod 755 "$draft"
  mv "$draft" "$dir/$1"
}

role() {
  printf '%s' "$1" >"$2/username"
  random >"$2/password"
}

broker() {
  printf 'default_user = %s\ndefault_pass = %s\n' "$(cat "$dir/admin/username")" "$(cat "$dir/admin/password")" \
    >"$2/admin.conf"
}

password() { random >"$2/password"; }

umask 077
mkdir -p "$dir"
chmod 700 "$dir"
for name in admin leader worker operator monitor; do
  make "$name" role
done
make rabbitmq broker
make grafana password
