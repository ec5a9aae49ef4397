#!/usr/bin/env bash
# A cluster on one machine: a RabbitMQ broker, two workers and a leader prove a block, and `verifier` checks it.
#
#   tools/cluster.sh [WITNESS] [PROFILE]     default: witnesses/transfer.json, profile test (1 bit, minutes)
#
# Needs the Debian package rabbitmq-server. Each worker reads the circuits: with dev, 6 GB each.
set -euo pipefail
cd "$(dirname "$0")/.."

[ -n "${BROKER_PID:-}" ] || exec tools/broker.sh tools/cluster.sh "$@"

witness=${1:-witnesses/transfer.json}
export PROVER_PROFILE=${2:-test}
proof=${OUT:-proofs}/$(basename "$witness" .json)-cluster.zkproof

cargo build --release --locked -p leader -p worker -p verifier
target/release/leader circuits build
workers=()
trap 'kill "${workers[@]}" 2>/dev/null || true; wait' EXIT
for name in one two; do
  target/release/worker --name "$name" &
  workers+=($!)
done
target/release/leader --runtime amqp stdio "$witness" --output-proof-file "$proof"
target/release/leader queue status
check=(--file "$proof")
[ "$PROVER_PROFILE" != test ] || check+=(--allow-insecure)
header=${witness%.json}_header.json
[ ! -e "$header" ] || check+=(--header "$header")
target/release/verifier "${check[@]}"
