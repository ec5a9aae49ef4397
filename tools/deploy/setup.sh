#!/usr/bin/env bash
# Tests tools/setup.sh and tools/teardown.sh: shellcheck, every call by fakes of gcloud, terraform, kubectl, helm,
# docker and git (setup.py), and the chart with the values that Terraform gives it.
#
#   tools/deploy/setup.sh [--update]     --update: writes tools/deploy/fakes/golden anew
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tools/deploy/tools.sh
. tools/deploy/tools.sh

case ${1:-} in
  --help | -h) sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//; p}' "$0" && exit 0 ;;
  --update | --heavy | "") ;;
  *) echo "setup.sh: unknown argument $1; see --help" >&2 && exit 2 ;;
esac

if command -v shellcheck >/dev/null; then
  shellcheck -x tools/setup.sh tools/teardown.sh
  shellcheck tools/steps.sh tools/versions.env tools/deploy/fakes/fake
else
  echo "shellcheck of the scripts: skipped, it is not installed" >&2
fi
update=()
[ "${1:-}" != --update ] || update=(--update)
python3 tools/deploy/setup.py "${update[@]}"

need_helm || without "the chart with Terraform's values"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
jq .helm_values.value tools/deploy/fakes/answers/outputs.json >"$scratch/values.json"
"$HELM" template blockproof helm --namespace blockproof --kube-version "$KUBERNETES_VERSION" -f "$scratch/values.json" \
  --set-string image.tag=0123456789ab >"$scratch/manifests.yaml"
# What Terraform knows has arrived, under the names that it has bound.
for line in \
  "image: europe-west4-docker.pkg.dev/example-project/blockproof/blockproof-worker:0123456789ab" \
  "iam.gke.io/gcp-service-account: blockproof-leader@example-project.iam.gserviceaccount.com" \
  "iam.gke.io/gcp-service-account: blockproof-worker@example-project.iam.gserviceaccount.com" \
  "storageClassName: blockproof-rwx" "name: blockproof-worker" "name: blockproof-leader" \
  "blockproof.dev/pool: highmem" \
  "gs://example-project-blockproof-artifacts"; do
  grep -qF -- "$line" <"$scratch/manifests.yaml" ||
    { echo "the chart with Terraform's values has no line \`$line\`" >&2 && exit 1; }
done
# What setup waits for and asks for is there.
for component in worker circuits broker-setup; do
  grep -q "app.kubernetes.io/component: $component$" <"$scratch/manifests.yaml" ||
    { echo "tools/setup.sh waits for component $component, which the chart has not" >&2 && exit 1; }
done
"$HELM" template blockproof helm --namespace blockproof --kube-version "$KUBERNETES_VERSION" -f "$scratch/values.json" \
  --set loadTester.enabled=true --show-only templates/load-tester/job.yaml >/dev/null
echo "setup: everything is as it should be" >&2
