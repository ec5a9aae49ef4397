#!/usr/bin/env bash
# What other parameters of the proofs would cost or save, at the same conjectured 100 bits: a segment and its merge with a
# dummy, each set of parameters in turn, so that all of them see the same machine.
#
#   tools/parameters.sh [WITNESS] [LOG] [ROUNDS] [SET…]    default: witnesses/transfer.json 17 2 and the sets below
#
# A set is STARK/SHRINKING/UPPER/THRESHOLD: RATE:QUERIES:GRINDING of the tables' proofs, of the circuits that shrink them to
# 2^THRESHOLD rows, and of those that join them. The first is that of the profiles `dev` and `mainnet`, the second `fast`.
# Prints medians. Two minutes for each set and round on 2 cores, and 8 GB of memory; more for large segments.
set -euo pipefail
cd "$(dirname "$0")/.."
case "${1:-}" in -h | --help) sed -n '2,/^set/ {/^set/d; s/^# \{0,1\}//; p}' "$0" && exit 0 ;; esac

witness=${1:-witnesses/transfer.json}
log=${2:-17}
rounds=${3:-2}
if [ $# -gt 3 ]; then sets=("${@:4}"); else
  sets=(
    1:84:16/3:28:16/3:28:16/13
    2:42:16/3:28:16/3:28:16/13
    3:28:16/3:28:16/3:28:16/13
    2:40:20/3:28:16/3:28:16/13
    2:42:16/4:21:16/4:21:16/12
  )
fi

cargo build --release --locked --workspace --example measure
lines=$(mktemp)
trap 'rm -f "$lines"' EXIT
for round in $(seq "$rounds"); do
  for set in "${sets[@]}"; do
    echo "parameters: round $round, $set" >&2
    IFS=/ read -ra parts <<<"$set"
    target/release/examples/measure parameters "$witness" "$log" "${parts[@]}" | jq -c --arg set "$set" '. + {set: $set}' >>"$lines"
  done
done
jq -rs '
  def median: sort | .[length / 2 | floor];
  def cpu(part): map(.seconds[part][1]) | median | . * 10 | round / 10;
  (["parameters", "stark CPU s", "shrinking, joining", "merge", "circuits", "wall s", "stark GB", "proof bytes"] | @tsv),
  (group_by(.set)[] | [
    .[0].set, cpu("starks"), cpu("recursion"), cpu("merge"), cpu("circuits"),
    (map(.seconds.starks[0] + .seconds.recursion[0] + .seconds.merge[0]) | median | . * 10 | round / 10),
    (map(.gigabytes.starks) | median | . * 100 | round / 100), .[0].proof_bytes
  ] | @tsv)' "$lines" | column -t -s "$(printf '\t')"
