#!/usr/bin/env bash
# The faults that a cluster must survive, made on purpose, with a table of results.
#
#   tools/scenarios.sh [smoke|full] [NAME…]     default: smoke; `target/release/scenarios list` says what each pins down
#
# Needs the Debian package rabbitmq-server; each scenario starts a broker of its own on loopback.
set -euo pipefail
cd "$(dirname "$0")/.."

tier=${1:-smoke}
[ $# -eq 0 ] || shift
cargo build --release --locked -p leader -p worker -p scenarios
target/release/scenarios run --tier "$tier" "$@"
