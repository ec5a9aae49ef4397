#!/usr/bin/env bash
# Builds the images of docker/Dockerfile, with base images pinned by their digests of today and with labels.
#
#   docker/build.sh --registry REGISTRY --version VERSION [OPTION]… [TARGET]…
#   docker/build.sh --bases
#
#     TARGET                leader, worker, rpc, verifier, jumpbox; default: all
#     --registry REGISTRY   images are REGISTRY/blockproof-TARGET:VERSION
#     --version VERSION     such as that of Cargo.toml; `latest` is none
#     --profile PROFILE     release or dist; default: dist
#     --source URL          of the repository, for the label; default: git's remote `origin`, if that is a https one
#     --push                pushes them, too
#     --bases               only prints the base images as --build-arg, with digests
#     --dry-run             only prints what would be run; asks for no digests
#
# RUST_IMAGE and RUNTIME_IMAGE in the environment name other base images, or these with a digest (NAME@sha256:…), which
# is then taken as it is. Needs docker with the plugin buildx.
set -euo pipefail

usage() { sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//; p}' "$0"; }
wrong() { printf 'build.sh: %s; see --help\n' "$*" >&2 && exit 2; }

registry='' version='' profile=dist source='' push='' bases='' dry=''
targets=()
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) usage && exit ;;
    --push | --bases) printf -v "${1#--}" yes && shift && continue ;;
    --dry-run) dry=yes && shift && continue ;;
    --registry | --version | --profile | --source) [ $# -gt 1 ] || wrong "$1 needs a value" ;;
    leader | worker | rpc | verifier | jumpbox) targets+=("$1") && shift && continue ;;
    *) wrong "unknown argument $1" ;;
  esac
  printf -v "${1#--}" '%s' "$2"
  shift 2
done
[ ${#targets[@]} -gt 0 ] || targets=(leader worker rpc verifier jumpbox)

root=$(dirname "$(realpath "$0")")/..
file=$root/docker/Dockerfile

# The image of an ARG of the Dockerfile, with a digest.
pinned() { # ARG
  local image=${!1:-} digest
  [ -n "$image" ] || image=$(sed -n "s/^ARG $1=//p" "$file")
  if [[ $image == *@sha256:* ]] || [ -n "$dry" ]; then
    printf '%s' "$image"
    return
  fi
  digest=$(docker buildx imagetools inspect --format '{{.Manifest.Digest}}' "$image") || return
  [[ $digest =~ ^sha256:[0-9a-f]{64}$ ]] ||
    { printf 'build.sh: no digest of %s: %s\n' "$image" "$digest" >&2 && return 1; }
  printf '%s@%s' "$image" "$digest"
}

if [ -z "$bases" ]; then
  [ -n "$registry" ] || wrong "--registry is missing"
  [[ $version =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$ ]] || wrong "--version is missing, or is no tag: \`$version\`"
  [ "$version" != latest ] || wrong "--version latest would be another image every time"
fi
[[ $profile =~ ^(release|dist)$ ]] || wrong "--profile $profile: release or dist"
rust=$(pinned RUST_IMAGE) && runtime=$(pinned RUNTIME_IMAGE) || exit 1
arguments=(--build-arg "RUST_IMAGE=$rust" --build-arg "RUNTIME_IMAGE=$runtime")
if [ -n "$bases" ]; then
  printf '%s %s\n' "${arguments[@]}"
  exit
fi

git=$(git -C "$root" describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)
if [ -z "$source" ]; then
  # Not with what may stand before the @: a token.
  source=$(git -C "$root" remote get-url origin 2>/dev/null | grep -E '^https://[^@]+$' || echo unknown)
fi
arguments+=(
  --build-arg "PROFILE=$profile" --build-arg "VERSION=$version" --build-arg "REVISION=$git"
  --build-arg "SOURCE=$source" --build-arg "CREATED=$(date -u +%Y-%m-%dT%H:%M:%SZ)"
)
if [ -n "$push" ]; then arguments+=(--push); else arguments+=(--load); fi
for target in "${targets[@]}"; do
  command=(docker buildx build --file "$file" --platform linux/amd64 --target "$target"
    --tag "$registry/blockproof-$target:$version" "${arguments[@]}" "$root")
  if [ -n "$dry" ]; then
    printf '%q ' "${command[@]}" && echo
  else
    "${command[@]}"
  fi
done
