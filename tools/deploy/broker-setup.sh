#!/usr/bin/env bash
# Tests `tools/rabbitmq/setup.sh --api` at a real broker: that it makes just what it makes through rabbitmqctl, can be
# run again, waits for a broker that starts, shows no passwords, and says what is wrong.
#
#   tools/deploy/broker-setup.sh
#
# Needs the Debian package rabbitmq-server, which brings the management plugin along.
set -euo pipefail
[ $# = 0 ] || { sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//; p}' "$0" && exit 0; }
cd "$(dirname "$0")/../.."

# Started again by tools/broker.sh, with a broker.
if [ -z "${BROKER_CTL:-}" ]; then
  # shellcheck source=tools/deploy/tools.sh
  . tools/deploy/tools.sh
  [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] ||
    { echo "there is no RabbitMQ: apt-get install rabbitmq-server" >&2 && without "setting up a broker by HTTP"; }
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  printf 'management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = %s\n' "$port" >"$work/rabbitmq.conf"
  RABBITMQ_CONFIG_FILE=$work/rabbitmq.conf RABBITMQ_ENABLED_PLUGINS=rabbitmq_management \
    SCRATCH=$work API=http://127.0.0.1:$port tools/broker.sh "$0"
  exit
fi

die() { printf 'broker-setup: %s\n' "$*" >&2 && exit 1; }
say() { printf 'broker-setup: %s\n' "$*" >&2; }
ctl() { "$BROKER_CTL" --quiet "$@" </dev/null; }
# A request as some user, whose status is printed; what is answered is in $SCRATCH/answer.
http() { # role, method, path, [body]
  curl --silent --output "$SCRATCH/answer" --write-out '%{http_code}' --request "$2" \
    --user "$(cat "$SCRATCH/$1/username"):$(cat "$SCRATCH/$1/password")" ${4:+--data "$4"} "$API/api/$3"
}
# Whether a password is right. Only a user who has given the right one hears that HTTP is not for him.
knows() { # role
  case $(http "$1" GET whoami) in
    200) [ "$1" = monitor ] || die "the $1 may use the HTTP interface" ;;
    401) grep -q 'Not management user' "$SCRATCH/answer" ;;
    *) die "$1: $(cat "$SCRATCH/answer")" ;;
  esac
}
# What counts of what the broker has. A password's hash has salt and is another one every time. Whoever makes a vhost
# through HTTP may do everything in it.
state() {
  [ "$(http admin GET definitions)" = 200 ] || die "no definitions: $(cat "$SCRATCH/answer")"
  python3 - "$SCRATCH/answer" <<'PYTHON'
import json, sys
all = json.load(open(sys.argv[1]))
strangers = ["guest", "the administrator"]
for user in all["users"]:
    del user["password_hash"]
for entry in all["users"] + all["vhosts"]:
    entry["tags"] = entry.get("tags") or []  # none is written in two ways
    entry.get("metadata", {}).pop("tags", None)
kept = {
    "vhosts": [vhost for vhost in all["vhosts"] if vhost["name"] != "/"],
    "users": [user for user in all["users"] if user["name"] not in strangers],
    "permissions": [entry for entry in all["permissions"] if entry["user"] not in strangers],
    "policies": all["policies"],
}
for part in kept.values():
    part.sort(key=str)
print(json.dumps(kept, indent=1, sort_keys=True))
PYTHON
}

# A secret as it is mounted: no newline at the end. The passwords have whatever shells, JSON and addresses care about.
secret() { # role, name, password
  mkdir -p "$SCRATCH/$1"
  printf '%s' "$2" >"$SCRATCH/$1/username"
  printf '%s' "$3" >"$SCRATCH/$1/password"
}
read -r odd <<'ODD'
se"cret\n&$HOME`%41'#?:@/ ö
ODD
secret admin "the administrator" "$odd"
for role in leader worker operator monitor; do
  secret "$role" "$role of/the%cluster" "$role $odd"
done
"$BROKER_CTL" --quiet add_user "the administrator" <"$SCRATCH/admin/password"
ctl set_user_tags "the administrator" administrator
vhost=block/proof

# A curl that writes down what it is called with.
mkdir "$SCRATCH/bin"
printf '#!/bin/sh\necho "$@" >>%s/calls\nexec %s "$@"\n' "$SCRATCH" "$(command -v curl)" >"$SCRATCH/bin/curl"
chmod +x "$SCRATCH/bin/curl"
roles=()
for role in leader worker operator monitor; do roles+=("--$role" "$SCRATCH/$role"); done
setup() { PATH="$SCRATCH/bin:$PATH" tools/rabbitmq/setup.sh --vhost "$vhost" "$@"; }
by_http() { setup --api "$API" --admin "$SCRATCH/admin" "${roles[@]}" "$@"; }
# A run that must fail with such a sentence.
refused() { # part, words…
  local part=$1 code=0
  shift
  "$@" >"$SCRATCH/out" 2>&1 || code=$?
  { [ "$code" = 2 ] && grep -qF -- "$part" "$SCRATCH/out"; } ||
    die "expected exit code 2 and \"$part\", got $code: $(cat "$SCRATCH/out")"
}

say "a dry run changes nothing and shows no password"
before=$(state)
by_http --dry-run >"$SCRATCH/out" 2>"$SCRATCH/hint"
[ "$(state)" = "$before" ] || die "a dry run changed something"
grep -q 'PUT .*/api/permissions/block%2Fproof/worker%20of%2Fthe%25cluster ' "$SCRATCH/out" ||
  die "$(cat "$SCRATCH/out")"
! grep -q 'se"cret' "$SCRATCH/out" || die "a dry run shows a password"

