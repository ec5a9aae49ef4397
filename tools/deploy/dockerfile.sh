#!/usr/bin/env bash
# Checks docker/Dockerfile where there is no engine to build it: with BuildKit's own parser and linter (a Go program of
# tools/deploy/dockerfile), what is sent to the engine, the images' configuration, and docker/build.sh with a fake
# docker.
#
#   tools/deploy/dockerfile.sh [--heavy]
#
#     --heavy   also cooks the recipe of cargo-chef as the build does, and compares the dependencies with ours. Needs Rust;
#               cargo-chef is installed into target/tools, which takes some minutes
#
# What it cannot see: whether the base images have what is asked of them, and whether the whole compiles in them.
set -euo pipefail
heavy=
case ${1:-} in
  --help | -h) sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//; p}' "$0" && exit 0 ;;
  --heavy) heavy=yes ;;
esac
cd "$(dirname "$0")/../.."
# shellcheck source=tools/deploy/tools.sh
. tools/deploy/tools.sh

say() { printf 'dockerfile: %s\n' "$*" >&2; }
die() { say "$*" && exit 1; }
# Fails with a reason if anything comes in.
none() {
  local found
  found=$(cat)
  [ -z "$found" ] || die "$1:"$'\n'"$found"
}
targets=(leader worker rpc verifier jumpbox)
: "${BUILDKIT_VERSION:=v0.34.2}" "${CARGO_CHEF_VERSION:=$(sed -n 's/^ARG CARGO_CHEF_VERSION=//p' docker/Dockerfile)}"

# Built again when it or BuildKit has changed.
need_dockerfile_check() {
  local stamp folder status=0
  stamp=$(cat tools/deploy/dockerfile/main.go <(echo "$BUILDKIT_VERSION") | sha256sum | cut -c1-12)
  CHECK=$deploy_tools/bin/dockerfile-check-$stamp
  [ ! -x "$CHECK" ] || return 0
  _have go dockerfile-check || return
  _say "dockerfile-check with BuildKit $BUILDKIT_VERSION, about a minute"
  folder=$(mktemp -d)
  cp tools/deploy/dockerfile/main.go "$folder"
  (cd "$folder" && go mod init blockproof.invalid/dockerfile-check &&
    go get "github.com/moby/buildkit@$BUILDKIT_VERSION" && go mod tidy && go build -o "$CHECK" .) \
    >"$folder/log" 2>&1 || status=$?
  [ "$status" = 0 ] || tail -n 5 "$folder/log" >&2
  rm -rf "$folder"
  return "$status"
}
{ need_dockerfile_check && command -v jq shellcheck >/dev/null; } || without "the Dockerfile"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$CHECK" docker/Dockerfile . "${targets[@]}" \
  VERSION=9.8.7 REVISION=abc CREATED=now SOURCE=https://here.example >"$work/report"
ask() { jq -r "$@" "$work/report"; }

ask '.lint // [] | .[]' | none "BuildKit's linter"
ask '.copies[] | select(.files == []) | "\(.stage): \(.source)"' |
  none "copied, but not there or kept out by .dockerignore"

# What the engine is sent: all that is compiled, and nothing else.
ask '.copies[] | select(.stage == "build" and .source == ".") | .files[]' | sort >"$work/sent"
grep -E '(^|/)(\.git|target|proofs|secrets|tests|docs|helm|terraform|monitoring|docker|\.env.*)(/|$)|\.md$' \
  "$work/sent" | none "sent to the engine for nothing" || true
{
  printf '%s\n' Cargo.lock Cargo.toml rust-toolchain.toml .cargo/config.toml tools/rustc-patched
  git ls-files 'patches/*-*/*' '*/src/*.rs' '*/Cargo.toml' '*/build.rs' patches/series.rs | grep -v /tests/
} | sort -u | comm -23 - "$work/sent" | while IFS= read -r file; do
  [ ! -e "$file" ] || echo "$file"
done | none "compiled, but not sent to the engine"

# Shell steps: what BuildKit gives to sh.
ask '.runs | join("\n")' >"$work/steps"
shellcheck --shell=sh --exclude=SC2250 "$work/steps"

# Images.
expect() { # what, filter of the configuration, expected
  local target found
  for target in "${targets[@]}"; do
    found=$(ask --arg target "$target" ".images[\$target] | $2")
    [ "$found" = "${3//TARGET/$target}" ] || die "$target: $1 is $found, not ${3//TARGET/$target}"
  done
}
expect "user" '.config.User' 65532:65532
expect "signal to stop" '.config.StopSignal' SIGTERM
expect "first process" '.config.Entrypoint[0:2] | join(" ")' "/usr/bin/tini --"
expect "health check" '.config.Healthcheck // "none"' none
expect "volumes" '.config.Volumes // "none"' none
expect "folders" '.config.Env | map(select(test("_DIR="))) | join(" ")' \
  "CIRCUITS_DIR=/var/lib/blockproof/circuits ARTIFACTS_DIR=/var/lib/blockproof/artifacts"
expect "labels" '.config.Labels |
  [.["org.opencontainers.image." + ("title", "version", "revision", "created", "source")]] | join(" ")' \
  "blockproof-TARGET 9.8.7 abc now https://here.example"
expect "licence" '.config.Labels["org.opencontainers.image.licenses"]' \
  "$(sed -n 's/^license = "\(.*\)"/\1/p' Cargo.toml)"
for target in leader worker rpc verifier; do
  [ "$(ask ".images.$target.config.Entrypoint[2]")" = "$target" ] || die "$target: begins another program"
done

