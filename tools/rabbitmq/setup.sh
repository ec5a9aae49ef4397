#!/usr/bin/env bash
# Makes a RabbitMQ broker ready for leaders and workers: a vhost, a user for each role with the rights of the role and
# no more, and policies. Can be run again, and again after an upgrade of the broker. What for: docs/rabbitmq.md.
#
#   tools/rabbitmq/setup.sh [--vhost NAME] [--leader|--worker|--operator|--monitor USER]... [OPTION]...
#
#     --vhost NAME            default: blockproof
#     --leader USER           gives proofs in order
#     --worker USER           proves
#     --operator USER         `leader queue …`
#     --monitor USER          counts what waits, through the HTTP interface: KEDA, dashboards
#         USER is NAME=FILE, where FILE holds the password and - is the next line of stdin; or a folder with the files
#         `username` and `password`, as a secret is mounted
#     --rabbitmqctl COMMAND   default: rabbitmqctl; such as "kubectl exec -i rabbit-server-0 -- rabbitmqctl"
#     --api URL               instead of rabbitmqctl: the HTTP interface, such as http://rabbit:15672; needs curl
#     --admin USER            with --api: an administrator
#     --wait SECONDS          with --api: how long to wait for a broker that does not answer yet; default: 300
#     --broker-version X.Y    default: what the broker says, or 4.0 in a dry run that reaches none
#     --dry-run               only print what would be run
#
# Passwords go through pipes: they are in no list of processes. For https with authorities of one's own, CURL_CA_BUNDLE
# names their file.
set -euo pipefail

vhost=blockproof
ctl=(rabbitmqctl)
api=
admin=
patience=300
version=
dry=
users=()

fail() { printf 'setup.sh: %s\n' "$*" >&2 && exit 2; }

while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//; p}' "$0" && exit 0 ;;
    --dry-run) dry=yes && shift && continue ;;
    --vhost | --leader | --worker | --operator | --monitor | --rabbitmqctl | --broker-version) ;;
    --api | --admin | --wait) ;;
    *) fail "unknown argument $1; see --help" ;;
  esac
  [ $# -gt 1 ] || fail "$1 needs a value"
  case $1 in
    --vhost) vhost=$2 ;;
    --rabbitmqctl) read -ra ctl <<<"$2" ;;
    --broker-version) version=$2 ;;
    --wait)
      [[ $2 =~ ^[0-9]{1,6}$ ]] || fail "--wait $2: expected seconds"
      patience=$2
      ;;
    --api)
      # An address with a password would be seen in the list of processes.
      [[ $2 =~ ^https?://[^@?#[:space:]]+$ ]] || fail "--api: expected http://HOST:PORT or https://HOST:PORT"
      api=${2%/}
      ;;
    *)
      if [ -d "$2" ]; then
        for file in username password; do
          [ -r "$2/$file" ] || fail "$1: cannot read $2/$file"
        done
        name=
        IFS= read -r name <"$2/username" || [ -n "$name" ] || fail "$1: $2/username is empty"
        user=$name=$2/password
      else
        [[ $2 == ?*=?* ]] || fail "$1 $2: expected USER=FILE, or a folder with the files username and password"
        [ "${2#*=}" = - ] || [ -r "${2#*=}" ] || fail "$1: cannot read ${2#*=}"
        user=$2
      fi
      if [ "$1" = --admin ]; then admin=$user; else users+=("${1#--}=$user"); fi
      ;;
  esac
  shift 2
done
[ -z "$api" ] || [ -n "$admin" ] || fail "--api needs --admin"
[ -n "$api" ] || [ -z "$admin" ] || fail "--admin is for --api"
[[ ${admin%%=*} != *:* ]] || fail "--admin: HTTP knows no names with a colon"

# Names as in amqp/src/topology.rs. Three expressions for each role: what it may declare and delete; where it may publish,
# and which queues it may bind; what it may take, and which exchanges it may bind to.
shared='tasks(\..+)?|results|dead(\..+)?|control|hello|replies'
rights() { # role
  case $1 in
    leader)
      configure="$shared|results\..+|own\.(leader|group)\..+"
      write="tasks(\..+)?|results\..+|dead(\..+)?|control|replies|own\.leader\..+"
      read="$shared|results\..+|own\.leader\..+"
      ;;
    worker)
      configure='own\.worker\..+'
      write='tasks|results|dead|hello|replies|own\.worker\..+'
      read='tasks\..+|control|replies|own\.worker\..+'
      ;;
    operator)
      configure="$shared|own\.operator\..+"
      write='tasks(\..+)?|dead(\..+)?|control|own\.operator\..+'
      read='tasks(\..+)?|dead(\..+)?|replies|own\.operator\..+'
      ;;
    monitor) configure='' write='' read='' ;;
  esac
}

