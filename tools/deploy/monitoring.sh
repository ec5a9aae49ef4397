#!/usr/bin/env bash
# Checks rules, dashboards and runbooks without running anything: promtool, the unit tests of all alerts, and what each
# alert, dashboard and metric must have (tools/deploy/monitoring.py).
#
#   tools/deploy/monitoring.sh
#
# Needs promtool (Debian package prometheus) and Python; see tools/deploy/tools.sh.
set -euo pipefail
cd "$(dirname "$0")/../.."

usage() { sed -n '2,7s/^# \{0,1\}//p' "$0"; }
case "${1:-}" in
  "") ;;
  -h | --help) usage && exit ;;
  *) usage >&2 && exit 2 ;;
esac

# shellcheck source=tools/deploy/tools.sh
. tools/deploy/tools.sh
if ! { need_promtool && need_python PyYAML; }; then without "monitoring"; fi

queries=$(mktemp --suffix .yaml)
trap 'rm -f "$queries"' EXIT
"$PYTHON" tools/deploy/monitoring.py queries >"$queries"
"$PROMTOOL" check rules --lint=all --lint-fatal monitoring/rules/*.yaml
"$PROMTOOL" check rules --lint=none "$queries"
"$PROMTOOL" test rules monitoring/tests/*.yaml
"$PYTHON" tools/deploy/monitoring.py check
"$PYTHON" monitoring/dashboards.py --check
tools/deploy/sync.sh --check
