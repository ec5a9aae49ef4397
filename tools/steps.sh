# shellcheck shell=bash disable=SC2034,SC2154
# What tools/setup.sh and tools/teardown.sh share: steps that can be chosen, commands that can be printed instead of
# run, and what Terraform knows. To be sourced from the repository's root; variables are set here and used there, or
# the other way round.
#
# The script sets `here`, the folder that it was called from; `steps`, lines of "NAME  what it does", in order, and
# has a function step_NAME for each ("-" as "_"); calls `option "$@"` for each argument that it does not know itself,
# then `run_steps`. Nothing is recorded: what is there is read from Terraform's state and from the cluster each time,
# and each step can be run again.

program=${0##*/}
dry='' yes='' from='' only='' skip=() var_file=terraform/terraform.tfvars namespace=''
# The step that is under way, and the arguments without those that choose steps, for the way to go on.
step='' again=()
scratch=$(mktemp -d)

say() { printf '== %s\n' "$*" >&2; }
usage_error() { printf '%s: %s; see --help\n' "$program" "$*" >&2 && exit 2; }
# What is wrong and what to do about it. The step and how to go on are said by `finish`.
fail() { printf '%s: %s\n' "$program" "$*" >&2 && exit 1; }

finish() {
  local status=$?
  rm -rf "$scratch"
  if [ "$status" != 0 ] && [ -n "$step" ]; then
    printf '%s: step %s failed. To go on from there: tools/%s --from %s%s\n' \
      "$program" "$step" "$program" "$step" "${again[*]:+ ${again[*]@Q}}" >&2
  fi
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Where a path leads that was given in the folder that the script was called from.
path() { (cd "$here" && realpath -m -- "$1"); }

# Options that both scripts have. Sets `taken` to the number of arguments that were used up.
option() {
  taken=1
  case $1 in
    --help | -h) sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//; p}' "$0" && exit 0 ;;
    --list) printf '%s\n' "${steps[@]}" && exit 0 ;;
    --dry-run) dry=yes && again+=("$1") && return ;;
    --yes) yes=yes && again+=("$1") && return ;;
    --from | --only | --skip | --var-file | --namespace) ;;
    *) usage_error "unknown argument $1" ;;
  esac
  [ $# -gt 1 ] || usage_error "$1 needs a value"
  taken=2
  case $1 in
    --from) known "$2" && from=$2 ;;
    --only) known "$2" && only=$2 ;;
    --skip) known "$2" && skip+=("$2") ;;
    --var-file) var_file=$(path "$2") ;;
    --namespace) namespace=$2 ;;
  esac
  case $1 in
    --from | --only) ;;
    *) again+=("$1" "$2") ;;
  esac
}

known() {
  local line
  for line in "${steps[@]}"; do [ "${line%% *}" != "$1" ] || return 0; done
  usage_error "there is no step $1; there are:$(printf ' %s' "${steps[@]%% *}")"
}

wanted() {
  local name
  [ -z "$only" ] || [ "$only" = "$1" ] || return
  for name in "${skip[@]}"; do [ "$name" != "$1" ] || return; done
  [ "$from" != "$1" ] || from=''
  [ -z "$from" ]
}

run_steps() {
  local line name
  [ -z "$from" ] || [ -z "$only" ] || usage_error "--from and --only exclude each other"
  for line in "${steps[@]}"; do
    name=${line%% *}
    wanted "$name" || continue
    step=$name
    read -r _ line <<<"$line"
    say "$name: $line"
    "step_${name//-/_}"
  done
  step=''
}

# Runs a command that changes something, and shows it; only shows it in a dry run.
run() {
  show "$@"
  [ -n "$dry" ] || "$@"
}

# The same with a text on stdin.
run_with() {
  local text=$1
  shift
  show "$@"
  if [ -n "$dry" ]; then printf '%s\n' "$text" >&3; else "$@" <<<"$text"; fi
}

# What a dry run prints is its result, even where a command's output goes into a file; otherwise it is a remark.
exec 3>&1
show() {
  local line
  line=$(printf ' %q' "$@")
  if [ -n "$dry" ]; then printf '+%s\n' "$line" >&3; else printf '+%s\n' "$line" >&2; fi
}

# A question whose answer is yes or no, asked in silence. No in a dry run, which so shows everything that may be done.
holds() { [ -z "$dry" ] && "$@" >/dev/null 2>&1; }

terraform_() { terraform -chdir=terraform "$@"; }

# Terraform's outputs by name, and so kubectl and helm for this cluster and no other, whatever the current context is.
declare -A out=()
outputs=(artifact_bucket helm_values kubernetes_cluster_name kubernetes_context location namespace network project_id
  region registry)
read_outputs() {
  local name json
  if [ -n "$dry" ]; then
    # Nothing may be there yet.
    for name in "${outputs[@]}"; do out[$name]=${name^^}; done
    return
  fi
  json=$(terraform_ output -json) ||
    fail "cannot read Terraform's outputs: is its state within reach? terraform -chdir=terraform init"
  for name in "${outputs[@]}"; do
    out[$name]=$(jq -r --arg name "$name" \
      '.[$name].value // "" | if type == "object" then tojson else . end' <<<"$json") ||
      fail "Terraform's outputs are no JSON"
  done
}

