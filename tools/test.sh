#!/usr/bin/env bash
# Runs all tests.
#
#   tools/test.sh            everything with real proofs of the 1-bit `test` profile
#   tools/test.sh --heavy    a 100-bit proof as well, measured against the proving crates driven directly: an hour or more
set -euo pipefail
cd "$(dirname "$0")/.."

# The proof tests share cores and gigabytes among themselves, so test binaries run one after another, which is what
# cargo does; in release, since a proof takes too long without optimization.
cargo test --release --locked --workspace
[ "${1:-}" != --heavy ] || tools/measure.sh
