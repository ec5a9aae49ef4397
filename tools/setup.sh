#!/usr/bin/env bash
# Brings everything up on Google Cloud: cluster, broker's operator, autoscaler, monitoring, prover. Each step can be
# done by hand instead, see docs/deploy.md. Can be run again: what is there stays, what differs is changed.
#
#   tools/setup.sh [OPTION]…
#   tools/setup.sh load-test [OPTION]…     proves witnesses in a row in the cluster and prints the report
#
#     --list               the steps, in order
#     --from STEP          begin there; what was done before is read from Terraform's state
#     --only STEP          this one only
#     --skip STEP          leave one out; can be given more than once
#     --dry-run            print the commands, run nothing
#     --yes                do not ask, not even Terraform; needed where there is no terminal
#     --var-file FILE      Terraform's variables; default: terraform/terraform.tfvars
#     --values FILE        values of the chart that go before those of Terraform; can be given more than once
#     --namespace NAME     of the prover; default: as in Terraform's variable workload_identity
#     --image-tag TAG      tag of the images; default: the commit that is checked out
#     --registry PREFIX    take images from there, PREFIX/blockproof-worker:TAG and so on, and build none
#
# Needs gcloud, terraform, kubectl, helm, jq, openssl, git, and docker for building images. Versions:
# tools/versions.env. Exit code: 0 done, 1 a step failed, 2 wrong usage.
set -euo pipefail
here=$PWD
cd "$(dirname "$0")/.."
# shellcheck source=tools/versions.env
. tools/versions.env
# shellcheck source=tools/steps.sh
. tools/steps.sh

release=blockproof
images=(leader worker rpc verifier jumpbox)
steps=(
  "check         programs and their versions, login, project, APIs"
  "infra         network, cluster, bucket, registry and identities, by Terraform"
  "credentials   access for kubectl and helm"
  "storage       a class of volumes that many nodes can mount, for circuits"
  "images        build and push what is not in the registry yet"
  "cert-manager  certificates for the webhooks of the RabbitMQ operator"
  "operators     the RabbitMQ Cluster Operator"
  "keda          autoscaling"
  "monitoring    Prometheus and Grafana"
  "prover        the chart: broker, circuits, workers, leader"
  "verify        prove and verify the smallest witness"
)
values=() image_tag='' registry=''

if [ "${1:-}" = load-test ]; then
  shift
  steps=("load-test     prove witnesses in a row and report")
fi
while [ $# -gt 0 ]; do
  case $1 in
    --values | --image-tag | --registry)
      [ $# -gt 1 ] || usage_error "$1 needs a value"
      case $1 in
        --values)
          [ -r "$(path "$2")" ] || usage_error "cannot read $2"
          values+=("$(path "$2")")
          ;;
        --image-tag) image_tag=$2 ;;
        --registry) registry=${2%/} ;;
      esac
      again+=("$1" "$2")
      shift 2
      ;;
    *) option "$@" && shift "$taken" ;;
  esac
done
[[ -z $image_tag || $image_tag =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$ ]] ||
  usage_error "--image-tag: no tag of an image: $image_tag"
[ "$image_tag" != latest ] || usage_error "--image-tag latest would be another image every time"

# The APIs that Terraform's resources and the volumes of circuits belong to.
apis=(artifactregistry cloudresourcemanager compute container file iam logging monitoring storage)

