#!/usr/bin/env bash
# HEAVY. Installs the chart at a real API server of Kubernetes (etcd and kube-apiserver; there are no controllers and no
# nodes, so nothing runs) with each of helm/ci/*-values.yaml, in namespaces that enforce the restricted Pod Security
# standard: install, upgrades, uninstall. What is checked is in tools/deploy/apiserver.py. Any warning is a failure.
#
#   tools/deploy/apiserver.sh [VALUES]...            default: helm/ci/*-values.yaml
#   tools/deploy/apiserver.sh --serve COMMAND…       only runs a command at such an API server, with KUBECONFIG
#
# The first run builds kube-apiserver, which takes about eleven minutes and 2 GiB of memory; it is kept in target/tools.
# RABBITMQ_CRD names the file with the definition of RabbitmqCluster where it cannot be downloaded.
set -euo pipefail
case ${1:-} in --help | -h) sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//; p}' "$0" && exit 0 ;; esac
serve=
if [ "${1:-}" = --serve ]; then
  serve=yes && shift
  [ $# -gt 0 ] || { echo "apiserver: --serve needs a command" >&2 && exit 2; }
else
  values=()
  for file; do values+=("$(realpath "$file")"); done
fi
root=$(realpath "$(dirname "$0")/../..")
start=$PWD
cd "$root"
# shellcheck source=tools/deploy/tools.sh
. tools/deploy/tools.sh
{ need_kubectl && need_helm && need_python PyYAML && need_crds && need_etcd && need_apiserver; } || without apiserver

folder=$(mktemp -d)
processes=()
stop() {
  # The API server first: without etcd it would complain for a minute.
  for process in ${processes[@]+"${processes[@]}"}; do
    kill "$process" 2>/dev/null || true
    wait "$process" 2>/dev/null || true
  done
  rm -rf "$folder"
}
trap stop EXIT

read -r etcd_port peer_port port < <(
  python3 -c 'import socket; s = [socket.socket() for _ in range(3)]; [x.bind(("127.0.0.1", 0)) for x in s]
print(*(x.getsockname()[1] for x in s))'
)
url=https://127.0.0.1:$port
token=$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')
(
  cd "$folder"
  openssl genrsa -out accounts.key 2048
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout tls.key -out tls.crt -subj /CN=127.0.0.1 \
    -addext subjectAltName=IP:127.0.0.1,DNS:localhost
) 2>/dev/null
echo "$token,admin,admin,system:masters" >"$folder/tokens.csv"
"$ETCD" --data-dir "$folder/etcd" --listen-client-urls "http://127.0.0.1:$etcd_port" \
  --advertise-client-urls "http://127.0.0.1:$etcd_port" --listen-peer-urls "http://127.0.0.1:$peer_port" \
  --initial-advertise-peer-urls "http://127.0.0.1:$peer_port" \
  --initial-cluster "default=http://127.0.0.1:$peer_port" >"$folder/etcd.log" 2>&1 &
processes=($!)
# Without controllers no namespace gets a service account `default`, which the plugin ServiceAccount would ask for; pods
# of the chart name accounts that are there, but not all of them.
"$APISERVER" --etcd-servers="http://127.0.0.1:$etcd_port" --bind-address=127.0.0.1 --advertise-address=127.0.0.1 \
  --secure-port="$port" --cert-dir="$folder" --tls-cert-file="$folder/tls.crt" \
  --tls-private-key-file="$folder/tls.key" \
  --service-account-issuer=https://kubernetes.default.svc \
  --service-account-key-file="$folder/accounts.key" \
  --service-account-signing-key-file="$folder/accounts.key" --service-cluster-ip-range=10.0.0.0/24 \
  --authorization-mode=RBAC --token-auth-file="$folder/tokens.csv" --disable-admission-plugins=ServiceAccount \
  --endpoint-reconciler-type=none >"$folder/apiserver.log" 2>&1 &
processes=($! "${processes[@]}")
# The client's configuration is written by hand: an argument would show the token.
cat >"$folder/kubeconfig" <<CONFIG
apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "$url", certificate-authority: "$folder/tls.crt"}}]
users: [{name: admin, user: {token: "$token"}}]
contexts: [{name: test, context: {cluster: test, user: admin}}]
current-context: test
CONFIG
chmod 600 "$folder/kubeconfig"
# What clients keep of a server they keep by its address, which another run may have had.
export KUBECONFIG=$folder/kubeconfig KUBECACHEDIR=$folder/cache
export HELM_CACHE_HOME=$folder/helm HELM_CONFIG_HOME=$folder/helm HELM_DATA_HOME=$folder/helm

until "$KUBECTL" get --raw /readyz >/dev/null 2>"$folder/answer"; do
  for process in "${processes[@]}"; do
    kill -0 "$process" 2>/dev/null && continue
    tail -n 20 "$folder"/*.log >&2
    exit 1
  done
  [ "$SECONDS" -lt 1800 ] || { cat "$folder/answer" >&2 && exit 1; }
  sleep 0.5
done

if [ -n "$serve" ]; then
  cd "$start"
  "$@"
  exit
fi
# Plain apply fails: definitions are larger than an annotation may be.
definitions=()
for file in "$CRDS"/*/*.yaml; do
  # A manifest of a whole operator holds more than definitions.
  "$PYTHON" - "$file" <<'PYTHON' >"$folder/${file##*/}"
import sys, yaml
yaml.SafeLoader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: node.value)
documents = yaml.load_all(open(sys.argv[1]), yaml.SafeLoader)
print(yaml.safe_dump_all(d for d in documents if d and d["kind"] == "CustomResourceDefinition"))
PYTHON
  definitions+=(--filename "$folder/${file##*/}")
done
"$KUBECTL" apply --server-side "${definitions[@]}" >/dev/null
"$KUBECTL" wait --for condition=established --timeout 120s crd --all >/dev/null

[ ${#values[@]} -gt 0 ] || values=("$root"/helm/ci/*-values.yaml)
"$PYTHON" tools/deploy/apiserver.py "${values[@]}"