# Words as a shell reads them.
words() {
  local word out=
  for word; do
    [[ $word =~ ^[[:alnum:]_./:@=-]+$ ]] || word="'${word//\'/\'\\\'\'}'"
    out+=" $word"
  done
  printf '%s' "${out# }"
}

# Sets `password` to the first line of a file, or the next one of stdin.
read_password() { # file
  password=
  if [ "$1" = - ]; then
    IFS= read -r password || [ -n "$password" ] || fail "no password on stdin"
  else
    IFS= read -r password <"$1" || [ -n "$password" ] || fail "$1 is empty"
  fi
  [ -z "$api" ] || sendable "$1" "$password"
}

sendable() { # whose, text
  [[ ! $2 =~ [[:cntrl:]] ]] || fail "$1 has a character that cannot be printed, which is not sent through HTTP"
}

# ---- through rabbitmqctl

run() {
  if [ -n "$dry" ]; then
    printf '%s\n' "$(words "${ctl[@]}" "$@")"
  else
    "${ctl[@]}" --quiet "$@"
  fi
}

# Runs something with a password on its stdin.
run_with() { # file, words…
  local file=$1 password
  shift
  if [ -n "$dry" ]; then
    printf '%s < %s\n' "$(words "${ctl[@]}" "$@")" "$(words "$file")"
    return
  fi
  read_password "$file"
  printf '%s\n' "$password" | "${ctl[@]}" --quiet "$@"
}

# Whether a list of the broker has a line that begins with this word. Stdin is not for rabbitmqctl here.
has() { # list, word
  [ -z "$dry" ] && "${ctl[@]}" --silent "$1" </dev/null | cut -f 1 | grep -qxF -- "$2"
}

ask() { "${ctl[@]}" --silent eval "$1" </dev/null; }

# ---- through the HTTP interface

