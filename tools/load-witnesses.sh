#!/usr/bin/env bash
# Proves witnesses one after another in a cluster, verifies each proof, and says how long each took.
#
#   tools/load-witnesses.sh [OPTION]… WITNESS… [-- FLAG…]
#
#     WITNESS            a witness, or a folder: all *.json in it that are no headers, in order of their numbers
#     FLAG               for `leader`, such as --priority high or --batch-size 1
#     --group NAME       name of the leader at the broker; default: load
#     --runtime RUNTIME  amqp, or in-memory to prove in the leader itself; default: amqp
#     --out DIR          keeps the proofs there; default: they are removed when the script ends
#     --json FILE        writes the report as JSON, too; - is stdout, and the table goes to stderr then
#     --allow-insecure   lets `verifier` accept proofs of the profile test
#     --no-verify        asks for no verdict: for proofs of --mock-prover, which are none
#
# Broker, profile and folders come by the environment, as for `leader`. If there is WITNESS_header.json beside a
# witness, the proof is compared with it. LEADER and VERIFIER name the programs; default: those of target/release, or on
# the PATH.
#
# One that fails does not keep the others from being tried. Ctrl-C or SIGTERM stops the leader, which keeps what is
# finished, and reports. Needs jq. Exit codes: 0 all proved and verified, 1 some not, 2 wrong usage, 3 a program is
# missing, 130 stopped.
set -euo pipefail

usage() { sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//; p}' "$0"; }
wrong() { printf 'load-witnesses: %s; see --help\n' "$*" >&2 && exit 2; }

group=load runtime=amqp out='' json='' verify=yes
verdict=() flags=() given=()
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) usage && exit ;;
    --no-verify) verify='' && shift && continue ;;
    --allow-insecure) verdict+=("$1") && shift && continue ;;
    --) shift && flags=("$@") && break ;;
    --group | --runtime | --out | --json) [ $# -gt 1 ] || wrong "$1 needs a value" ;;
    -*) wrong "unknown option $1; flags for leader go behind --" ;;
    *) given+=("$1") && shift && continue ;;
  esac
  case $1 in
    --group) group=$2 ;;
    --runtime) runtime=$2 ;;
    --out) out=$2 ;;
    --json) json=$2 ;;
  esac
  shift 2
