# shellcheck shell=bash
# Tools for the tests of what deploys. To be sourced from the repository's root; each function finds one tool or
# installs it:
#
#   . tools/deploy/tools.sh; need_helm && need_kubeconform || without "manifests"
#
# A tool is taken from PATH if its version fits, else from target/tools, else it is installed there, which needs Go,
# Python or apt and their registries, nothing else. What cannot be had is said in one sentence, and the function fails.
#
#   need_helm need_helm_unittest need_kubeconform need_kubectl     HELM, UNTT, KUBECONFORM, KUBECTL
#   need_promtool need_prometheus need_etcd need_apiserver         PROMTOOL, PROMETHEUS, ETCD, APISERVER
#   need_python MODULE…                                            PYTHON, of a virtual environment with these modules
#   need_schemas, need_crds                                        SCHEMAS, CRDS: folders
#   without WHAT                                                   ends the script: skipped, or failed if
#                                                                  BLOCKPROOF_REQUIRE_DEPLOY is set
#
# Each sets the variable named beside it, and puts the tool's folder first in PATH if it is not there.
deploy_tools=$(realpath -m "${CARGO_TARGET_DIR:-target}")/tools
# shellcheck source=/dev/null
. tools/versions.env

without() {
  if [ -n "${BLOCKPROOF_REQUIRE_DEPLOY:-}" ]; then
    printf '%s: failed, a tool is missing that BLOCKPROOF_REQUIRE_DEPLOY asks for\n' "$1" >&2
    exit 3
  fi
  printf '%s: skipped, a tool is missing\n' "$1" >&2
  exit 0
}

# Finds a program whose `--version`, or what is asked instead, fits an expression; sets the variable.
_find() { # variable, program, expression, words that ask for the version…
  local place said
  for place in "$(command -v "$2" || true)" "$deploy_tools/bin/$2"; do
    if [ -x "$place" ] && said=$("$place" "${@:4}" 2>&1) && grep -qE -- "$3" <<<"$said"; then
      _found "$1" "$place"
      return
    fi
  done
  return 1
}

_found() { # variable, program
  printf -v "$1" '%s' "$2"
  export "${1?}"
  case ":$PATH:" in
    *":${2%/*}:"*) ;;
    *) export PATH="${2%/*}:$PATH" ;;
  esac
}

_have() { # program, what for
  command -v "$1" >/dev/null || { printf 'there is no %s and no %s to install it\n' "$2" "$1" >&2 && return 1; }
}

_say() { printf 'installing %s\n' "$*" >&2; }

# The folder of a Go module, which nobody may write to.
_module() { # module@version
  local answer
  _have go "$1" || return
  answer=$(go mod download -json "$1" 2>&1) ||
    { printf 'cannot download the Go module %s: %s\n' "$1" "$(tr -s '\n\t ' ' ' <<<"$answer")" >&2 && return 1; }
  sed -n 's/^[[:space:]]*"Dir": "\(.*\)",\{0,1\}$/\1/p' <<<"$answer"
}

# Builds a program of a Go module that can be installed as it is.
_go_install() { # package@version, program
  _have go "$2" || return
  GOBIN=$deploy_tools/bin go install "$1" || { printf 'cannot build %s\n' "$1" >&2 && return 1; }
  _found_built "$2"
}

_found_built() { [ -x "$deploy_tools/bin/$1" ] || { printf 'the build left no %s\n' "$1" >&2 && return 1; }; }

