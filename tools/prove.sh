#!/usr/bin/env bash
# From a witness to "proof verified": builds, prepares circuits, proves, verifies, and says how long each step takes.
#
#   tools/prove.sh [WITNESS] [PROFILE]     default: witnesses/transfer.json, profile dev (100 bits)
#
# The first run takes longest. What it builds and prepares is kept, and so is every finished task: interrupted, it
# goes on where it was.
set -euo pipefail
cd "$(dirname "$0")/.."

witness=${1:-witnesses/transfer.json}
profile=${2:-dev}
header=${witness%.json}_header.json
out=${OUT:-proofs}

step() { # title, what to expect, command…
  local title=$1 expect=$2 start=$SECONDS
  shift 2
  printf '\n== %s (%s)\n' "$title" "$expect" >&2
  "$@"
  printf '== %s: done in %d s\n' "$title" $((SECONDS - start)) >&2
}

step "1/4 build leader and verifier" "11 minutes on 2 busy cores from nothing" \
  cargo build --release --locked -p leader -p verifier
step "2/4 prepare circuits of profile $profile" "once: 1 minute for dev on 2 busy cores, less for test" \
  target/release/leader --profile "$profile" circuits build
proof=$out/$(basename "$witness" .json).zkproof
step "3/4 prove $witness" "2 minutes for the shipped block with dev on 2 busy cores, less with test" \
  target/release/leader --profile "$profile" stdio "$witness" --output-proof-file "$proof"
check=(--file "$proof" --profile "$profile")
[ ! -e "$header" ] || check+=(--header "$header")
[ "$profile" != test ] || check+=(--allow-insecure)
step "4/4 verify $proof" "a second" target/release/verifier "${check[@]}"
