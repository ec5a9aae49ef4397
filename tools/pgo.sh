#!/usr/bin/env bash
# Programs optimized for what proving does: compiled so that they count, used to prove a block, compiled again with the counts.
#
#   tools/pgo.sh [WITNESS] [PROGRAM…]      default: witnesses/transfer.json leader worker verifier
#
# They lie in target/pgo/TARGET/dist then. The block is proved with cargo's profile `dist` and ours called `test`, which runs the
# same code as those of 100 bits. For other processors than this one set RUSTFLAGS, as for any build. Takes twice as long as a
# build of `dist`, and llvm-profdata of the LLVM that rustc has: `rustup component add llvm-tools`, Debian's llvm-NN, or what
# LLVM_PROFDATA names.
set -euo pipefail
cd "$(dirname "$0")/.."
case "${1:-}" in -h | --help) sed -n '2,/^set/ {/^set/d; s/^# \{0,1\}//; p}' "$0" && exit 0 ;; esac

witness=${1:-witnesses/transfer.json}
[ -r "$witness" ] || { echo "pgo: no witness $witness" >&2 && exit 2; }
if [ $# -gt 1 ]; then programs=("${@:2}"); else programs=(leader worker verifier); fi
host=$(rustc -vV | sed -n 's/^host: //p')
llvm=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
profdata=${LLVM_PROFDATA:-}
for candidate in "$(rustc --print sysroot)/lib/rustlib/$host/bin/llvm-profdata" "/usr/lib/llvm-$llvm/bin/llvm-profdata"; do
  if [ -z "$profdata" ] && [ -x "$candidate" ]; then profdata=$candidate; fi
done
[ -n "$profdata" ] || { echo "pgo: no llvm-profdata of LLVM $llvm; try: rustup component add llvm-tools" >&2 && exit 1; }

folder=$PWD/target/pgo
flags=${RUSTFLAGS--Ctarget-cpu=native}
# With --target, what runs while compiling is compiled without the flag, and counts nothing.
build() { # flag, arguments…
  RUSTFLAGS="$flags $1" cargo build --profile dist --locked --workspace --target "$host" --target-dir "$folder" "${@:2}"
}

rm -rf "$folder/counts" && mkdir -p "$folder"
echo "pgo: compiling a leader that counts" >&2
build "-Cprofile-generate=$folder/counts" --bin leader
echo "pgo: proving $witness with it" >&2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$folder/$host/dist/leader" --profile test --circuits-dir "$work/circuits" --artifacts-dir "$work/artifacts" \
  stdio "$witness" --output-proof-file "$work/proof.json"
"$profdata" merge --output "$folder/counts.profdata" "$folder/counts"
echo "pgo: compiling ${programs[*]}" >&2
build "-Cprofile-use=$folder/counts.profdata" "${programs[@]/#/--bin=}"
echo "pgo: ${programs[*]} are in ${folder#"$PWD/"}/$host/dist" >&2