# A string of JSON, or of a file that configures curl: both escape the same two characters.
quoted() {
  local text=${1//\\/\\\\}
  printf '"%s"' "${text//\"/\\\"}"
}

# A part of a path, byte by byte.
part() {
  local LC_ALL=C text=$1 byte i
  for ((i = 0; i < ${#text}; i++)); do
    byte=${text:i:1}
    case $byte in
      [a-zA-Z0-9._~-]) printf '%s' "$byte" ;;
      # A byte above 127 comes out as a negative number.
      *) printf '%%%02X' $(($(printf '%d' "'$byte") & 255)) ;;
    esac
  done
}

# Sends a request as the administrator, again and again while the broker does not answer or says that it cannot now;
# sets `status` and `answer`. All requests here can be sent twice.
status=
answer=
hasty=
request() { # method, path, body
  local code why until=$((SECONDS + patience)) password user=${admin%%=*}
  if [ -z "${admin_password+set}" ]; then
    read_password "${admin#*=}"
    admin_password=$password
  fi
  while :; do
    code=0 why=
    answer=$(
      {
        printf 'request = "%s"\nurl = %s\n' "$1" "$(quoted "$api/api/$2")"
        printf 'user = %s\n' "$(quoted "$user:$admin_password")"
        [ -z "${3:-}" ] || printf 'header = "content-type: application/json"\ndata-raw = %s\n' "$(quoted "$3")"
      } | curl --disable --silent --show-error --max-time 60 --write-out '\n%{http_code}' --config - 2>&1
    ) || code=$?
    status=${answer##*$'\n'}
    case $code in
      0)
        answer=${answer%$'\n'*}
        [[ $status != 5?? && $status != 429 ]] || why="it answers $status: $(reason)"
        ;;
      # What passes while a broker starts: no name, no port, no answer, a connection that breaks.
      6 | 7 | 16 | 28 | 35 | 52 | 55 | 56) why=${answer##*curl: } ;;
      *) fail "$api: ${answer##*curl: }" ;;
    esac
    [ -n "$why" ] || break
    [ -z "$hasty" ] || return 1
    [ "$SECONDS" -lt "$until" ] || fail "$api does not answer, after $patience s: $why"
    sleep 2
  done
  [[ $status != 40[13] ]] || fail "$api does not let $user be its administrator: $(reason)"
}

# What the broker says is wrong, in a line.
reason() {
  local said
  said=$(sed -n 's/.*"reason": *"\([^"]*\)".*/\1/p' <<<"$answer")
  tr -d '\n' <<<"${said:-${answer:0:200}}"
}

# Changes something.
put() { # path, body
  if [ -n "$dry" ]; then
    printf 'PUT %s/api/%s %s\n' "$api" "$1" "$2"
    return
  fi
  request PUT "$1" "$2"
  [[ $status == 2?? ]] || fail "$api: PUT $1: $status: $(reason)"
}

# ---- through either

# Sets `version`, or to nothing if a dry run reaches no broker.
ask_version() {
  if [ -z "$api" ]; then
    version=$(ask 'rabbit_misc:version().' 2>&1 | tr -d '"') && return
    [ -n "$dry" ] || fail "the broker does not answer: $version"
    version=
    return
  fi
  # A dry run does not wait.
  hasty=$dry
  if request GET overview; then
    [ "$status" = 200 ] || fail "$api is no HTTP interface of RabbitMQ: it answers $status"
    version=$(sed -n 's/.*"rabbitmq_version": *"\([^"]*\)".*/\1/p' <<<"$answer")
    [ -n "$version" ] || fail "$api is no HTTP interface of RabbitMQ: it does not tell its version"
  fi
  hasty=
}

add_vhost() {
  if [ -z "$api" ]; then
    has list_vhosts "$vhost" || run add_vhost "$vhost"
    return
  fi
  # One that is there may have settings that an empty body would take away.
  if [ -z "$dry" ]; then
    request GET "vhosts/$(part "$vhost")"
    [ "$status" != 200 ] || return 0
  fi
  put "vhosts/$(part "$vhost")" '{}'
}

add_user() { # role, name, file
  local tag='' password
  [ "$1" != monitor ] || tag=management
  if [ -z "$api" ]; then
    if has list_users "$2"; then
      run_with "$3" change_password "$2"
    else
      run_with "$3" add_user "$2"
    fi
    [ -z "$tag" ] || run set_user_tags "$2" "$tag"
    return
  fi
  [ "$2" != "${admin%%=*}" ] || fail "--$1: $2 is the administrator, who would be one no more"
  if [ -n "$dry" ]; then
    printf 'PUT %s/api/users/%s {"password": …, "tags": "%s"} < %s\n' "$api" "$(part "$2")" "$tag" "$(words "$3")"
    return
  fi
  read_password "$3"
  put "users/$(part "$2")" "{\"password\": $(quoted "$password"), \"tags\": \"$tag\"}"
}

set_permissions() { # name, configure, write, read
  if [ -z "$api" ]; then
    run set_permissions -p "$vhost" "$@"
    return
  fi
  put "permissions/$(part "$vhost")/$(part "$1")" \
    "{\"configure\": $(quoted "$2"), \"write\": $(quoted "$3"), \"read\": $(quoted "$4")}"
}

set_policy() { # name, pattern, definition
  if [ -z "$api" ]; then
    run set_policy -p "$vhost" "$@" --apply-to queues
    return
  fi
  put "policies/$(part "$vhost")/$1" \
    "{\"pattern\": $(quoted "$2"), \"definition\": $3, \"priority\": 0, \"apply-to\": \"queues\"}"
}

# ---- what is set up

[ -n "$version" ] || ask_version
: "${version:=4.0}"
IFS=. read -r major minor _ <<<"$version"
[[ $major =~ ^[0-9]+$ && ${minor:=0} =~ ^[0-9]+$ ]] || fail "$version is no version of RabbitMQ"
at_least() { [ "$major" -gt "$1" ] || { [ "$major" -eq "$1" ] && [ "$minor" -ge "$2" ]; }; }
at_least 3 10 || fail "this broker is RabbitMQ $version, and 3.10 is the oldest that was tried"

add_vhost

for entry in ${users[@]+"${users[@]}"}; do
  role=${entry%%=*} file=${entry#*=}
  name=${file%%=*} file=${file#*=}
  [ -z "$api" ] || sendable "--$role" "$name"
  rights "$role"
  add_user "$role" "$name" "$file"
  for right in configure write read; do
    [ -z "${!right}" ] || printf -v "$right" '^blockproof\.(%s)$' "${!right}"
  done
  set_permissions "$name" "${configure:-^\$}" "${write:-^\$}" "${read:-^\$}"
done

# Three hours: above a worker's --task-timeout. Per queue since 3.12; before that the broker has one for all.
timeout=10800000
tasks='"delivery-limit": 20, "max-length": 100000, "overflow": "reject-publish"'
at_least 3 12 && tasks="$tasks, \"consumer-timeout\": $timeout"
set_policy blockproof-tasks '^blockproof\.tasks\.' "{$tasks}"
set_policy blockproof-results '^blockproof\.results\.' '{"expires": 604800000}'
set_policy blockproof-dead '^blockproof\.dead\.' '{"max-length": 10000, "overflow": "drop-head"}'
set_policy blockproof-own '^blockproof\.own\.' '{"max-length": 10000, "overflow": "drop-head"}'

if ! at_least 3 12; then
  # The HTTP interface does not tell.
  set_to=
  [ -n "$dry$api" ] || set_to=$(ask 'application:get_env(rabbit, consumer_timeout, 0).' | tr -dc '0-9')
  if [ "${set_to:-0}" -lt "$timeout" ]; then
    printf 'RabbitMQ %s gives up on tasks that take longer than %s; put this line into rabbitmq.conf and restart it:\n%s\n' \
      "$version" "${set_to:-1800000} ms" "consumer_timeout = $timeout" >&2
  fi
fi
