#!/usr/bin/env bash
# Checks all that deploys: chart, Terraform, images, compose file, setup, dashboards and alerts.
#
#   tools/check-deploy.sh            the quick ones; each is a script of tools/deploy that can be run alone
#   tools/check-deploy.sh --heavy    also the chart on a real API server (built once, 11 minutes) and slow linters
#
# Tools that are missing are installed into target/tools; a check whose tools cannot be had is skipped and says so, or
# fails if BLOCKPROOF_REQUIRE_DEPLOY is set.
set -euo pipefail
cd "$(dirname "$0")/.."

quick=(sync monitoring helm manifests terraform setup dockerfile broker-setup load-witnesses scrape compose)
arguments() { # of a check
  case $1 in
    sync) echo --check ;;
    terraform | compose | dockerfile) echo "$heavy" ;;
  esac
}

heavy=
case "${1:-}" in
  '') ;;
  --heavy) heavy=--heavy && quick+=(apiserver) ;;
  *) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2 && exit 2 ;;
esac

for check in "${quick[@]}"; do
  printf '== %s\n' "$check" >&2
  start=$SECONDS
  # shellcheck disable=SC2046 # words, or none
  "tools/deploy/$check.sh" $(arguments "$check")
  printf '== %s: %d s\n' "$check" $((SECONDS - start)) >&2
done