done
[ ${#given[@]} -gt 0 ] || wrong "no witness is given"

witnesses=()
for place in "${given[@]}"; do
  if [ -d "$place" ]; then
    mapfile -t -O "${#witnesses[@]}" witnesses < <(
      find "$place" -maxdepth 1 -name '*.json' ! -name '*_header.json' | LC_ALL=C sort --version-sort
    )
  elif [ -r "$place" ]; then
    witnesses+=("$place")
  else
    wrong "cannot read $place"
  fi
done
[ ${#witnesses[@]} -gt 0 ] || wrong "no witness is in ${given[*]}"

built=$(dirname "$(realpath "$0")")/../target/release
find_program() { # variable, name
  local program=${!1:-}
  if [ -z "$program" ] && [ -x "$built/$2" ]; then program=$built/$2; fi
  command -v "${program:-$2}" || { printf 'load-witnesses: there is no %s\n' "${program:-$2}" >&2 && return 1; }
}
leader=$(find_program LEADER leader) || exit 3
command -v jq >/dev/null || { echo "load-witnesses: there is no jq" >&2 && exit 3; }
[ -z "$verify" ] || verifier=$(find_program VERIFIER verifier) || exit 3

work=$(mktemp -d)
running='' stopped=''
finish() {
  [ -z "$running" ] || kill -KILL "$running" 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT
stop() {
  stopped=yes
  [ -z "$running" ] || kill -TERM "$running" 2>/dev/null || true
}
trap stop INT TERM
# Before the first proof: one that cannot be written is noticed after hours otherwise.
[ -z "$out" ] || mkdir -p "$out" || wrong "cannot make $out"
case $json in
  '') ;;
  -) exec 3>&1 1>&2 ;;
  *)
    # It is replaced by a rename, which a device such as /dev/stdout must not be.
    if [ -L "$json" ] || { [ -e "$json" ] && [ ! -f "$json" ]; }; then wrong "$json is no plain file"; fi
    [ -w "$(dirname "$json")" ] || wrong "cannot write $json"
    ;;
esac

# Runs a program and waits for its end. A signal ends `wait`, not the program: then it is waited for again.
run() {
  local status
  "$@" &
  running=$!
  while :; do
    status=0
    wait "$running" || status=$?
    if ! kill -0 "$running" 2>/dev/null; then break; fi
  done
  # After a signal the status was that of `wait`; the shell still knows that of the program.
  [ "$status" -le 128 ] || { status=0 && wait "$running" || status=$?; }
  running=''
  return "$status"
}

line() { printf '%-36s %10s %6s %9s %12s  %s\n' "$@"; }
now() { date +%s%3N; }
started=$(date -u +%Y-%m-%dT%H:%M:%SZ) begin=$(now) number=0 failed=0
line witness seconds exit verified proof_bytes outcome
for witness in "${witnesses[@]}"; do
  number=$((number + 1))
  name=$(basename "$witness" .json)
  proof=${out:-$work}/$(printf '%03d-%s.zkproof' "$number" "$name")
  # Of an earlier run: it would be taken for that of this one.
  rm -f "$proof"
  code=null verified=null bytes=null outcome='not begun' start=$(now)
  if [ -z "$stopped" ]; then
    code=0
    run "$leader" --runtime "$runtime" --group "$group" ${flags[@]+"${flags[@]}"} \
      stdio "$witness" --output-proof-file "$proof" || code=$?
    outcome=failed
    [ "$code" != 0 ] || outcome=proved
    [ -z "$stopped" ] || [ "$code" = 0 ] || outcome=stopped
  fi
  seconds=$(($(now) - start))
  if [ "$outcome" = proved ] && [ -n "$verify" ]; then
    check=(--file "$proof" ${verdict[@]+"${verdict[@]}"})
    [ ! -e "${witness%.json}_header.json" ] || check+=(--header "${witness%.json}_header.json")
    verified=true
    # Its verdict goes where the logs go; stdout has the table.
    run "$verifier" "${check[@]}" >&2 || verified=false outcome='not verified'
  fi
  [ ! -e "$proof" ] || bytes=$(stat -c %s "$proof")
  [ "$outcome" = proved ] || failed=$((failed + 1))
  seconds=$(printf '%d.%03d' $((seconds / 1000)) $((seconds % 1000)))
  line "$name" "$seconds" "${code/null/-}" "${verified/null/-}" "${bytes/null/-}" "$outcome"
  jq -n --arg witness "$witness" --arg outcome "$outcome" --arg proof "${out:+$proof}" --argjson seconds "$seconds" \
    --argjson exit_code "$code" --argjson verified "$verified" --argjson proof_bytes "$bytes" \
    '{$witness, $outcome, $seconds, $exit_code, $verified, $proof_bytes,
      proof: (if $proof == "" or $proof_bytes == null then null else $proof end)}' >>"$work/rows"
done
seconds=$(($(now) - begin))
seconds=$(printf '%d.%03d' $((seconds / 1000)) $((seconds % 1000)))
printf '%d of %d proved in %s s\n' $((number - failed)) "$number" "$seconds"
if [ -n "$json" ]; then
  jq -s --arg group "$group" --arg runtime "$runtime" --arg started "$started" --argjson seconds "$seconds" \
    --argjson failed "$failed" '{$started, $group, $runtime, $seconds, $failed, witnesses: .}' "$work/rows" \
    >"$work/report"
  if [ "$json" = - ]; then
    cat "$work/report" >&3
  else
    cp "$work/report" "$json.part"
    mv -T "$json.part" "$json"
  fi
fi
[ -z "$stopped" ] || exit 130
[ "$failed" = 0 ] || exit 1
