#!/usr/bin/env bash
# Checks docker/compose.yml and the scripts around it, and runs its services as plain processes
# (tools/deploy/compose.py): with mock proofs, or with real ones of profile test, which takes minutes.
#
#   tools/deploy/compose.sh [--heavy]
#
#     --heavy   real proofs
#
# COMPOSE_BIN or BLOCKPROOF_BIN names a folder with the binaries; default: target/release, which is built.
# COMPOSE_CIRCUITS names one with prepared circuits; default: target/test-circuits, if there is such a folder. Needs the
# Debian packages rabbitmq-server, curl and jq; Prometheus and Compose's own reader of the file are found or installed.
set -euo pipefail
model=(--mock constant:2500)
case ${1:-} in
  --help | -h) sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//; p}' "$0" && exit 0 ;;
  --heavy) model=() ;;
esac
cd "$(dirname "$0")/../.."
# shellcheck source=tools/deploy/tools.sh
. tools/deploy/tools.sh

say() { printf 'compose: %s\n' "$*" >&2; }
die() { say "$*" && exit 1; }
: "${COMPOSE_GO_VERSION:=v2.16.2}"

# What docker's plugin reads compose files with.
need_compose_go() {
  local folder
  COMPOSE_GO=$deploy_tools/bin/compose-go-$COMPOSE_GO_VERSION
  [ ! -x "$COMPOSE_GO" ] || return 0
  _have go compose-go || return
  _say "compose-go $COMPOSE_GO_VERSION, about a minute"
  # The program's own name is `cmd`.
  folder=$(mktemp -d)
  GOBIN=$folder go install "github.com/compose-spec/compose-go/v2/cmd@$COMPOSE_GO_VERSION" || return
  mkdir -p "$deploy_tools/bin" && mv "$folder/cmd" "$COMPOSE_GO" && rmdir "$folder"
}
{ need_python PyYAML && need_compose_go && need_promtool && need_prometheus; } || without "the compose file"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# By Compose's reader and schema; then that ours reads the same, and what must be so.
(cd docker && env -i PATH="$PATH" HOME="$work" "$COMPOSE_GO" -format json compose.yml) >"$work/model.json"
"$PYTHON" tools/deploy/compose_file.py "$work/model.json"
# Rules are mounted there; promtool looks for them where they are.
sed "s|/etc/prometheus/rules|$PWD/monitoring/rules|" docker/prometheus.yml >"$work/prometheus.yml"
"$PROMTOOL" check config "$work/prometheus.yml" >"$work/out" || die "$(cat "$work/out")"
say "the file is as it must be"

# docker/secrets.sh: whole, random, kept.
docker/secrets.sh "$work/secrets"
(cd "$work/secrets" && find . -type f | sort | xargs sha256sum) >"$work/first"
docker/secrets.sh "$work/secrets"
(cd "$work/secrets" && find . -type f | sort | xargs sha256sum) | cmp - "$work/first" ||
  die "secrets.sh changes what is there"
[ "$(stat -c %a "$work/secrets")" = 700 ] || die "secrets.sh: others can look into its folder"
[ "$(cat "$work"/secrets/*/password | fold -w 48 | sort -u | grep -cE '^[0-9a-f]{48}$')" = 6 ] ||
  die "secrets.sh: there are not six passwords"
rm -r "$work/secrets/worker"
docker/secrets.sh "$work/secrets"
[ -s "$work/secrets/worker/password" ] || die "secrets.sh: what is missing is not made"
say "secrets are made once"

# docker/up.sh with a fake docker: calls in order, what they are given, and the leader's exit code.
mkdir -p "$work/bin" "$work/repository"
cp -r docker witnesses "$work/repository" && rm -rf "$work/repository/docker/secrets"
cat >"$work/bin/docker" <<'FAKE'
#!/usr/bin/env bash
words=$*
words=${words#compose -f */compose.yml }
printf '%s\n' "$words" >>"$LOG"
case $words in
  build) printf '%s|%s|%s|%s\n' "$PROVER_PROFILE" "$VERIFIER_FLAGS" "$WORKER_MEMORY" "${HEADER##*/}" >>"$LOG.given" ;;
  inspect*) echo "${LEADER_CODE:-0}" ;;
  ps*) echo 0123abcd ;;
  run*) exit "${VERIFIER_CODE:-0}" ;;
esac
FAKE
chmod +x "$work/bin/docker"
up() { # expected code, arguments…
  local code=0
  rm -f "$work/log" "$work/log.given"
  LOG=$work/log PATH=$work/bin:$PATH "$work/repository/docker/up.sh" "${@:2}" >"$work/out" 2>&1 || code=$?
  [ "$code" = "$1" ] || die "up.sh ${*:2}: exit code $code instead of $1: $(cat "$work/out")"
}
calls() { cut -d' ' -f1-2 "$work/log" 2>/dev/null | paste -sd, || true; }
given() { [ "$(cat "$work/log.given")" = "$1" ] || die "up.sh: gives $(cat "$work/log.given") instead of $1"; }
all='version,build,up --detach,logs --follow,ps --all,inspect --format,run --rm'
up 0
[ "$(calls)" = "$all" ] || die "up.sh: calls $(calls)"
given 'dev||14g|transfer_header.json'
PROVER_PROFILE='test' up 0 "$work/repository/witnesses/chain.json"
given 'test|--allow-insecure|5g|chain_header.json'
LEADER_CODE=3 up 3
[ "$(calls)" = "${all%,run*}" ] || die "up.sh: the leader fails, and then: $(calls)"
VERIFIER_CODE=1 up 1
echo '[]' >"$work/lonely.json"
up 2 "$work/lonely.json"
[ -z "$(calls)" ] || die "up.sh: no header, and then: $(calls)"
[ -s "$work/repository/docker/secrets/rabbitmq/admin.conf" ] || die "up.sh: makes no secrets"
say "up.sh calls what it must"

COMPOSE_BIN=${COMPOSE_BIN:-${BLOCKPROOF_BIN:-}}
if [ -z "$COMPOSE_BIN" ]; then
  cargo build --release --locked -p leader -p worker -p rpc -p verifier
  COMPOSE_BIN=${CARGO_TARGET_DIR:-target}/release
fi
[ -n "${COMPOSE_CIRCUITS:-}" ] || [ ! -d target/test-circuits ] || COMPOSE_CIRCUITS=target/test-circuits
export COMPOSE_BIN COMPOSE_CIRCUITS=${COMPOSE_CIRCUITS:-}
code=0
"$PYTHON" tools/deploy/compose.py ${model[@]+"${model[@]}"} || code=$?
[ "$code" != 3 ] || without "the services as processes"
exit "$code"
