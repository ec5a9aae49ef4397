#!/usr/bin/env bash
# Records `witnesses` anew: starts the local chain, lets `rpc` fetch its blocks and headers, packs them, and makes the
# tables of witnesses/README.md.
#
#   tools/record-witnesses.sh             writes to `witnesses`
#   tools/record-witnesses.sh --check     records into a temporary folder and compares, byte for byte
#   tools/record-witnesses.sh --help      this text
#
# Needs python3, xz, and what tools/devnet.sh needs. Takes a minute, and once the time to build `devnet` and `rpc`.
# Exit codes: 0 done or the same, 1 failed or different, 2 wrong usage, 3 a program is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

case "$#${1:-}" in
  0) check= ;;
  1--check) check=yes ;;
  1--help | 1-h) sed -n '2,/^set /s/^# \{0,1\}//p' "$0" && exit ;;
  *) echo "usage: tools/record-witnesses.sh [--check|--help]" >&2 && exit 2 ;;
esac
for program in cargo python3 tar xz; do
  command -v "$program" >/dev/null || { echo "$program is missing" >&2 && exit 3; }
done

bin=$(realpath -m "${CARGO_TARGET_DIR:-target}")/release
work=$(mktemp -d)
blocks=$work/devnet new=$work/new
mkdir -p "$blocks" "$new/cancun"
node=
stop() {
  [ -z "$node" ] || kill "$node" 2>/dev/null || true
  wait
  rm -rf "$work"
}
trap stop EXIT

say() { printf '== %s\n' "$*" >&2; }

# The README with new tables: between two marks in it, from the plan of the chain and the files themselves.
readme() { # the old one, the folder of the blocks, that of the files, the plan, what recorded them
  python3 - "$@" <<'PYTHON'
import hashlib, json, pathlib, re, sys
old, blocks, files, plan, how = [pathlib.Path(word) for word in sys.argv[1:]]
HEAD = ["txs", "gas", "bytes", "sha256", "recorded at", "exercises"]

def row(cells):
    return "|" + "|".join(f" {cell} " if cell != "" else " " for cell in cells) + "|"

def table(head, rows):
    return [row(head), "|---" * len(head) + "|", *map(row, rows)]

def sums(numbers):
    headers = [json.loads((blocks / f"b{number}_header.json").read_text()) for number in numbers]
    values = [len(one["transactions"]) for one in headers], [int(one["gasUsed"], 16) for one in headers]
    return [", ".join(map(str, value)) for value in values]

def facts(path):
    content = path.read_bytes()
    return [len(content), f"`{hashlib.sha256(content).hexdigest()}`", how]

planned = re.findall(r"^\| (\d+) \| (.*?) \| \d+ \| (.*?) \|$", plan.read_text(), re.M)
rows = []
for name, numbers, about in [
    ("transfer", [1], "the smallest block with a transaction: a plain transfer"),
    ("chain", [1, 2], "the same block, and after it an empty one: two proofs to chain from one checkpoint"),
]:
    listed = ", ".join(map(str, numbers))
    rows.append([f"`{name}.json`", listed, *sums(numbers), *facts(files / f"{name}.json"), about])
    rows.append([f"`{name}_header.json`", listed, "", "", *facts(files / f"{name}_header.json"), ""])
archive = "cancun/devnet.tar.xz"
ends = f"{planned[0][0]} to {planned[-1][0]}"
rows.append([f"`{archive}`", ends, "", "", *facts(files / archive), "all planned blocks, see below"])
lines = table(["file", "blocks", *HEAD], rows)
lines += ["", f"In `{archive}` each block has two files, `devnet/bN.json` and `devnet/bN_header.json`:", ""]
rows = [
    [number, name, *sums([number]), *facts(blocks / f"b{number}.json"), about] for number, name, about in planned
]
lines += table(["block", "name", *HEAD], rows)

begin, end = "<!-- tools/record-witnesses.sh makes this: begin -->\n", "<!-- end -->\n"
text = old.read_text()
if text.count(begin) != 1 or text.count(end) != 1:
    sys.exit(f"{old} has no place for the tables, between\n{begin}and\n{end}")
tables = "\n".join(lines)
sys.stdout.write(f"{text.split(begin)[0]}{begin}\n{tables}\n\n{end}{text.split(end)[1]}")
PYTHON
}
# The same archive of the same files, wherever it is made.
pack() {
  tar -C "$work" --sort=name --format=ustar --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX -cf - devnet
}

