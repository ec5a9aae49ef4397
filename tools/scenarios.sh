#!/usr/bin/env bash
# Runs named faults of a cluster for real: brokers, leaders and workers of their own, killed, cut off and overloaded.
#
#   tools/scenarios.sh [smoke|full]     default: smoke, three minutes on 2 cores; full takes 16 minutes
#
# `target/release/scenarios list` says what there is, `target/release/scenarios run NAME…` runs some. BLOCKPROOF_BIN
# names a folder with the programs; without it they are built.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -z "${BLOCKPROOF_BIN:-}" ]; then
  cargo build --release --locked -p leader -p worker -p scenarios
  BLOCKPROOF_BIN=${CARGO_TARGET_DIR:-target}/release
fi
exec "$BLOCKPROOF_BIN/scenarios" run --tier "${1:-smoke}"
