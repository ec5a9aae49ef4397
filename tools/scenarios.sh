#!/usr/bin/env bash
# Runs named faults of a cluster for real: brokers, leaders and workers of their own, killed, cut off and overloaded.
#
#   tools/scenarios.sh [smoke|full]     default: smoke, three minutes on 2 cores; full takes 16 minutes
#
# `target/release/scenarios list` says what there is, `target/release/scenarios run NAME…` runs some.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release --locked -p leader -p worker -p scenarios
exec target/release/scenarios run --tier "${1:-smoke}"
