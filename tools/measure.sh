#!/usr/bin/env bash
# What `leader` costs beside the proving crates driven directly: the same block, A B A B.
#
#   tools/measure.sh [WITNESS] [PROFILE] [LOG] [ROUNDS]    default: witnesses/transfer.json dev 17 2
#
# Prints wall seconds, CPU seconds and peak memory of each run. With dev a round takes half an hour on 2 cores.
set -euo pipefail
cd "$(dirname "$0")/.."

witness=${1:-witnesses/transfer.json}
profile=${2:-dev}
log=${3:-17}
rounds=${4:-2}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cargo build --release --locked --workspace --bin leader --bin verifier --example measure
grep -m1 'model name' /proc/cpuinfo || uname -m
printf '%s cores, %s, profile %s, 2^%s cycles\n' "$(nproc)" "$witness" "$profile" "$log"

# Runs a command; prints wall seconds, CPU seconds and the peak of its resident memory.
cost() { # title, command…
  local title=$1 begin=$EPOCHREALTIME peak=0 now pid
  shift
  "$@" >"$work/out" 2>"$work/err" &
  pid=$!
  while [ -e "/proc/$pid/status" ]; do
    now=$(awk '/VmHWM/ {print $2}' "/proc/$pid/status" 2>/dev/null || true)
    [ -z "$now" ] || peak=$now
    cpu=$(awk '{sub(/.*\) /, ""); print ($12 + $13) / 100}' "/proc/$pid/stat" 2>/dev/null || echo "${cpu:-0}")
    sleep 0.2
  done
  wait "$pid" || { cat "$work/err" >&2 && exit 1; }
  awk -v title="$title" -v wall="$(awk "BEGIN {print $EPOCHREALTIME - $begin}")" -v cpu="$cpu" -v peak="$peak" \
    'BEGIN {printf "%-28s %7.1f s %8.1f CPU s %6.2f GB\n", title, wall, cpu, peak / 1e6}'
}

for round in $(seq "$rounds"); do
  printf -- '-- round %s\n' "$round"
  cost "direct: circuits and proof" target/release/examples/measure direct "$witness" "$profile" "$log"
  cat "$work/out"
  leader=(target/release/leader --profile "$profile" --max-cpu-len-log "$log" --circuits-dir "$work/circuits" --artifacts-dir "$work/artifacts-$round")
  rm -rf "$work/circuits"
  cost "leader: circuits" "${leader[@]}" circuits build
  cost "leader: proof" "${leader[@]}" stdio "$witness" --output-proof-file "$work/proof.json"
  check=(--file "$work/proof.json" --circuits-dir "$work/circuits")
  [ "$profile" != test ] || check+=(--allow-insecure)
  cost "verifier" target/release/verifier "${check[@]}"
done
