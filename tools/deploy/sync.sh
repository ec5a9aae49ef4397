#!/usr/bin/env bash
# Copies dashboards and rules from monitoring/ into the chart, which must hold the files that it installs.
#
#   tools/deploy/sync.sh            copies
#   tools/deploy/sync.sh --check    fails if the chart's copies differ
set -euo pipefail
cd "$(dirname "$0")/../.."

usage() { sed -n '2,5s/^# \{0,1\}//p' "$0"; }

case "${1:-}" in
  "") check= ;;
  --check) check=yes ;;
  -h | --help) usage && exit ;;
  *) usage >&2 && exit 2 ;;
esac

for kind in dashboards rules; do
  from=monitoring/$kind to=helm/files/$kind
  if [ -n "$check" ]; then
    diff -rq "$from" "$to" >&2 || { echo "$to is not $from: run tools/deploy/sync.sh" >&2 && exit 1; }
  else
    # What is gone there must go here as well.
    rm -rf "$to"
    mkdir -p "$to"
    cp "$from"/* "$to"
  fi
done