say "build"
cargo build --release --locked -p devnet -p rpc
say "start the chain"
tools/devnet.sh run >"$work/url" &
node=$!
until [ -s "$work/url" ]; do
  kill -0 "$node" 2>/dev/null || { wait "$node" && exit 1 || exit $?; }
  sleep 0.2
done
url=$(cat "$work/url")
"$bin/devnet" plan >"$work/plan"
count=$(grep -c '^| [0-9]' "$work/plan")
version=$(python3 - "$url" <<'PYTHON'
import json, re, sys, urllib.request
body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "web3_clientVersion", "params": []}).encode()
request = urllib.request.Request(sys.argv[1], body, {"Content-Type": "application/json"})
with urllib.request.urlopen(request, timeout=60) as answer:
    name, major, minor = re.match(r"(\w+)/v(\d+)\.(\d+)", json.load(answer)["result"]).groups()
print(f"{name.lower()} {major}.{minor}, native")
PYTHON
)

say "record $count blocks"
rpc=("$bin/rpc" --rpc-url "$url" --no-cache)
fetch() { "${rpc[0]}" fetch "${rpc[@]:1}" "$@"; }
header() { "${rpc[0]}" extract header "${rpc[@]:1}" "$@"; }
for number in $(seq "$count"); do
  # The checkpoint is the block before, so each can be proved by itself.
  fetch --start-block "$number" --output-dir "$blocks"
  header "$number" >"$blocks/b${number}_header.json"
done
fetch --start-block 1 --end-block 2 --checkpoint-block 0 >"$new/chain.json"
cp "$blocks/b1.json" "$new/transfer.json"
printf '[%s]\n' "$(cat "$blocks/b1_header.json")" >"$new/transfer_header.json"
printf '[%s,\n%s]\n' "$(cat "$blocks/b1_header.json")" "$(cat "$blocks/b2_header.json")" >"$new/chain_header.json"

say "pack"
archive=cancun/devnet.tar.xz
# Another version of xz may pack otherwise: what has the same content stays.
if [ -e "witnesses/$archive" ] && cmp -s <(pack) <(xz -dc "witnesses/$archive"); then
  cp "witnesses/$archive" "$new/$archive"
else
  pack | xz -9e >"$new/$archive"
fi
readme witnesses/README.md "$blocks" "$new" "$work/plan" "$version" >"$new/README.md"

different=
while read -r file; do
  if [ -z "$check" ]; then
    # It appears whole or not at all.
    mkdir -p "$(dirname "witnesses/$file")"
    cp "$new/$file" "witnesses/$file.new"
    mv "witnesses/$file.new" "witnesses/$file"
  elif ! cmp "$new/$file" "witnesses/$file" >&2; then
    different=yes
    # Which blocks are others than they were, and in what.
    [ "$file" != README.md ] || diff "witnesses/$file" "$new/$file" >&2 || true
  fi
done < <(cd "$new" && find . -type f -printf '%P\n' | sort)
if [ -z "$check" ]; then
  say "$count blocks are in witnesses/$archive, $(stat -c %s "witnesses/$archive") bytes"
elif [ -n "$different" ]; then
  say "\`witnesses\` is not what is recorded now: tools/record-witnesses.sh makes it anew"
  exit 1
else
  say "\`witnesses\` is what is recorded now"
fi
