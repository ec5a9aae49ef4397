#!/usr/bin/env bash
# Runs all tests.
#
#   tools/test.sh            everything with real proofs of the 1-bit `test` profile, and the faults of a cluster that
#                            matter most
#   tools/test.sh --heavy    all faults, and a 100-bit proof measured against the proving crates driven directly: an hour
#                            or more
#
# Tests of the cluster start RabbitMQ brokers of their own on loopback (Debian package rabbitmq-server), those of rpc and
# devnet Ethereum nodes (geth 1.14.12 by Go, anvil by npm, both installed into target/tools).
set -euo pipefail
cd "$(dirname "$0")/.."

# Tests at Ethereum nodes are skipped where there is none and none can be installed, unless BLOCKPROOF_REQUIRE_NODES is
# set.
# shellcheck source=tools/nodes.sh
. tools/nodes.sh
find_geth || true
find_anvil || true

# The proof tests share cores and gigabytes among themselves, so test binaries run one after another, which is what
# cargo does; in release, since a proof takes too long without optimization.
cargo test --release --locked --workspace
case "${1:-}" in
  --heavy) tools/scenarios.sh full && tools/measure.sh ;;
  *) tools/scenarios.sh smoke ;;
esac
