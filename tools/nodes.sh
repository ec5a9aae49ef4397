# shellcheck shell=bash
# Ethereum nodes for scripts: sets GETH and ANVIL, installing what is missing into target/tools. To be sourced.
#
#   . tools/nodes.sh; find_geth || exit 3
#
# A node that is named by GETH or ANVIL already is taken as it is.
nodes=$(realpath -m "${CARGO_TARGET_DIR:-target}")/tools

# geth 1.14.12: the last version that serves Cancun with the state scheme that has all nodes of a trie by hash.
find_geth() {
  local fits='^Version: 1\.14\.'
  [ -z "${GETH:-}" ] || return 0
  if "$nodes/geth-1.14.12/geth" version 2>/dev/null | grep -q "$fits"; then
    GETH=$nodes/geth-1.14.12/geth
  elif geth version 2>/dev/null | grep -q "$fits"; then
    GETH=$(command -v geth)
  elif command -v go >/dev/null; then
    echo "installing geth 1.14.12, which takes some minutes" >&2
    GOBIN=$nodes/geth-1.14.12 go install github.com/ethereum/go-ethereum/cmd/geth@v1.14.12 || return
    GETH=$nodes/geth-1.14.12/geth
  else
    echo "there is no geth 1.14 and no Go to install it: https://go.dev/dl" >&2
    return 1
  fi
  export GETH
}

# anvil 1.7.1, from its npm package.
find_anvil() {
  local program=$nodes/anvil-1.7.1/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil
  [ -z "${ANVIL:-}" ] || return 0
  if [ -x "$program" ]; then
    ANVIL=$program
  elif command -v anvil >/dev/null; then
    ANVIL=$(command -v anvil)
  elif command -v npm >/dev/null; then
    echo "installing anvil 1.7.1" >&2
    npm install --silent --no-save --prefix "$nodes/anvil-1.7.1" @foundry-rs/anvil@1.7.1 >&2 || return
    ANVIL=$program
  else
    echo "there is no anvil and no npm to install it: https://nodejs.org" >&2
    return 1
  fi
  export ANVIL
}
