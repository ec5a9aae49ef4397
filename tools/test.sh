#!/usr/bin/env bash
# Runs all tests.
#
#   tools/test.sh            everything with real proofs of the 1-bit `test` profile, and the faults of a cluster that
#                            matter most
#   tools/test.sh --heavy    all faults, and a 100-bit proof measured against the proving crates driven directly: an hour
#                            or more
#
# Tests of the cluster start RabbitMQ brokers of their own on loopback (Debian package rabbitmq-server).
set -euo pipefail
cd "$(dirname "$0")/.."

# The proof tests share cores and gigabytes among themselves, so test binaries run one after another, which is what
# cargo does; in release, since a proof takes too long without optimization.
cargo test --release --locked --workspace
case "${1:-}" in
  --heavy) tools/scenarios.sh full && tools/measure.sh ;;
  *) tools/scenarios.sh smoke ;;
esac
