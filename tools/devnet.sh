#!/usr/bin/env bash
# A local chain: installs geth 1.14.12 (once), builds `devnet`, and runs it.
#
#   tools/devnet.sh run                       makes the planned blocks, prints the node's URL, serves until Ctrl-C
#   tools/devnet.sh run --interval 12         goes on with random transfers
#   tools/devnet.sh record DIR                writes a witness of every planned block
#   tools/devnet.sh --help                    all there is
#
# Needs Go where there is no geth 1.14, see docs/devnet.md. GETH names another one.
set -euo pipefail
cd "$(dirname "$0")/.."

# The folder of the caller is what relative paths of `record` and `--data` mean.
folder=$OLDPWD
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
# shellcheck source=tools/nodes.sh
. tools/nodes.sh
find_geth || exit 3

packages=(-p devnet)
[ "${1:-}" != record ] || packages+=(-p rpc)
cargo build --release --locked "${packages[@]}" >&2
cd "$folder"
exec "$target/release/devnet" "$@"
