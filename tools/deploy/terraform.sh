#!/usr/bin/env bash
# Checks terraform/: format, order, and with the provider's schema `validate` and `test`, which call no cloud.
#
#   tools/deploy/terraform.sh [--heavy]     --heavy: tflint and checkov as well, which take minutes to install
#
#   GOOGLE_PROVIDER_MIRROR=DIR     a filesystem mirror with the google provider, where its registry cannot be reached
#   TF_PLUGIN_CACHE_DIR=DIR        spares downloading it each time
#
# Where the provider cannot be had, what needs it is skipped with a line, or fails if BLOCKPROOF_REQUIRE_DEPLOY is
# set. All of it happens in a copy: no lock file and no .terraform is left behind.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tools/deploy/tools.sh
. tools/deploy/tools.sh

heavy=
case ${1:-} in
  --help | -h) sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//; p}' "$0" && exit 0 ;;
  --heavy) heavy=yes ;;
  "") ;;
  *) echo "terraform.sh: unknown argument $1; see --help" >&2 && exit 2 ;;
esac

say() { printf '== terraform: %s\n' "$*" >&2; }
# Fails with a reason if anything comes in.
none() {
  local found
  found=$(cat)
  [ -z "$found" ] || { printf '%s:\n%s\n' "$1" "$found" >&2 && exit 1; }
}

command -v terraform >/dev/null || {
  echo "there is no terraform: https://developer.hashicorp.com/terraform/install" >&2
  without terraform
}
export CHECKPOINT_DISABLE=1
# Terraform warns of a file that is named and not there.
[ -e "${TF_CLI_CONFIG_FILE:-}" ] || unset TF_CLI_CONFIG_FILE

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# Without what an operator has made there: state, variables, a backend.
mkdir "$scratch/terraform"
cp -r terraform/*.tf terraform/tests "$scratch/terraform"
rm -f "$scratch/terraform/backend.tf"

say "format"
terraform fmt -check -diff -recursive "$scratch/terraform"

say "order, and that all outputs are tested"
for kind in variable output; do
  sed -nE "s/^$kind \"([a-z_]+)\".*/\1/p" "terraform/${kind}s.tf" >"$scratch/$kind"
  { sort -c "$scratch/$kind" 2>&1 || true; } | none "terraform/${kind}s.tf is not in alphabetical order"
done
while read -r name; do
  grep -q "output\.$name\b" terraform/tests/defaults.tftest.hcl || echo "$name"
done <"$scratch/output" | none "outputs that terraform/tests/defaults.tftest.hcl does not look at"
while read -r name; do
  grep -q "var\.$name\b" terraform/tests/refused.tftest.hcl || [ "$name" = deletion_protection ] || echo "$name"
done <"$scratch/variable" | none "variables of which terraform/tests/refused.tftest.hcl tries no wrong value"
# Of the examples in comments, too.
{ grep -oE '^(# )?[a-z_]+ += ' terraform/terraform.tfvars.example | tr -d '# =' || true; } |
  while read -r name; do grep -qx "$name" "$scratch/variable" || echo "$name"; done |
  none "terraform/terraform.tfvars.example sets what is no variable"
grep -q "version = \"~> ${GOOGLE_PROVIDER_VERSION%.*}\"" terraform/versions.tf ||
  { echo "terraform/versions.tf and GOOGLE_PROVIDER_VERSION in tools/versions.env differ" >&2 && exit 1; }

if [ -n "$heavy" ]; then
  say "tflint"
  _find TFLINT tflint "version ${TFLINT_VERSION#v}" --version || {
    _say "tflint $TFLINT_VERSION, about seven minutes"
    _go_install "github.com/terraform-linters/tflint@$TFLINT_VERSION" tflint && _found TFLINT "$deploy_tools/bin/tflint"
  } || without tflint
  # Its own rules for the language; those for Google are a plugin, which it would have to download.
  # Files are named by what they make, so there is no main.tf.
  cat >"$scratch/tflint.hcl" <<'END'
plugin "terraform" {
  enabled = true
  preset  = "all"
}
rule "terraform_standard_module_structure" {
  enabled = false
}
END
  "$TFLINT" --config "$scratch/tflint.hcl" --chdir "$scratch/terraform"
  say "checkov"
  need_python checkov || without checkov
  "${PYTHON%/*}/checkov" --directory "$scratch/terraform" --framework terraform --compact --quiet --skip-download
  { grep -rnE '#checkov:skip=[A-Z0-9_]+(:.{0,20})?$' terraform/*.tf || true; } |
    none "exceptions of checkov without a reason"
fi

if [ -n "${GOOGLE_PROVIDER_MIRROR:-}" ]; then
  [ -d "$GOOGLE_PROVIDER_MIRROR" ] ||
    { echo "GOOGLE_PROVIDER_MIRROR: $GOOGLE_PROVIDER_MIRROR is no folder" >&2 && exit 2; }
  cat >"$scratch/terraformrc" <<END
provider_installation {
  filesystem_mirror {
    path    = "$(realpath "$GOOGLE_PROVIDER_MIRROR")"
    include = ["registry.terraform.io/hashicorp/google"]
  }
}
END
  export TF_CLI_CONFIG_FILE=$scratch/terraformrc
fi
say "provider"
terraform -chdir="$scratch/terraform" init -backend=false -input=false -no-color >"$scratch/init.log" 2>&1 || {
  if ! grep -qE 'Failed to (query available provider packages|install provider)' "$scratch/init.log"; then
    cat "$scratch/init.log" >&2
    exit 1
  fi
  echo "terraform cannot get the google provider; GOOGLE_PROVIDER_MIRROR may name a folder that has it" >&2
  without "terraform validate and test"
}
say "validate"
terraform -chdir="$scratch/terraform" validate
say "test"
terraform -chdir="$scratch/terraform" test
echo "terraform: everything is as it should be" >&2
