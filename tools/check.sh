#!/usr/bin/env bash
# Everything that is checked without running the program: format, lints, docs, dependencies, scripts, architecture.
# A tool that is not installed is named; CI installs them all.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '== %s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null || { say "skipped, $1 is not installed: $2" && false; }; }

say "format"
cargo fmt --all --check
say "lints"
cargo clippy --release --locked --workspace --all-targets -- -D warnings
say "docs"
RUSTDOCFLAGS="-D warnings" cargo doc --release --locked --workspace --no-deps
say "architecture"
# Fails with a reason if anything comes in.
none() {
  local found
  found=$(cat)
  [ -z "$found" ] || { printf '%s:\n%s\n' "$1" "$found" >&2 && exit 1; }
}
tree() { cargo tree --locked --edges normal --prefix none -p "$@"; }
# The numbers are those of the invariants in ARCHITECTURE.md.
for binary in rpc verifier worker; do
  tree "$binary" | tail -n +2 | { grep -E '^(leader|worker|rpc|verifier) v' || true; } | none "1: $binary depends on a binary"
done
tree leader | tail -n +2 | { grep -E '^(worker|verifier) v' || true; } | none "1: leader depends on a binary"
tree verifier | { grep -E '^(lapin|reqwest|hyper|openssl-sys) v' || true; } | none "2: verifier links a network client"
{ grep -rnE 'std::fs::(write|rename|copy|remove|create)|OpenOptions|File::(create|options)' --include='*.rs' amqp/src ops/src leader/src rpc/src verifier/src worker/src || true; } |
  { grep -v '^ops/src/fs.rs:' || true; } | none "3: files are written outside of ops/src/fs.rs"
{ grep -nE 'async|std::(fs|time|net)|tokio' leader/src/graph.rs leader/src/scale/law.rs ops/src/decode.rs || true; } |
  none "4: decode, graph and the law of scaling are pure"
# Every source file says what it is for.
for file in $(git ls-files '*.rs'); do
  head -n 1 "$file" | grep -q '^//!' || echo "$file"
done | none "files that do not open with //!"
if have cargo-deny "licences, sources and bans of dependencies"; then
  say "dependencies"
  cargo deny --locked check licenses bans sources
fi
if have shellcheck "scripts"; then
  say "scripts"
  shellcheck -x tools/*.sh tools/*/*.sh docker/*.sh tools/rustc-patched .ci/run
fi
