#!/usr/bin/env bash
# What was done for speed brings: this tree against the same tree without its patches for speed, compiled for any x86-64 as
# programs are by default, A B A B in one run.
#
#   tools/bench.sh [--rounds N] [--quick] [--witness FILE --log N] [--full FILE --full-log N] [--avx2] [--native] [--record]
#
# Measures, with whole processes: preparing circuits, proving a block (and in it a segment, a segment merge, a batch merge
# and the block proof), and the STARKs of a full segment. Prints medians, their ratio with its spread, and peak memory,
# and how that differs from the figures that are kept in docs/bench/. Checks that both make the same verifier key and the
# same Merkle caps, and verify each other's proofs.
#
#   --rounds N      pairs of measurements (3)
#   --quick         profile `test`: minutes rather than an hour, and says little of speed at 100 bits
#   --witness FILE  the block to prove, the first of the file (witnesses/transfer.json), with 2^N cycles a segment (--log 17)
#   --full FILE     a block whose first segment is full (left out by default), with 2^N cycles (--full-log 17)
#   --avx2          also this tree with no more than AVX2 (GOLDILOCKS_LEVEL), beside the same other side
#   --native        the other side is compiled for this machine, too: what the patches bring alone
#   --plain WHAT    patches to leave out on the other side: shell patterns of NAME-VERSION/PATCH
#   --record        keeps the figures in docs/bench/, for the next run to compare with
#
# Kernels alone: cargo bench -p goldilocks
set -euo pipefail
cd "$(dirname "$0")/.."
case "${1:-}" in -h | --help) sed -n '2,/^set/ {/^set/d; s/^# \{0,1\}//; p}' "$0" && exit 0 ;; esac

plain='plonky2_field-1.0.0/* plonky2-1.0.2/* starky-1.0.2/* evm_arithmetization-0.5.1/000[4678]-*'
plain_flags=(RUSTFLAGS=)
arguments=()
while [ $# -gt 0 ]; do
  case $1 in
  --plain) plain=${2:?--plain needs patterns} && shift ;;
  --native) plain_flags=() && arguments+=("$1") ;;
  *) arguments+=("$1") ;;
  esac
  shift
done
command -v python3 >/dev/null || { echo "bench: python3 is needed" >&2 && exit 1; }

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
build() { cargo build --release --locked --workspace --bin leader --bin verifier --example measure; }
echo "bench: building this tree" >&2
build
echo "bench: building it without $plain" >&2
(export CARGO_TARGET_DIR=$target/plain PATCHES_LEFT_OUT=$plain ${plain_flags[@]+"${plain_flags[@]}"} && build)
exec tools/bench.py "$target/release" "$target/plain/release" ${arguments[@]+"${arguments[@]}"}
