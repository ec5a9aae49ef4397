#!/usr/bin/env bash
# A cluster in containers that proves a witness: makes secrets, builds images, starts everything, follows the leader,
# and has the proof verified. Broker, workers, Prometheus and Grafana stay, to be looked at.
#
#   docker/up.sh [WITNESS]     default: witnesses/transfer.json
#
# Beside the witness lies WITNESS_header.json, which the proof is compared with (`rpc extract header BLOCK` prints one).
#
#   PROVER_PROFILE   dev (100 bits, two workers with 14 GiB each) or test (1 bit, worth nothing); default: dev
#   WORKER_MEMORY    memory of each worker; default: 14g, or 5g with test
#   BUILD_PROFILE    release or dist; default: release
#   REGISTRY, VERSION, RABBITMQ_IMAGE, PROMETHEUS_IMAGE, GRAFANA_IMAGE: which images
#
# Needs docker, 25 or later, with the plugin compose. Exit codes: that of `leader`, then that of `verifier`; 2 wrong
# usage. Afterwards:
#
#   docker compose -f docker/compose.yml cp leader:/var/lib/blockproof/proofs/block.zkproof .
#   docker compose -f docker/compose.yml down               # --volumes: circuits, finished tasks and proofs, too
set -euo pipefail

case "${1:-}" in
  --help | -h) sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//; p}' "$0" && exit ;;
esac
wrong() { printf 'up.sh: %s\n' "$*" >&2 && exit 2; }
[ $# -le 1 ] || wrong "one witness at most; see --help"
here=$(dirname "$(realpath "$0")")

WITNESS=$(realpath -m "${1:-$here/../witnesses/transfer.json}")
HEADER=${WITNESS%.json}_header.json
for file in "$WITNESS" "$HEADER"; do
  [ -r "$file" ] || wrong "cannot read $file; see --help"
done
PROVER_PROFILE=${PROVER_PROFILE:-dev}
if [ "$PROVER_PROFILE" = test ]; then
  VERIFIER_FLAGS=--allow-insecure WORKER_MEMORY=${WORKER_MEMORY:-5g}
fi
REVISION=${REVISION:-$(git -C "$here" describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)}
export WITNESS HEADER PROVER_PROFILE REVISION VERIFIER_FLAGS=${VERIFIER_FLAGS:-} WORKER_MEMORY=${WORKER_MEMORY:-14g}

compose() { docker compose -f "$here/compose.yml" "$@"; }
compose version >/dev/null 2>&1 || wrong "docker has no plugin compose: https://docs.docker.com/compose/install"

"$here/secrets.sh"
# Verifier and jumpbox are built here, too; the latter as broker-setup.
compose build
# Returns when the leader has begun: the broker answers, it is set up, and the circuits are there.
compose up --detach leader prometheus grafana
compose logs --follow --no-log-prefix leader
code=$(docker inspect --format '{{.State.ExitCode}}' "$(compose ps --all --quiet leader)")
if [ "$code" != 0 ]; then
  echo "up.sh: the leader ended with exit code $code" >&2
  exit "$code"
fi
compose run --rm --no-deps verifier
cat >&2 <<END
Grafana: http://127.0.0.1:3000, user admin, password in docker/secrets/grafana/password
RabbitMQ: http://127.0.0.1:15672, user and password in docker/secrets/admin; Prometheus: http://127.0.0.1:9090
END
