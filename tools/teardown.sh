#!/usr/bin/env bash
# Takes down what tools/setup.sh has brought up, in reverse. The artifact bucket stays, and Terraform goes on knowing
# it, so that another tools/setup.sh finds finished work there. Proofs in volumes are deleted: copy what you want to
# keep.
#
#   tools/teardown.sh [OPTION]…
#
#     --list               the steps, in order
#     --from STEP          begin there
#     --only STEP          this one only
#     --skip STEP          leave one out; can be given more than once
#     --delete-artifacts   delete the artifact bucket, too, with everything in it
#     --dry-run            print the commands, run nothing
#     --yes                do not ask
#     --var-file FILE      Terraform's variables; default: terraform/terraform.tfvars
#     --namespace NAME     of the prover; default: as in Terraform's variable workload_identity
#
# Without --yes it asks for the name of the cluster. With `--skip volumes` disks and shares outlive the cluster, are
# paid for and belong to nobody: docs/deploy.md says how to find them. Exit code: 0 done, or there was nothing; 1 a
# step failed; 2 wrong usage.
set -euo pipefail
here=$PWD
cd "$(dirname "$0")/.."
# shellcheck source=tools/versions.env
. tools/versions.env
# shellcheck source=tools/steps.sh
. tools/steps.sh

release=blockproof
steps=(
  "check       programs and their versions, login, project"
  "prover      the chart; tasks in hand get a minute"
  "monitoring  Prometheus and Grafana"
  "keda        autoscaling"
  "operators   the RabbitMQ Cluster Operator, cert-manager"
  "volumes     proofs, circuits, messages, measurements"
  "infra       cluster, network, registry and identities, by Terraform"
)
delete_artifacts=''

while [ $# -gt 0 ]; do
  case $1 in
    --delete-artifacts) delete_artifacts=yes && again+=("$1") && shift ;;
    *) option "$@" && shift "$taken" ;;
  esac
done

step_check() {
  if [ -n "$dry" ]; then
    say "would ask for versions, logins and the project"
    return
  fi
  check_common
  tell_problems
}

# What every step but the first begins with: what is there, and whether it is meant. Asked once, whichever step comes
# first.
meant=''
ready() {
  local name typed
  [ -z "$meant" ] || return 0
  meant=yes
  # An earlier teardown may have come half way: whatever is left is enough.
  read_outputs
  choose_namespace
  [ -z "$yes$dry" ] || return 0
  name=${out[kubernetes_cluster_name]:-$(project_of_variables)}
  printf 'This deletes cluster %s of project %s with all volumes, proofs in them included, and its images.\n' \
    "${out[kubernetes_cluster_name]:-(gone already)}" "${out[project_id]:-$(project_of_variables)}" >&2
  [ -z "$delete_artifacts" ] ||
    printf 'It also deletes bucket %s with everything in it.\n' "${out[artifact_bucket]}" >&2
  printf 'If that is meant, type %s: ' "$name" >&2
  read -r typed || true
  [ "$typed" = "$name" ] || fail "that is not the name, nothing was done; --yes does not ask"
}

# Whether the cluster is there: a teardown that is run again may find it gone, which is no failure.
credentials=''
cluster_is_there() {
  local found
  ready
  [ -z "$dry" ] || return 0
  [ -n "${out[kubernetes_context]}" ] || { say "the cluster is gone already" && return 1; }
  found=$(gcloud container clusters list --project "${out[project_id]}" \
    --filter="name=${out[kubernetes_cluster_name]} AND location=${out[location]}" --format='value(name)') ||
    fail "cannot ask for the clusters of project ${out[project_id]}"
  [ -n "$found" ] || { say "the cluster is gone already" && return 1; }
  [ -z "$credentials" ] || return 0
  credentials=yes
  # It may have been made from another machine.
  run gcloud container clusters get-credentials "${out[kubernetes_cluster_name]}" --location "${out[location]}" \
    --project "${out[project_id]}" || fail "there is no access to the cluster"
}

# For the kinds of resources that operators have brought: no question to a cluster that does not know them.
has_kind() { [ -n "$dry" ] || holds ask_kube get crd "$1"; }