# Takes programs out of a Debian package without installing that: no root, and nothing changes but target/tools.
_debian() { # package, path of the program in it
  local folder status=0
  _have apt-get "${2##*/}" && _have dpkg-deb "${2##*/}" || return
  folder=$(mktemp -d)
  # The download must be written by another user when root runs this.
  chmod 777 "$folder"
  (cd "$folder" && apt-get download -qq "$1" >&2 && dpkg-deb -x ./*.deb . && mkdir -p "$deploy_tools/bin" &&
    mv "./$2" "$deploy_tools/bin/") || status=$?
  rm -rf "$folder"
  [ "$status" = 0 ] || { printf 'cannot get the Debian package %s; does apt-get update help?\n' "$1" >&2 && return 1; }
}

need_helm() {
  _find HELM helm "^${HELM_VERSION%%.*}\." version --short && return
  _say "helm $HELM_VERSION, about four minutes"
  _go_install "helm.sh/helm/v3/cmd/helm@$HELM_VERSION" helm && _found HELM "$deploy_tools/bin/helm"
}

need_kubeconform() {
  _find KUBECONFORM kubeconform . -v && return
  _say "kubeconform $KUBECONFORM_VERSION, about two minutes"
  _go_install "github.com/yannh/kubeconform/cmd/kubeconform@$KUBECONFORM_VERSION" kubeconform &&
    _found KUBECONFORM "$deploy_tools/bin/kubeconform"
}

# The plugin helm-unittest, as a program of its own: it needs neither helm nor its plugin folder.
need_helm_unittest() {
  local module folder status=0
  _find UNTT untt . --help && return
  _say "helm-unittest $HELM_UNITTEST_VERSION, about two minutes"
  module=$(_module "github.com/helm-unittest/helm-unittest@$HELM_UNITTEST_VERSION") || return
  # Its go.mod replaces a module, so `go install` refuses it; in its own folder it builds.
  folder=$(mktemp -d)
  (cp -r "$module/." "$folder" && chmod -R u+w "$folder" && cd "$folder" &&
    go build -buildvcs=false -o "$deploy_tools/bin/untt" ./cmd/helm-unittest) || status=$?
  rm -rf "$folder"
  [ "$status" = 0 ] || { echo "cannot build helm-unittest $HELM_UNITTEST_VERSION" >&2 && return 1; }
  _found UNTT "$deploy_tools/bin/untt"
}

need_kubectl() {
  _find KUBECTL kubectl . version --client && return
  echo "there is no kubectl: https://kubernetes.io/docs/tasks/tools" >&2
  return 1
}

need_promtool() {
  _find PROMTOOL promtool . --version && return
  _say "promtool, from Debian's prometheus"
  _debian prometheus usr/bin/promtool && _found PROMTOOL "$deploy_tools/bin/promtool"
}

need_prometheus() {
  _find PROMETHEUS prometheus . --version && return
  _say "prometheus, from its Debian package"
  _debian prometheus usr/bin/prometheus && _found PROMETHEUS "$deploy_tools/bin/prometheus"
}

need_etcd() {
  _find ETCD etcd '^etcd Version: 3\.' --version && return
  _say "etcd, from its Debian package"
  _debian etcd-server usr/bin/etcd && _found ETCD "$deploy_tools/bin/etcd"
}

# kube-apiserver cannot be installed by `go install`, since its go.mod replaces all modules of Kubernetes by folders
# beside it: a module of our own requires it and replaces them by their published versions.
need_apiserver() {
  local minor=${KUBERNETES_VERSION#*.} module folder status=0
  _find APISERVER kube-apiserver "^Kubernetes v1\.${minor%.*}\." --version && return
  _say "kube-apiserver $KUBERNETES_VERSION, about eleven minutes and 2 GiB of memory"
  module=$(_module "k8s.io/kubernetes@v$KUBERNETES_VERSION") || return
  folder=$(mktemp -d)
  (cd "$folder" && _write_apiserver_module "$module" && go mod tidy >go.log 2>&1 &&
    go build -buildvcs=false -o "$deploy_tools/bin/kube-apiserver" -ldflags "-s -w $(_apiserver_version)" \
      k8s.io/kubernetes/cmd/kube-apiserver) || status=$?
  [ "$status" = 0 ] || tail -n 5 "$folder/go.log" >&2
  rm -rf "$folder"
  [ "$status" = 0 ] || { echo "cannot build kube-apiserver $KUBERNETES_VERSION" >&2 && return 1; }
  _found APISERVER "$deploy_tools/bin/kube-apiserver"
}

_write_apiserver_module() { # folder of the module k8s.io/kubernetes
  {
    echo "module blockproof.invalid/apiserver"
    grep -E '^(go|godebug) ' "$1/go.mod"
    echo "require k8s.io/kubernetes v$KUBERNETES_VERSION"
    echo "replace ("
    sed -n "s|^[[:space:]]*\(k8s.io/[a-z-]*\) => \./staging/.*|  \1 => \1 v0.${KUBERNETES_VERSION#1.}|p" "$1/go.mod"
    echo ")"
  } >go.mod
  printf '//go:build tools\n\npackage tools\n\nimport _ "k8s.io/kubernetes/cmd/kube-apiserver"\n' >tools.go
}

# Without these it says that it is v0.0.0, and clients believe it.
_apiserver_version() {
  local package=k8s.io/component-base/version minor=${KUBERNETES_VERSION#*.}
  printf -- '-X %s.gitVersion=v%s -X %s.gitMajor=1 -X %s.gitMinor=%s' \
    "$package" "$KUBERNETES_VERSION" "$package" "$package" "${minor%.*}"
}

# Python modules at the versions of tools/versions.env, in a virtual environment of their own.
need_python() { # MODULE…
  local module version venv=$deploy_tools/venv missing=()
  for module; do
    version=${module//-/_}_VERSION version=${version^^}
    [ -n "${!version:-}" ] || { echo "tools/versions.env does not set $version" >&2 && return 1; }
    "$venv/bin/python" -c 'import importlib.metadata as m, sys; sys.exit(m.version(sys.argv[1]) != sys.argv[2])' \
      "$module" "${!version}" 2>/dev/null || missing+=("$module==${!version}")
  done
  if [ ${#missing[@]} -gt 0 ]; then
    _have python3 "${missing[*]}" || return
    _say "${missing[*]} for Python, a minute or two"
    [ -x "$venv/bin/pip" ] || python3 -m venv "$venv" ||
      { echo "python3 cannot make a virtual environment: apt-get install python3-venv" >&2 && return 1; }
    "$venv/bin/pip" install --quiet --disable-pip-version-check "${missing[@]}" >&2 ||
      { echo "cannot install ${missing[*]}" >&2 && return 1; }
  fi
  _found PYTHON "$venv/bin/python"
}

# Custom resource definitions of the pinned versions, one folder for each project. That of RabbitMQ is in no registry
# of packages: RABBITMQ_CRD names the file, else it is downloaded from where it is released.
need_crds() {
  local stamp module
  CRDS=$deploy_tools/crds
  stamp="keda $KEDA_VERSION prometheus-operator $PROMETHEUS_OPERATOR_VERSION"
  if [ "$(cat "$CRDS/versions" 2>/dev/null)" != "$stamp" ]; then
    _say "custom resource definitions of KEDA and the Prometheus operator, half a minute"
    rm -rf "$CRDS" && mkdir -p "$CRDS/keda" "$CRDS/prometheus-operator"
    module=$(_module "github.com/kedacore/keda/v2@v${KEDA_VERSION#v}") || return
    install -m 644 "$module"/config/crd/bases/*.yaml "$CRDS/keda" || return
    module=$(_module "github.com/prometheus-operator/prometheus-operator@$PROMETHEUS_OPERATOR_VERSION") || return
    install -m 644 "$module"/example/prometheus-operator-crd/*.yaml "$CRDS/prometheus-operator" || return
    echo "$stamp" >"$CRDS/versions"
  fi
  _rabbitmq_crd || return
  export CRDS
}

_rabbitmq_crd() {
  local file=$CRDS/rabbitmq/$RABBITMQ_OPERATOR_VERSION.yaml
  local url=$RABBITMQ_OPERATOR_MANIFEST
  if [ -n "${RABBITMQ_CRD:-}" ]; then
    [ -r "$RABBITMQ_CRD" ] || { echo "RABBITMQ_CRD: cannot read $RABBITMQ_CRD" >&2 && return 1; }
    rm -rf "$CRDS/rabbitmq" && mkdir -p "$CRDS/rabbitmq" && cp "$RABBITMQ_CRD" "$CRDS/rabbitmq/given.yaml"
  elif [ ! -e "$file" ]; then
    rm -rf "$CRDS/rabbitmq" && mkdir -p "$CRDS/rabbitmq"
    curl -fsSL --max-time 60 -o "$file.part" "$url" && mv "$file.part" "$file" && return
    rm -rf "$CRDS/rabbitmq"
    echo "RabbitmqCluster is checked against nothing: cannot download $url; RABBITMQ_CRD may name its definition" >&2
    [ -z "${BLOCKPROOF_REQUIRE_DEPLOY:-}" ]
  fi
}

# JSON schemas of Kubernetes and of these definitions, for kubeconform.
need_schemas() {
  local key
  need_python kubernetes-validate PyYAML && need_crds || return
  SCHEMAS=$deploy_tools/schemas
  key=$(printf '%s\n' "$KUBERNETES_VERSION" "$KUBERNETES_VALIDATE_VERSION" |
    cat - tools/deploy/schemas.py "$CRDS"/*/*.yaml | sha256sum) || return
  if [ "$(cat "$SCHEMAS/key" 2>/dev/null)" != "$key" ]; then
    rm -rf "$SCHEMAS"
    "$PYTHON" tools/deploy/schemas.py "$SCHEMAS" "${KUBERNETES_VERSION%.*}" "$CRDS"/*/*.yaml >&2 || return
    echo "$key" >"$SCHEMAS/key"
  fi
  export SCHEMAS
}