say "it waits for a broker that starts"
ctl stop_app
refused "does not answer, after 1 s: (7) " by_http --wait 1
setup --api "$API" --dry-run --admin "$SCRATCH/admin" >"$SCRATCH/out" 2>"$SCRATCH/hint"
grep -q consumer-timeout "$SCRATCH/out" || die "a dry run without a broker does not print what a new one would get"
by_http >"$SCRATCH/out" 2>"$SCRATCH/hint" &
setup_pid=$!
sleep 1
kill -0 "$setup_pid" || die "it does not wait: $(cat "$SCRATCH/hint")"
ctl start_app
wait "$setup_pid" || die "$(cat "$SCRATCH/hint")"
[ ! -s "$SCRATCH/out" ] || die "it is not silent: $(cat "$SCRATCH/out")"
grep -qx 'consumer_timeout = 10800000' "$SCRATCH/hint" || die "no word about the consumer timeout"
first=$(state)
for role in leader worker operator monitor; do
  knows "$role" || die "the password of the $role is another one"
done

say "a second run changes passwords, and nothing else"
cp -r "$SCRATCH/worker" "$SCRATCH/old"
printf 'another' >"$SCRATCH/worker/password"
by_http 2>/dev/null
[ "$(state)" = "$first" ] || die "the second run made something else: $(diff <(echo "$first") <(state))"
knows worker || die "the worker has not the new password"
! knows old || die "the worker has the old password still"

say "no password is in an argument"
[ "$(wc -l <"$SCRATCH/calls")" -gt 20 ] || die "curl was not called: $(cat "$SCRATCH/calls")"
! grep -qE 'se"cret|another' "$SCRATCH/calls" || die "$(grep -E 'se"cret|another' "$SCRATCH/calls")"

say "the monitor counts, and may do nothing else"
queue=blockproof.tasks.merge.high
[ "$(http admin PUT "queues/block%2Fproof/$queue" '{"durable":true}')" = 201 ] || die "no queue"
message='{"properties":{},"routing_key":"'$queue'","payload":"a task","payload_encoding":"string"}'
[ "$(http admin POST exchanges/block%2Fproof/amq.default/publish "$message")" = 200 ] || die "no message"
counting='queues/block%2Fproof?page=1&page_size=100&use_regex=true&name=%5Eblockproof%5C.tasks%5C.'
for try in $(seq 100); do
  [ "$(http monitor GET "$counting")" = 200 ] ||
    die "the monitor cannot list queues: $(cat "$SCRATCH/answer")"
  # What KEDA adds up. The numbers are some seconds old.
  grep -q '"messages":1[,}]' "$SCRATCH/answer" && break
  [ "$try" -lt 100 ] || die "the monitor sees no message: $(cat "$SCRATCH/answer")"
  sleep 0.2
done
get='{"count":1,"ackmode":"ack_requeue_true","encoding":"auto"}'
for attempt in "POST queues/block%2Fproof/$queue/get $get" "DELETE queues/block%2Fproof/$queue/contents" \
  "DELETE queues/block%2Fproof/$queue" "PUT queues/block%2Fproof/mine {}" \
  "POST exchanges/block%2Fproof/amq.default/publish $message" "GET users" "DELETE vhosts/block%2Fproof"; do
  read -r method path body <<<"$attempt"
  code=$(http monitor "$method" "$path" "$body")
  [[ $code == 40[013] ]] || die "the monitor may $method $path: $code $(cat "$SCRATCH/answer")"
done
[ "$(ctl list_queues -p "$vhost" --silent name messages)" = "$queue"$'\t1' ] || die "the monitor changed something"
[ "$(http admin DELETE "queues/block%2Fproof/$queue")" = 204 ] || die "the queue stays"

say "what is wrong is said"
secret wrong "the administrator" nonsense
secret odd "odd" $'a\ttab'
mkdir "$SCRATCH/half" && echo x >"$SCRATCH/half/username"
refused 'does not let the administrator be its administrator: ' setup --api "$API" --admin "$SCRATCH/wrong"
refused 'does not let monitor of/the%cluster be its administrator: ' setup --api "$API" --admin "$SCRATCH/monitor"
refused 'is the administrator, who would be one no more' by_http --operator "$SCRATCH/admin"
refused 'cannot be printed' by_http --worker "$SCRATCH/odd"
refused 'half/password' by_http --worker "$SCRATCH/half"
refused '--api needs --admin' setup --api "$API"
refused '--admin is for --api' setup --admin "$SCRATCH/admin"
refused '--api: expected http://HOST:PORT' setup --api "http://name:secret@host:1" --admin "$SCRATCH/admin"
refused '--wait' by_http --wait soon
refused 'is no HTTP interface of RabbitMQ' setup --api "$API/js" --admin "$SCRATCH/admin"

say "rabbitmqctl makes the same"
[ "$(http admin DELETE vhosts/block%2Fproof)" = 204 ] || die "the vhost stays"
for role in leader worker operator monitor; do
  [ "$(http admin DELETE "users/$role%20of%2Fthe%25cluster")" = 204 ] || die "the $role stays"
done
[ "$(state)" = "$before" ] || die "something is left"
setup --rabbitmqctl "sh $BROKER_CTL" "${roles[@]}" 2>/dev/null
[ "$(state)" = "$first" ] || die "rabbitmqctl made something else: $(diff <(echo "$first") <(state))"
# And a run through HTTP after that changes nothing.
by_http 2>/dev/null
[ "$(state)" = "$first" ] || die "HTTP changed what rabbitmqctl made: $(diff <(echo "$first") <(state))"
say "passed"
