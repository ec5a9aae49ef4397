#!/usr/bin/env bash
# Tests of the chart in helm/ that need no cluster: it lints, renders with each of helm/ci/*-values.yaml, passes its
# unit tests (helm/tests), fits the programs that it runs (tools/deploy/helm-check.py), and its README is up to date.
# Schemas of what is rendered: tools/deploy/manifests.sh. A real API server: tools/deploy/apiserver.sh.
#
#   tools/deploy/helm.sh [--help]
#
# What it needs is found or installed by tools/deploy/tools.sh.
set -euo pipefail
case ${1:-} in --help | -h) sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//; p}' "$0" && exit 0 ;; esac
cd "$(dirname "$0")/../.."
# shellcheck source=tools/deploy/tools.sh
. tools/deploy/tools.sh
{ need_helm && need_helm_unittest && need_python PyYAML; } || without helm

say() { printf 'helm: %s\n' "$*" >&2; }
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
# A helm that `go install` built takes the cluster for an old one.
version=(--kube-version "$KUBERNETES_VERSION")
render() { # name, values…
  "$HELM" template blockproof helm --namespace blockproof "${version[@]}" "${@:2}" >"$out/$1.yaml"
}

for file in helm/ci/*-values.yaml; do
  name=$(basename "$file" -values.yaml)
  say "lint and render with $name"
  "$HELM" lint --strict helm "${version[@]}" --values "$file" >"$out/lint" 2>&1 || { cat "$out/lint" >&2 && exit 1; }
  render "$name" --values "$file"
done

say "values that have to do with circuits, and others"
first=helm/ci/01-defaults-values.yaml
render stable-workers --values "$first" --set worker.graceSeconds=7000,worker.classes.segment.slots=2
render stable-scaling --values "$first" --set autoscaling.maxReplicas=30,metrics.recentSeconds=60
render stable-leader --values "$first" --set leader.mode=job,jumpbox.enabled=true,loadTester.enabled=true
render stable-broker --values "$first" --set rabbitmq.replicas=1,rabbitmq.persistence.size=30Gi
render other-profile --values "$first" --set prover.profile=mainnet
render other-sizes --values "$first" --set prover.circuitSizes.cpu=8..20
render other-version --values "$first" --set image.tag=0.2.0
render other-memory --values "$first" --set circuits.build.resources.memory=20Gi
"$PYTHON" tools/deploy/helm-check.py "$out"/*.yaml

say "a chart without a registry says so"
if render none 2>"$out/none"; then say "and renders all the same" && exit 1; fi
grep -q 'image.registry is not set: build the images' "$out/none" || { cat "$out/none" >&2 && exit 1; }

say "values that are wrong are refused"
refused() { # value
  if render none --values "$first" --set "$1" 2>"$out/none"; then say "$1 is taken" && exit 1; fi
  grep -q "values don't meet the specifications of the schema" "$out/none" || { cat "$out/none" >&2 && exit 1; }
}
for value in prover.profile=huge prover.circuitSizes.cpu=20 image.tag=latest image.registery=x leader.mode=cron \
  worker.classes.segment.slots=0 worker.classes.huge.enabled=true rabbitmq.replicas=2 rabbitmq.image=rabbitmq:latest \
  rabbitmq.vhost=a/b rabbitmq.external.managementUrl=http://user:password@host:15672 artifacts.url=ftp://host/folder \
  leader.follow.head=newest leader.group=a.b autoscaling.scaleDownPercent=200 networkPolicy.store.ports=443; do
  refused "$value"
done

say "unit tests"
"$UNTT" --strict helm >"$out/units" 2>&1 || { cat "$out/units" >&2 && exit 1; }
grep '^Tests:' "$out/units" >&2

say "README"
"$PYTHON" tools/deploy/helm-readme.py --check
