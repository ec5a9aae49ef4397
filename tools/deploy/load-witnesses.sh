#!/usr/bin/env bash
# Tests tools/load-witnesses.sh with a fake leader and a fake verifier: order and arguments of calls, the report, what
# fails, and being stopped.
#
#   tools/deploy/load-witnesses.sh
#
# Needs jq.
set -euo pipefail
case ${1:-} in --help | -h) sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//; p}' "$0" && exit 0 ;; esac
cd "$(dirname "$0")/../.."
# shellcheck source=tools/deploy/tools.sh
. tools/deploy/tools.sh
command -v jq >/dev/null || { echo "there is no jq" >&2 && without "the load tester"; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
die() { printf 'load-witnesses: %s\n' "$*" >&2 && exit 1; }

mkdir "$work/blocks"
touch "$work"/blocks/{b2.json,b10.json,b10_header.json,bad.json,slow.json,untrue.json}
cat >"$work/leader" <<'FAKE'
#!/usr/bin/env bash
printf 'leader %s\n' "$*" >>"$LOG"
witness=$(sed 's/.* stdio \([^ ]*\) .*/\1/' <<<"$*")
case $witness in
  *bad.json) exit 3 ;;
  *slow.json)
    trap 'exit 130' TERM
    echo begun >>"$LOG"
    while :; do sleep 0.1; done
    ;;
esac
printf 'proof of %s' "${witness##*/}" >"${!#}"
FAKE
cat >"$work/verifier" <<'FAKE'
#!/usr/bin/env bash
printf 'verifier %s\n' "$*" >>"$LOG"
! grep -q untrue "$2"
FAKE
chmod +x "$work/leader" "$work/verifier"
export LEADER=$work/leader VERIFIER=$work/verifier LOG=$work/log
load() { # expected code, arguments…
  local code=0
  rm -f "$work/report.json" && : >"$work/log"
  tools/load-witnesses.sh "${@:2}" >"$work/out" 2>"$work/err" || code=$?
  [ "$code" = "$1" ] || die "${*:2}: exit code $code instead of $1: $(cat "$work/err")"
}
said() { # file, filter, expected
  [ "$(jq -c "$2" "$1")" = "$3" ] || die "the report says $(jq -c "$2" "$1"), not $3"
}
report=$work/report.json blocks=$work/blocks

rm "$blocks"/{bad,slow,untrue}.json
load 0 --group g --out "$work/proofs" --json "$report" "$blocks" -- --priority high
said "$report" '[.failed, .group, .runtime, (.witnesses | map(.outcome, .verified, .exit_code, .proof_bytes))]' \
  '[0,"g","amqp",["proved",true,0,16,"proved",true,0,17]]'
cat >"$work/expected" <<END
leader --runtime amqp --group g --priority high stdio $blocks/b2.json --output-proof-file $work/proofs/001-b2.zkproof
verifier --file $work/proofs/001-b2.zkproof
leader --runtime amqp --group g --priority high stdio $blocks/b10.json --output-proof-file $work/proofs/002-b10.zkproof
verifier --file $work/proofs/002-b10.zkproof --header $blocks/b10_header.json
END
diff "$work/expected" "$work/log" || die "other calls"
[ -s "$work/proofs/002-b10.zkproof" ] || die "the proof is not kept"

touch "$blocks"/{bad,untrue}.json
load 1 --runtime in-memory --allow-insecure --json - "$blocks"/{bad,untrue,b2}.json
said "$work/out" '[.failed, (.witnesses | map(.outcome, .verified))]' \
  '[2,["failed",null,"not verified",false,"proved",true]]'
grep -q 'leader --runtime in-memory' "$work/log" || die "--runtime is not passed on"
grep -q 'verifier --file [^ ]* --allow-insecure' "$work/log" || die "--allow-insecure is not passed on"
grep -q '^1 of 3 proved in ' "$work/err" || die "with --json - the table does not go to stderr"
load 0 --no-verify "$blocks/untrue.json"
! grep -q verifier "$work/log" || die "--no-verify verifies"

# Stopped: the leader is told, what is not begun is not begun, and there is a report.
touch "$blocks/slow.json"
: >"$work/log"
tools/load-witnesses.sh --json "$report" "$blocks"/{b2,slow,b10}.json >"$work/out" 2>&1 &
pid=$!
for _ in $(seq 200); do
  grep -q begun "$work/log" && break
  sleep 0.1
done
kill -TERM "$pid"
code=0
wait "$pid" || code=$?
[ "$code" = 130 ] || die "stopped: exit code $code"
said "$report" '[.witnesses[] | .outcome, .exit_code]' '["proved",0,"stopped",130,"not begun",null]'

# Refused before anything is proved. What is replaced by a rename must be a plain file.
ln -s "$report" "$work/link"
mkfifo "$work/pipe"
for words in "" "--nonsense $blocks/b2.json" "$work/none.json" "--json $work/pipe $blocks/b2.json" "--group" \
  "--json $work/link $blocks/b2.json" "--json $work/none/report $blocks/b2.json" "$work/proofs"; do
  read -ra list <<<"$words"
  load 2 ${list[@]+"${list[@]}"}
  [ ! -s "$work/log" ] || die "refused, and proved: $words"
done
echo "load-witnesses: as it must be" >&2