step_prover() {
  cluster_is_there || return 0
  helm_ uninstall "$release" --namespace "$namespace" --ignore-not-found
  # Workers would go on for up to an hour. What they have in hand goes back to a queue that goes as well.
  kube -n "$namespace" delete pods --all --grace-period=60 --ignore-not-found --timeout=10m
  # The operator, which goes later, has to see this.
  if has_kind rabbitmqclusters.rabbitmq.com; then
    kube -n "$namespace" delete rabbitmqclusters --all --ignore-not-found --timeout=10m
  fi
}

step_monitoring() {
  cluster_is_there || return 0
  helm_ uninstall kube-prometheus-stack --namespace monitoring --ignore-not-found --wait --timeout 10m
}

step_keda() {
  cluster_is_there || return 0
  # Those of others would wait for KEDA for ever.
  if has_kind scaledobjects.keda.sh; then nobody_uses scaledobjects KEDA; fi
  helm_ uninstall keda --namespace keda --ignore-not-found --wait --timeout 10m
  kube delete namespace keda --ignore-not-found --timeout=10m
}

step_operators() {
  cluster_is_there || return 0
  if has_kind rabbitmqclusters.rabbitmq.com; then
    nobody_uses rabbitmqclusters "the RabbitMQ operator"
    kube delete --ignore-not-found --timeout=10m -f "$RABBITMQ_OPERATOR_MANIFEST"
  fi
  helm_ uninstall cert-manager --namespace cert-manager --ignore-not-found --wait --timeout 10m
  kube delete namespace cert-manager --ignore-not-found --timeout=10m
}

nobody_uses() { # kind, whose
  local left
  [ -z "$dry" ] || return 0
  left=$(ask_kube get "$1" --all-namespaces -o name) || fail "cannot ask for $1"
  [ -z "$left" ] || fail "$2 is still used by $(tr '\n' ' ' <<<"$left")- delete these first"
}

# Disks and shares go with their volumes only while the cluster is there to delete them.
step_volumes() {
  local volumes='' volume
  cluster_is_there || return 0
  if [ -z "$dry" ]; then
    volumes=$(ask_kube get pv -o json | jq -r --arg a "$namespace" \
      '.items[] | select(.spec.claimRef.namespace | . == $a or . == "monitoring") | .metadata.name') ||
      fail "cannot ask for volumes"
  fi
  for volume in "$namespace" monitoring; do
    kube -n "$volume" delete pvc --all --ignore-not-found --timeout=15m
  done
  for volume in $volumes; do kube wait --for=delete "pv/$volume" --timeout=15m; done
  for volume in "$namespace" monitoring; do
    kube delete namespace "$volume" --ignore-not-found --timeout=15m
  done
}

step_infra() {
  local found='' targets=()
  ready
  run terraform -chdir=terraform init -input=false
  [ -n "$dry" ] || found=$(terraform_ state list) || fail "cannot read Terraform's state"
  mapfile -t targets < <(grep -v -e '^data\.' -e '^google_storage_bucket\.artifacts$' <<<"$found" | grep .)
  [ -z "$dry" ] || targets=(EVERYTHING_BUT_THE_BUCKET)
  if [ ${#targets[@]} = 0 ] && { [ -z "$delete_artifacts" ] || [ -z "$found" ]; }; then
    say "there is nothing to take down"
    return
  fi
  if [ -n "$dry" ] || grep -qx 'google_container_cluster.this' <<<"$found"; then
    run terraform -chdir=terraform apply "$(var_file_argument)" -var=deletion_protection=false \
      -target=google_container_cluster.this -input=false -auto-approve
  fi
  if [ -n "$delete_artifacts" ]; then
    if [ -n "$dry" ] || holds gcloud storage buckets describe "gs://${out[artifact_bucket]}"; then
      run gcloud storage rm --recursive "gs://${out[artifact_bucket]}" --project "${out[project_id]}"
    fi
    targets=()
  fi
  # Nothing of all that is named here is what the bucket depends on, or it would go as well.
  run terraform -chdir=terraform destroy "$(var_file_argument)" -var=deletion_protection=false \
    "${targets[@]/#/-target=}" -input=false -auto-approve
  [ -n "$delete_artifacts" ] || say "gs://${out[artifact_bucket]} stays; --delete-artifacts deletes it"
}

run_steps
[ -n "$dry" ] || say "done"
