#!/usr/bin/env bash
# Monitoring against what is real: a Prometheus of its own scrapes a RabbitMQ broker, workers and leaders with a mock
# prover, and a leader that follows a geth. See tools/deploy/scrape.py for what is checked.
#
#   tools/deploy/scrape.sh     some minutes after the build, by how busy the machine is
#
# Needs the Debian packages prometheus and rabbitmq-server, Python, and geth 1.14 (tools/nodes.sh installs it by Go).
# BLOCKPROOF_BIN names a folder with leader, worker and devnet; without it they are built.
set -euo pipefail
cd "$(dirname "$0")/../.."

usage() { sed -n '2,8s/^# \{0,1\}//p' "$0"; }
case "${1:-}" in
  "") ;;
  -h | --help) usage && exit ;;
  *) usage >&2 && exit 2 ;;
esac

# shellcheck source=tools/deploy/tools.sh
. tools/deploy/tools.sh
# shellcheck source=tools/nodes.sh
. tools/nodes.sh
if ! { need_prometheus && need_promtool && need_python PyYAML && find_geth; }; then without "scrape"; fi

if [ -z "${BLOCKPROOF_BIN:-}" ]; then
  cargo build --release --locked -p leader -p worker -p devnet
  BLOCKPROOF_BIN=$(realpath -m "${CARGO_TARGET_DIR:-target}")/release
fi
export BLOCKPROOF_BIN
exec tools/broker.sh "$PYTHON" tools/deploy/scrape.py