step_check() {
  local api enabled missing=()
  if [ -n "$dry" ]; then
    say "would ask for versions, logins, the project and its APIs"
    return
  fi
  check_common
  need_program openssl "the package openssl" || true
  need_program git "the package git" || true
  if wanted_later images && [ -z "$registry" ]; then
    command -v docker >/dev/null || say "there is no docker: images must be in the registry already, see step images"
  fi
  tell_problems
  local project
  project=$(project_of_variables)
  enabled=$(gcloud services list --enabled --project "$project" --format='value(config.name)') ||
    fail "cannot list the APIs of project $project"
  for api in "${apis[@]}"; do grep -qx "$api.googleapis.com" <<<"$enabled" || missing+=("$api.googleapis.com"); done
  # Not done here: it is a decision about the project, not about this cluster.
  [ ${#missing[@]} = 0 ] || fail "APIs are not enabled: gcloud services enable --project $project ${missing[*]}"
}

wanted_later() {
  local name
  [ -z "$only" ] || [ "$only" = "$1" ] || return
  for name in "${skip[@]}"; do [ "$name" != "$1" ] || return; done
}

step_infra() {
  local there
  can_ask
  [ -n "$dry" ] || [ -r "$var_file" ] ||
    fail "there is no $var_file: copy terraform/terraform.tfvars.example and fill it in"
  run terraform -chdir=terraform init -input=false
  if [ -z "$dry" ]; then
    # A state of another project would have its resources replaced by those of this one.
    there=$(terraform_ output -json | jq -r '.project_id.value // ""') || fail "cannot read Terraform's state"
    [ -z "$there" ] || [ "$there" = "$(project_of_variables)" ] ||
      fail "Terraform's state is of project $there, $var_file names $(project_of_variables):" \
        "give each a folder or a backend of its own"
  fi
  run terraform -chdir=terraform apply "$(var_file_argument)" ${yes:+-input=false -auto-approve}
  out=()
}

step_credentials() {
  connect
  run gcloud container clusters get-credentials "${out[kubernetes_cluster_name]}" --location "${out[location]}" \
    --project "${out[project_id]}"
  kube get nodes ||
    fail "the API server does not answer: is your address among authorized_networks, gke-gcloud-auth-plugin installed?"
}

# Google's own classes make volumes in the network `default`, which the cluster is not in.
step_storage() {
  local class=${dry:+STORAGE_CLASS}
  connect
  [ -n "$dry" ] || class=$(jq -r .circuits.persistence.storageClassName <<<"${out[helm_values]}")
  kube_with "apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: $class
provisioner: filestore.csi.storage.gke.io
parameters:
  tier: standard
  network: ${out[network]}
volumeBindingMode: WaitForFirstConsumer
allowVolumeExpansion: true
reclaimPolicy: Delete" apply --server-side -f -
}

# Tags cannot be moved in the registry, so the default is a commit, and that without changes.
choose_tag() {
  [ -z "$image_tag" ] || return 0
  image_tag=$(git rev-parse --short=12 HEAD) || fail "no commit to name images after: give --image-tag"
}

is_image_there() {
  holds gcloud artifacts docker images describe "${out[registry]}/blockproof-$1:$image_tag" \
    --project "${out[project_id]}"
}

step_images() {
  local name changed missing=()
  connect
  if [ -n "$registry" ]; then
    say "images come from $registry: none is built"
    return
  fi
  if [ -z "$image_tag" ] && [ -z "$dry" ]; then
    changed=$(git status --porcelain) || fail "no commit to name images after: give --image-tag"
    [ -z "$changed" ] ||
      fail "there are changes that are not committed, so images cannot be named after the commit:" \
        "commit, or give --image-tag"
  fi
  choose_tag
  for name in "${images[@]}"; do
    if is_image_there "$name"; then
      say "blockproof-$name:$image_tag is there"
    else
      missing+=("$name")
    fi
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ -z "$dry" ] && ! docker buildx version >/dev/null 2>&1; then
    fail "there is no docker with buildx, and images are missing: ${missing[*]}. On a machine that has it, logged in by
  gcloud auth configure-docker ${out[region]}-docker.pkg.dev
run
  docker/build.sh --registry ${out[registry]} --version $image_tag --push ${missing[*]}
or name a registry that has them by --registry"
  fi
  run gcloud auth configure-docker "${out[region]}-docker.pkg.dev" --quiet
  run docker/build.sh --registry "${out[registry]}" --version "$image_tag" --push "${missing[@]}"
}

step_cert_manager() {
  connect
  helm_ upgrade --install cert-manager "$CERT_MANAGER_CHART" --version "$CERT_MANAGER_VERSION" \
    --namespace cert-manager --create-namespace --set crds.enabled=true --wait --timeout 10m
}

step_operators() {
  connect
  kube apply --server-side --force-conflicts -f "$RABBITMQ_OPERATOR_MANIFEST"
  kube wait --for=condition=Established crd/rabbitmqclusters.rabbitmq.com --timeout=2m
  kube -n rabbitmq-system rollout status deployment/rabbitmq-cluster-operator --timeout=10m
}

step_keda() {
  connect
  helm_ upgrade --install keda keda --repo "$KEDA_REPOSITORY" --version "${KEDA_VERSION#v}" \
    --namespace keda --create-namespace --wait --timeout 10m
}

step_monitoring() {
  local create
  connect
  kube_with "apiVersion: v1
kind: Namespace
metadata:
  name: monitoring" apply --server-side -f -
  # Made once, since Grafana keeps its first password; it goes from one program to the other through a pipe.
  if holds ask_kube -n monitoring get secret grafana-admin; then
    say "secret grafana-admin is there"
  else
    say "a password of 48 random digits for Grafana's user admin"
    create=(-n monitoring create secret generic grafana-admin --from-literal=admin-user=admin
      --from-file=admin-password=/dev/stdin)
    if [ -n "$dry" ]; then kube "${create[@]}"; else openssl rand -hex 24 | tr -d '\n' | kube "${create[@]}"; fi
  fi
  helm_ upgrade --install kube-prometheus-stack kube-prometheus-stack --repo "$KUBE_PROMETHEUS_STACK_REPOSITORY" \
    --version "$KUBE_PROMETHEUS_STACK_VERSION" --namespace monitoring -f tools/monitoring-values.yaml \
    --wait --timeout 15m
}

# Values of the chart: Terraform's, those of --values, the images.
chart_values() {
  local file
  if [ -n "$dry" ]; then
    chart=(-f HELM_VALUES)
  else
    printf '%s\n' "${out[helm_values]}" >"$scratch/terraform-values.json"
    chart=(-f "$scratch/terraform-values.json")
  fi
  for file in "${values[@]}"; do chart+=(-f "$file"); done
  choose_tag
  chart+=(--set-string "image.tag=$image_tag")
  [ -z "$registry" ] || chart+=(--set-string "image.registry=$registry")
}

step_prover() {
  connect
  choose_namespace
  chart_values
  if [ -z "$registry" ] && [ -z "$dry" ]; then
    is_image_there worker ||
      fail "there is no image blockproof-worker:$image_tag in ${out[registry]}:" \
        "step images makes it, or give --image-tag"
  fi
  kube_with "apiVersion: v1
kind: Namespace
metadata:
  name: $namespace
  labels:
    pod-security.kubernetes.io/enforce: restricted
    pod-security.kubernetes.io/warn: restricted" apply --server-side -f -
  helm_ upgrade --install "$release" helm --namespace "$namespace" "${chart[@]}" --timeout 15m
  # By hand instead of --wait, since preparing circuits may take an hour and says so here.
  wait_for_jobs broker-setup 20
  wait_for_jobs circuits 240
  kube -n "$namespace" rollout status deployment --timeout=30m \
    -l "app.kubernetes.io/instance=$release,app.kubernetes.io/component=worker"
}

# `kubectl wait` sees one condition at a time: a Job that has failed would be waited for until the end.
wait_for_jobs() { # component, minutes
  local job jobs failed deadline=$((SECONDS + $2 * 60))
  local selector="app.kubernetes.io/instance=$release,app.kubernetes.io/component=$1"
  if [ -n "$dry" ]; then
    kube -n "$namespace" wait --for=condition=complete job -l "$selector" --timeout="${2}m"
    return
  fi
  jobs=$(ask_kube -n "$namespace" get jobs -l "$selector" -o name) || fail "cannot ask for the Jobs of $1"
  for job in $jobs; do
    say "waiting for $job"
    until ask_kube -n "$namespace" wait --for=condition=complete "$job" --timeout=1m >/dev/null 2>&1; do
      # The API server may be away for a while, during an upgrade say.
      failed=$(ask_kube -n "$namespace" get "$job" -o jsonpath='{.status.conditions[?(@.type=="Failed")].status}') ||
        failed=''
      [ "$failed" != True ] || fail "$job failed: kubectl -n $namespace logs $job"
      [ "$SECONDS" -lt "$deadline" ] ||
        fail "$job did not end within $2 minutes: kubectl -n $namespace describe $job"
      sleep 5
    done
  done
}

step_verify() {
  connect
  choose_namespace
  helm_ test "$release" --namespace "$namespace" --logs --timeout 90m
}

# The chart's load tester without making it part of the release: the Job is made, waited for, its report printed, and
# removed.
step_load_test() {
  local job=${dry:+LOAD_TESTER}
  local selector="app.kubernetes.io/instance=$release,app.kubernetes.io/component=load-tester" status=0
  connect
  choose_namespace
  chart_values
  job=${job:-$scratch/load-tester.yaml}
  run helm template "$release" helm --namespace "$namespace" "${chart[@]}" --set loadTester.enabled=true \
    --show-only templates/load-tester/job.yaml >"$scratch/load-tester.yaml"
  kube -n "$namespace" delete job -l "$selector" --ignore-not-found
  kube -n "$namespace" apply -f "$job"
  # A witness that fails makes the Job fail, and is in the report like the others.
  (wait_for_jobs load-tester 1440) || status=$?
  kube -n "$namespace" logs -l "$selector" --tail=-1
  kube -n "$namespace" delete job -l "$selector" --ignore-not-found
  return "$status"
}

run_steps
[ -n "$dry" ] || say "done"