# Versions: of the toolchain once here and once in the repository; no tag that is another image tomorrow.
toolchain=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
[ "$(grep -oE '(rust:|TOOLCHAIN=)[0-9.]+' docker/Dockerfile | paste -sd' ')" = "rust:$toolchain TOOLCHAIN=$toolchain" ] ||
  die "the Dockerfile has another toolchain than rust-toolchain.toml, $toolchain"
{ grep -nE ':latest|sha256:' docker/Dockerfile || true; } |
  none "the Dockerfile says \`latest\`, or a digest that gets old"
# What it relies on elsewhere.
grep -q 'option_env!("BLOCKPROOF_COMMIT")' ops/src/version.rs || die "nothing reads the commit that an image is built from"
grep -L 'fallback = version::GIVEN_COMMIT' {leader,worker,rpc,verifier}/src/cli.rs |
  none "their images do not know the commit"
grep -q LEADER tools/analyze-witnesses.sh || die "tools/analyze-witnesses.sh builds a leader though it is given one"
say "BuildKit reads it, $(wc -l <"$work/sent") files are sent, ${#targets[@]} images are as they must be"

# docker/build.sh: arguments of the calls, digests, and what it refuses.
mkdir "$work/bin"
cat >"$work/bin/docker" <<'FAKE'
#!/usr/bin/env bash
printf '%s\n' "$*" >>"$LOG"
case "$*" in
  *"inspect"*debian*) echo "${RUNTIME_DIGEST:-sha256:$(printf 'd%.0s' {1..64})}" ;;
  *"inspect"*) echo "sha256:$(printf 'a%.0s' {1..64})" ;;
esac
FAKE
chmod +x "$work/bin/docker"
build() { LOG=$work/log PATH=$work/bin:$PATH docker/build.sh "$@"; }
build --registry r.example/p --version 1.2.3 --push leader jumpbox
[ "$(grep -c '^buildx build ' "$work/log")" = 2 ] || die "build.sh: two targets, other builds"
for part in "--target leader --tag r.example/p/blockproof-leader:1.2.3" --push "--build-arg VERSION=1.2.3" \
  "--build-arg RUST_IMAGE=rust:$toolchain-bookworm@sha256:aaaa" \
  "--build-arg RUNTIME_IMAGE=debian:bookworm-slim@sha256:dddd" "--build-arg PROFILE=dist" \
  "--build-arg REVISION=" "--build-arg CREATED=20" "--platform linux/amd64"; do
  grep 'target leader' "$work/log" | grep -qF -- "$part" || die "build.sh: no $part"
done
: >"$work/log"
RUST_IMAGE=rust@sha256:beef RUNTIME_IMAGE=debian:1 build --bases >"$work/bases"
grep -qxF -- '--build-arg RUST_IMAGE=rust@sha256:beef' "$work/bases" ||
  die "build.sh: a digest that was given is not taken"
[ "$(grep -c inspect "$work/log")" = 1 ] || die "build.sh: asks for a digest that was given"
: >"$work/log"
build --registry r.example --version 1 --dry-run >"$work/dry"
[ "$(wc -l <"$work/dry")" = 5 ] || die "build.sh: --dry-run does not print five builds"
[ ! -s "$work/log" ] || die "build.sh: --dry-run runs something"
refuses() { # what, code, arguments…
  local code=0
  build "${@:3}" >"$work/out" 2>&1 || code=$?
  [ "$code" = "$2" ] || die "build.sh: $1: exit code $code instead of $2: $(cat "$work/out")"
  ! grep -q '^buildx build' "$work/log" || die "build.sh: $1, and builds"
}
: >"$work/log"
refuses "no registry" 2 --version 1
refuses "no version" 2 --registry r.example
refuses "latest" 2 --registry r.example --version latest
refuses "an unknown target" 2 --registry r.example --version 1 nonsense
RUNTIME_DIGEST=nonsense refuses "no digest" 1 --registry r.example --version 1
say "build.sh asks for digests, builds and refuses as it must"

[ -n "$heavy" ] || exit 0
if ! command -v cargo-chef >/dev/null; then
  _say "cargo-chef $CARGO_CHEF_VERSION, some minutes"
  cargo install --quiet --locked --root "$deploy_tools" "cargo-chef@$CARGO_CHEF_VERSION" ||
    without "the recipe of cargo-chef"
  PATH=$deploy_tools/bin:$PATH
fi
# The steps of the build in folders of their own: the context as it is sent, and what is cooked of it.
export RUSTUP_TOOLCHAIN=$toolchain
mkdir "$work/context" "$work/cooked"
tar -c -T "$work/sent" | tar -x -C "$work/context"
(cd "$work/context" && cargo chef prepare --recipe-path "$work/recipe.json")
(
  cd "$work/cooked"
  cargo chef cook --no-build --locked --recipe-path "$work/recipe.json"
  cp --archive --no-clobber "$work/context/patches/." patches/
  mkdir -p tools && cp "$work/context/tools/rustc-patched" tools/
)
for folder in context cooked; do
  (cd "$work/$folder" && cargo metadata --locked --format-version 1) | jq -S '.workspace_members as $ours |
    .resolve.nodes | map(select(.id | IN($ours[]) | not) | {id: (.id | sub(".*/patches/"; "patches/")), features}) |
    sort' \
    >"$work/$folder.dependencies"
done
cmp "$work/context.dependencies" "$work/cooked.dependencies" || die "the recipe gives other dependencies than ours"
# The stand-in's build script insists on our wrapper.
(cd "$work/cooked" && CARGO_TARGET_DIR=$work/target cargo check --quiet --locked -p alloy@0.3.6 -p tower-lsp)
say "the recipe gives our $(jq length "$work/cooked.dependencies") dependencies, and the stand-ins compile in it"
