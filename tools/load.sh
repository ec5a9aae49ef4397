#!/usr/bin/env bash
# What the queue costs: a broker, two mock workers and `amqp/examples/load.rs` on this machine.
#
#   tools/load.sh [TASKS_ONE_BY_ONE] [TASKS_TOGETHER]     default: 300 50000
set -euo pipefail
cd "$(dirname "$0")/.."

[ -n "${BROKER_PID:-}" ] || exec tools/broker.sh tools/load.sh "$@"
cargo build --release -p amqp --example load
cargo build --release --locked -p worker
artifacts=$(mktemp -d)
workers=()
trap 'kill "${workers[@]}" 2>/dev/null || true; wait; rm -rf "$artifacts"' EXIT
for name in one two; do
  target/release/worker --name "$name" --mock-prover constant:0 --slots 4 --artifacts-dir "$artifacts" 2>/dev/null &
  workers+=($!)
done
grep -m1 'model name' /proc/cpuinfo || uname -m
target/release/examples/load --artifacts-dir "$artifacts" "${1:-300}" "${2:-50000}"
echo "bytes through each connection of the workers (received by the broker, sent by the broker):"
"$BROKER_CTL" --quiet list_connections client_properties recv_oct send_oct |
  sed -nE 's/.*"connection_name","([^"]*)".*\]\s+([0-9]+)\s+([0-9]+)$/  \1: \2 \3/p'
