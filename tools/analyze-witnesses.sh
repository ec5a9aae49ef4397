#!/usr/bin/env bash
# What proving takes of each block of a folder: transactions, gas, batches, segments, and the totals. Nothing is proved.
#
#   tools/analyze-witnesses.sh DIR FIRST LAST [FLAG…]
#   tools/analyze-witnesses.sh --help
#
# DIR is a folder with a file `bN.json` for each block, as `rpc fetch --output-dir` writes them, or a packed one, such as
# witnesses/cancun/devnet.tar.xz. FLAGs go to `leader`: `--batch-size 1`, `--max-cpu-len-log 19`, `--profile mainnet`.
#
# LEADER names the program; default: that of target/release, which is built. Needs python3. Exit codes: 0 done, 1 a block
# does not execute, 2 wrong usage or a block is missing, 3 a program is missing.
set -euo pipefail

usage() { sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; }
wrong() { printf '%s\n' "$*" >&2 && exit 2; }
case "${1:-}" in
  --help | -h) usage && exit ;;
esac
[ $# -ge 3 ] || wrong "usage: tools/analyze-witnesses.sh DIR FIRST LAST [FLAG…], see --help"
dir=$1 first=$2 last=$3
shift 3
for number in "$first" "$last"; do
  # Ten digits at most: a longer one is no block, and more than the shell can count.
  [[ $number =~ ^(0|[1-9][0-9]{0,9})$ ]] || wrong "\`$number\` is not a block number: it has digits only"
done
((first <= last)) || wrong "FIRST is $first, and LAST is $last: nothing is between them"
for program in "${LEADER:-cargo}" python3; do
  command -v "$program" >/dev/null || { echo "$program is missing" >&2 && exit 3; }
done

here=$(realpath "$(dirname "$0")/..")
work=$(mktemp -d)
beat=
stop() {
  [ -z "$beat" ] || kill "$beat" 2>/dev/null || true
  rm -rf "$work"
}
trap stop EXIT

# What takes long is said on stderr: on a terminal in one line that goes away, elsewhere in a line every ten seconds.
if [ -t 2 ]; then pause=2 begin='\r\e[K' end=''; else pause=10 begin='' end='\n'; fi
doing() { printf '%s' "$*" >"$work/doing"; }
tell() {
  while sleep "$pause" >/dev/null 2>&1; do
    printf "$begin%s, %s s$end" "$(cat "$work/doing")" "$SECONDS" >&2
  done
}

if [ -d "$dir" ]; then
  folder=$dir
elif [ -f "$dir" ]; then
  mkdir "$work/packed"
  tar -C "$work/packed" -xf "$dir" || wrong "$dir is neither a folder nor a packed one"
  # The blocks may be in a folder of their own in there.
  one=$(find "$work/packed" -name "b$first.json" -print -quit)
  folder=$(dirname "${one:-$work/packed/none}")
elif [ -e "$dir" ]; then
  wrong "$dir is not a folder"
else
  wrong "there is no folder $dir"
fi
for ((number = first; number <= last; number++)); do
  [ -f "$folder/b$number.json" ] || wrong "block $number is missing: $dir has no b$number.json"
done

leader=${LEADER:-}
if [ -z "$leader" ]; then
  # Cargo has a word on its own progress.
  (cd "$here" && cargo build --release --locked -p leader)
  leader=$(cd "$here" && realpath -m "${CARGO_TARGET_DIR:-target}")/release/leader
fi

line() { printf '%8s %6s %12s %8s %9s\n' "$@"; }
SECONDS=0
doing "begin"
tell &
beat=$!
line block txs gas batches segments
total=(0 0 0 0)
missing=()
for ((number = first; number <= last; number++)); do
  doing "block $number, $((number - first + 1)) of $((last - first + 1))"
  "$leader" "$@" --test-only stdio --json "$folder/b$number.json" >"$work/plan"
  read -r -a plan < <(python3 - "$work/plan" <<'PYTHON'
import json, sys
with open(sys.argv[1]) as file:
    plans = [json.loads(line) for line in file]
if len(plans) != 1:
    sys.exit(f"{len(plans)} blocks in one file")
batches = plans[0]["batches"]
print(plans[0]["block_number"], plans[0]["transactions"], plans[0]["gas_used"], len(batches),
      sum(len(batch["segments"]) for batch in batches), plans[0]["missing_circuits"] or "")
PYTHON
)
  [ "${plan[0]}" = "$number" ] || wrong "$folder/b$number.json holds block ${plan[0]}"
  [ ! -t 2 ] || printf '%b' "$begin" >&2
  line "${plan[@]:0:5}"
  for column in 0 1 2 3; do
    total[column]=$((total[column] + plan[column + 1]))
  done
  [ -z "${plan[5]:-}" ] || missing+=("$number")
done
kill "$beat"
beat=
[ ! -t 2 ] || printf '%b' "$begin" >&2
line total "${total[@]}"
[ ${#missing[@]} = 0 ] || printf 'the profile has no circuits for: %s\n' "${missing[*]}"