connect() {
  local name
  [ -z "${out[project_id]:-}" ] || return 0
  read_outputs
  for name in "${outputs[@]}"; do
    [ -n "${out[$name]}" ] ||
      fail "Terraform has no output $name: nothing, or something older, was applied. tools/setup.sh --only infra does"
  done
}

kube() { run kubectl --context "${out[kubernetes_context]}" "$@"; }
kube_with() {
  local text=$1
  shift
  run_with "$text" kubectl --context "${out[kubernetes_context]}" "$@"
}
ask_kube() { kubectl --context "${out[kubernetes_context]}" "$@"; }
helm_() { run helm --kube-context "${out[kubernetes_context]}" "$@"; }

# Terraform lets accounts of one namespace use the bucket.
choose_namespace() {
  if [ -n "$namespace" ] && [ -n "${out[namespace]}" ] && [ -z "$dry" ] && [ "$namespace" != "${out[namespace]}" ]; then
    fail "accounts of namespace ${out[namespace]} may use the bucket, not those of $namespace:" \
      "set workload_identity.namespace in $var_file"
  fi
  namespace=${namespace:-${out[namespace]}}
}

# Terraform asks before it changes anything; where nobody can be asked, nothing is done that would have been asked
# about.
can_ask() { [ -n "$yes$dry" ] || [ -t 0 ] || fail "there is nobody to ask: give --yes"; }

# The project that the variables name: Terraform's own variable file, or the environment.
project_of_variables() {
  local value=''
  if [ -r "$var_file" ]; then
    case $var_file in
      *.json) value=$(jq -r '.project_id // ""' "$var_file") ;;
      *) value=$(sed -nE 's/^[[:space:]]*project_id[[:space:]]*=[[:space:]]*"([^"]*)".*/\1/p' "$var_file") ;;
    esac
  fi
  printf '%s\n' "${value:-${TF_VAR_project_id:-}}"
}

# Terraform runs in its own folder.
var_file_argument() { printf -- '-var-file=%s\n' "$(realpath -m -- "$var_file")"; }

# Whether version $2 is $1 or later.
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

# What is missing of what the steps need: collected, so that it is all said at once.
problems=()
problem() { problems+=("$*"); }

need_program() { # program, where it is to be had
  command -v "$1" >/dev/null || { problem "there is no $1: $2" && return 1; }
}

need_version() { # program, oldest, what it says of itself
  if [ -z "$3" ]; then
    problem "$1 does not say which version it is"
  elif ! at_least "$2" "${3#v}"; then
    problem "$1 is ${3#v}, and must be $2 or later"
  fi
}

# What both scripts need: programs, a login, the project.
check_common() {
  local configured variables
  need_program jq "https://jqlang.org" || fail "there is no jq, with which all else is read: https://jqlang.org"
  need_program terraform "https://developer.hashicorp.com/terraform/install" &&
    need_version terraform "$TERRAFORM_MIN_VERSION" \
      "$(terraform version -json 2>/dev/null | jq -r '.terraform_version // ""')"
  need_program kubectl "https://kubernetes.io/docs/tasks/tools" &&
    need_version kubectl "$KUBECTL_MIN_VERSION" \
      "$(kubectl version --client -o json 2>/dev/null | jq -r '.clientVersion.gitVersion // ""')"
  need_program helm "https://helm.sh/docs/intro/install" &&
    need_version helm "$HELM_MIN_VERSION" "$(helm version --template '{{.Version}}' 2>/dev/null)"
  need_program gke-gcloud-auth-plugin \
    "gcloud components install gke-gcloud-auth-plugin, or the package of that name" || true
  variables=$(project_of_variables)
  [ -r "$var_file" ] || problem "there is no $var_file: copy terraform/terraform.tfvars.example and fill it in"
  [ -n "$variables" ] || problem "$var_file names no project_id"
  if need_program gcloud "https://cloud.google.com/sdk/docs/install"; then
    # The words of a login are never shown.
    [ -n "$(gcloud auth list --filter=status:ACTIVE --format='value(account)' 2>/dev/null)" ] ||
      problem "nobody is logged in: gcloud auth login"
    [ -n "${GOOGLE_APPLICATION_CREDENTIALS:-}${GOOGLE_OAUTH_ACCESS_TOKEN:-}" ] ||
      gcloud auth application-default print-access-token >/dev/null 2>&1 ||
      problem "Terraform has no login of its own: gcloud auth application-default login"
    configured=$(gcloud config get-value project 2>/dev/null || true)
    if [ -n "$variables" ]; then
      # Two that differ are most often a mistake, and an expensive one.
      [ -z "$configured" ] || [ "$configured" = "(unset)" ] || [ "$configured" = "$variables" ] ||
        problem "$var_file is for project $variables, gcloud is set to $configured:" \
          "gcloud config set project $variables, or correct the file"
      [ "$(gcloud projects describe "$variables" --format='value(lifecycleState)' 2>/dev/null)" = ACTIVE ] ||
        problem "project $variables is not there, or you may not see it: gcloud projects describe $variables"
    fi
  fi
}

# Ends the step if anything is missing.
tell_problems() {
  local line
  for line in "${problems[@]}"; do printf '%s: %s\n' "$program" "$line" >&2; done
  [ ${#problems[@]} = 0 ] || exit 1
}
