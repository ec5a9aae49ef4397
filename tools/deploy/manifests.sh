#!/usr/bin/env bash
# Checks every manifest against the schemas of Kubernetes and the real definitions of KEDA's, the Prometheus operator's
# and RabbitMQ's custom resources: the chart rendered with each of helm/ci/*-values.yaml, and manifests in tools/.
# A field that the pinned versions do not know is an error.
#
#   tools/deploy/manifests.sh [VALUES]...      default: helm/ci/*-values.yaml
#
# What it needs is found or installed by tools/deploy/tools.sh. RABBITMQ_CRD names the file with the definition of
# RabbitmqCluster where it cannot be downloaded.
set -euo pipefail
case ${1:-} in --help | -h) sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//; p}' "$0" && exit 0 ;; esac
values=()
for file; do values+=("$(realpath "$file")"); done
cd "$(dirname "$0")/../.."
# shellcheck source=tools/deploy/tools.sh
. tools/deploy/tools.sh
{ need_helm && need_kubeconform && need_schemas; } || without manifests
[ ${#values[@]} -gt 0 ] || values=(helm/ci/*-values.yaml)

say() { printf 'manifests: %s\n' "$*" >&2; }
skip=()
[ -e "$CRDS/rabbitmq" ] || skip=(-skip RabbitmqCluster)

# The braces are kubeconform's.
conforms() {
  "$KUBECONFORM" -strict -kubernetes-version "$KUBERNETES_VERSION" ${skip[@]+"${skip[@]}"} \
    -schema-location "$SCHEMAS/core/v${KUBERNETES_VERSION%.*}-strict/{{ .ResourceKind }}{{ .KindSuffix }}.json" \
    -schema-location "$SCHEMAS/custom/{{ .Group }}/{{ .ResourceKind }}_{{ .ResourceAPIVersion }}.json" "$@"
}

# First that it finds anything at all: each of these has one field that is not there.
missed=
while read -r version kind spec; do
  manifest="{\"apiVersion\": \"$version\", \"kind\": \"$kind\", \"metadata\": {\"name\": \"x\"}, \"spec\": $spec}"
  [ ${#skip[@]} = 0 ] || [ "$kind" != RabbitmqCluster ] || continue
  if out=$(conforms - <<<"$manifest" 2>&1); then
    missed+=" $kind"
  elif ! grep -q "'nonsense' not allowed" <<<"$out"; then
    say "$kind: something else is wrong with $manifest: $out"
    exit 1
  fi
done <<'FAULTS'
v1 Pod {"containers": [{"name": "x", "image": "x", "nonsense": 1}]}
networking.k8s.io/v1 NetworkPolicy {"podSelector": {}, "nonsense": 1}
admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy {"nonsense": 1}
keda.sh/v1alpha1 ScaledObject {"scaleTargetRef": {"name": "x", "nonsense": 1}, "triggers": []}
keda.sh/v1alpha1 TriggerAuthentication {"secretTargetRef": [{"parameter": "x", "name": "x", "key": "x", "nonsense": 1}]}
monitoring.coreos.com/v1 PodMonitor {"selector": {}, "podMetricsEndpoints": [{"nonsense": 1}]}
monitoring.coreos.com/v1 ServiceMonitor {"selector": {}, "endpoints": [{"nonsense": 1}]}
monitoring.coreos.com/v1 PrometheusRule {"groups": [{"name": "x", "rules": [{"expr": 1, "nonsense": 1}]}]}
rabbitmq.com/v1beta1 RabbitmqCluster {"rabbitmq": {"nonsense": 1}}
FAULTS
[ -z "$missed" ] || { say "a field that is not there is not found in:$missed" && exit 1; }

failed=0
check() { # what, manifests
  local out
  say "$1"
  out=$(conforms -summary - <<<"$2" 2>&1) || failed=1
  printf '%s\n' "$out" >&2
  # None would be fine with kubeconform.
  ! grep -q '^Summary: 0 ' <<<"$out" || { say "$1: no manifests" && failed=1; }
}
for file in "${values[@]}"; do
  rendered=$("$HELM" template blockproof helm --namespace blockproof --kube-version "$KUBERNETES_VERSION" \
    --values "$file") || { failed=1 && continue; }
  check "helm/ with ${file##*/}" "$rendered"
done
for file in tools/*.yaml; do
  # Others are values of charts.
  ! grep -qs '^kind:' "$file" || check "$file" "$(cat "$file")"
done
exit "$failed"
