#!/usr/bin/env bash
# Makes a RabbitMQ broker ready for leaders and workers: a vhost, a user for each role with the rights of the role and
# no more, and policies. Can be run again, and again after an upgrade of the broker. What for: docs/rabbitmq.md.
#
#   tools/rabbitmq/setup.sh [--vhost NAME] [--leader|--worker|--operator|--monitor USER=FILE]... [OPTION]...
#
#     --vhost NAME            default: blockproof
#     --leader USER=FILE      gives proofs in order; FILE holds the password, - is the next line of stdin
#     --worker USER=FILE      proves
#     --operator USER=FILE    `leader queue …`
#     --monitor USER=FILE     counts what waits, through the HTTP interface: KEDA, dashboards
#     --rabbitmqctl COMMAND   default: rabbitmqctl; such as "kubectl exec -i rabbit-server-0 -- rabbitmqctl"
#     --broker-version X.Y    default: what the broker says, or 4.0 in a dry run that reaches none
#     --dry-run               only print what would be run
#
# Passwords go through pipes: they are in no list of processes.
set -euo pipefail

vhost=blockproof
ctl=(rabbitmqctl)
version=
dry=
users=()

fail() { printf 'setup.sh: %s\n' "$*" >&2 && exit 2; }

while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//; p}' "$0" && exit 0 ;;
    --dry-run) dry=yes && shift && continue ;;
    --vhost | --leader | --worker | --operator | --monitor | --rabbitmqctl | --broker-version) ;;
    *) fail "unknown argument $1; see --help" ;;
  esac
  [ $# -gt 1 ] || fail "$1 needs a value"
  case $1 in
    --vhost) vhost=$2 ;;
    --rabbitmqctl) read -ra ctl <<<"$2" ;;
    --broker-version) version=$2 ;;
    *)
      [[ $2 == ?*=?* ]] || fail "$1 $2: expected USER=FILE"
      [ "${2#*=}" = - ] || [ -r "${2#*=}" ] || fail "$1: cannot read ${2#*=}"
      users+=("${1#--}=$2")
      ;;
  esac
  shift 2
done

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

run() {
  if [ -n "$dry" ]; then
    printf '%s\n' "$(words "${ctl[@]}" "$@")"
  else
    "${ctl[@]}" --quiet "$@"
  fi
}

# Runs something with a password on its stdin: the first line of a file, or the next one of ours.
run_with() { # file, words…
  local file=$1 password
  shift
  if [ -n "$dry" ]; then
    printf '%s < %s\n' "$(words "${ctl[@]}" "$@")" "$(words "$file")"
    return
  fi
  if [ "$file" = - ]; then
    IFS= read -r password || [ -n "$password" ] || fail "no password on stdin"
  else
    IFS= read -r password <"$file" || [ -n "$password" ] || fail "$file is empty"
  fi
  printf '%s\n' "$password" | "${ctl[@]}" --quiet "$@"
}

# Whether a list of the broker has a line that begins with this word. Stdin is not for rabbitmqctl here.
has() { # list, word
  [ -z "$dry" ] && "${ctl[@]}" --silent "$1" </dev/null | cut -f 1 | grep -qxF -- "$2"
}

ask() { "${ctl[@]}" --silent eval "$1" </dev/null; }

if [ -z "$version" ]; then
  version=$(ask 'rabbit_misc:version().' 2>&1 | tr -d '"') ||
    { [ -n "$dry" ] && version=4.0; } || fail "the broker does not answer: $version"
fi
IFS=. read -r major minor _ <<<"$version"
[[ $major =~ ^[0-9]+$ && ${minor:=0} =~ ^[0-9]+$ ]] || fail "$version is no version of RabbitMQ"
at_least() { [ "$major" -gt "$1" ] || { [ "$major" -eq "$1" ] && [ "$minor" -ge "$2" ]; }; }
at_least 3 10 || fail "this broker is RabbitMQ $version, and 3.10 is the oldest that was tried"

has list_vhosts "$vhost" || run add_vhost "$vhost"

for entry in ${users[@]+"${users[@]}"}; do
  role=${entry%%=*} file=${entry#*=}
  name=${file%%=*} file=${file#*=}
  rights "$role"
  if has list_users "$name"; then
    run_with "$file" change_password "$name"
  else
    run_with "$file" add_user "$name"
  fi
  for right in configure write read; do
    [ -z "${!right}" ] || printf -v "$right" '^blockproof\.(%s)$' "${!right}"
  done
  run set_permissions -p "$vhost" "$name" "${configure:-^\$}" "${write:-^\$}" "${read:-^\$}"
  [ "$role" != monitor ] || run set_user_tags "$name" management
done

# Three hours: above a worker's --task-timeout. Per queue since 3.12; before that the broker has one for all.
timeout=10800000
policy() { run set_policy -p "$vhost" "$1" "$2" "$3" --apply-to queues; }
tasks='"delivery-limit": 20, "max-length": 100000, "overflow": "reject-publish"'
at_least 3 12 && tasks="$tasks, \"consumer-timeout\": $timeout"
policy blockproof-tasks '^blockproof\.tasks\.' "{$tasks}"
policy blockproof-results '^blockproof\.results\.' '{"expires": 604800000}'
policy blockproof-dead '^blockproof\.dead\.' '{"max-length": 10000, "overflow": "drop-head"}'
policy blockproof-own '^blockproof\.own\.' '{"max-length": 10000, "overflow": "drop-head"}'

if ! at_least 3 12; then
  set_to=
  [ -n "$dry" ] || set_to=$(ask 'application:get_env(rabbit, consumer_timeout, 0).' | tr -dc '0-9')
  if [ "${set_to:-0}" -lt "$timeout" ]; then
    printf 'RabbitMQ %s gives up on tasks that take longer than %s; put this line into rabbitmq.conf and restart it:\n%s\n' \
      "$version" "${set_to:-1800000} ms" "consumer_timeout = $timeout" >&2
  fi
fi
