#!/usr/bin/env bash
# Runs all tests.
#
#   tools/test.sh            everything with real proofs of the 1-bit `test` profile, the faults of a cluster that matter
#                            most, and what deploys (tools/check-deploy.sh)
#   tools/test.sh --heavy    all faults, the chart on a real API server, and a 100-bit proof measured against the proving
#                            crates driven directly: two hours or more
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
# So are those at a server that speaks S3, unless BLOCKPROOF_REQUIRE_STORES is set.
# shellcheck source=tools/stores.sh
. tools/stores.sh
find_moto || true

# The proof tests share cores and gigabytes among themselves, so test binaries run one after another, which is what
# cargo does; in release, since a proof takes too long without optimization.
cargo test --release --locked --workspace
# What comes now takes these programs. Built by their names, with fewer packages beside them, crates have other features
# and would be compiled once more.
cargo build --release --locked --workspace --all-targets
BLOCKPROOF_BIN=$(realpath -m "${CARGO_TARGET_DIR:-target}")/release
export BLOCKPROOF_BIN
case "${1:-}" in
  --heavy) tools/scenarios.sh full && tools/check-deploy.sh --heavy && tools/measure.sh ;;
  *) tools/scenarios.sh smoke && tools/check-deploy.sh ;;
esac
