#!/usr/bin/env bash
# Runs a command with a RabbitMQ broker of its own on loopback, which is gone afterwards.
#
#   tools/broker.sh COMMAND…      sets AMQP_URI, and BROKER_CTL to what runs rabbitmqctl against it
#
# Needs the Debian package rabbitmq-server; its service need not run.
set -euo pipefail

server=/usr/lib/rabbitmq/bin/rabbitmq-server
[ -x "$server" ] || { echo "there is no RabbitMQ here: apt-get install rabbitmq-server" >&2 && exit 3; }
folder=$(mktemp -d)
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
RABBITMQ_NODE_PORT=$(port) RABBITMQ_DIST_PORT=$(port) ERL_EPMD_PORT=$(port)
export RABBITMQ_NODE_PORT RABBITMQ_DIST_PORT ERL_EPMD_PORT
export RABBITMQ_NODENAME="blockproof-$$@localhost" RABBITMQ_NODE_IP_ADDRESS=127.0.0.1
export RABBITMQ_MNESIA_BASE="$folder/data" RABBITMQ_LOG_BASE="$folder/log" RABBITMQ_ENABLED_PLUGINS_FILE="$folder/plugins"
echo '[].' >"$folder/plugins"

stop() {
  kill "$broker" 2>/dev/null || true
  wait "$broker" 2>/dev/null || true
  epmd -kill >/dev/null 2>&1 || true
  rm -rf "$folder"
}
HOME=$folder RUNNING_UNDER_SYSTEMD=true "$server" >"$folder/out" 2>&1 &
broker=$!
trap stop EXIT
for _ in $(seq 900); do
  (exec 3<>"/dev/tcp/127.0.0.1/$RABBITMQ_NODE_PORT") 2>/dev/null && ready=yes && break
  kill -0 "$broker" 2>/dev/null || break
  sleep 0.2
done
[ -n "${ready:-}" ] || { cat "$folder/out" >&2 && exit 1; }

export AMQP_URI="amqp://guest:guest@127.0.0.1:$RABBITMQ_NODE_PORT/%2f" BROKER_PID="$broker"
export BROKER_CTL="$folder/ctl"
printf '#!/bin/sh\nHOME=%s exec /usr/lib/rabbitmq/bin/rabbitmqctl "$@"\n' "$folder" >"$BROKER_CTL"
chmod +x "$BROKER_CTL"
"$@"
