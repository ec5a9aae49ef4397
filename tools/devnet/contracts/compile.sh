#!/usr/bin/env bash
# Compiles the contracts of the development chain: NAME.sol to NAME.bin, one line of hexadecimal per file.
#
#   tools/devnet/contracts/compile.sh          remakes the files
#   tools/devnet/contracts/compile.sh --check  compares with them instead, exit code 1 if they differ
#
# Needs Node.js with npm; solc (compiled to JavaScript) goes to target/tools/solc once.
set -euo pipefail
cd "$(dirname "$0")"

version=0.8.37
tools=${CARGO_TARGET_DIR:-$PWD/../../../target}/tools/solc-$version
if [ ! -e "$tools/node_modules/solc" ]; then
  command -v npm >/dev/null || { echo "there is no npm here: install Node.js" >&2 && exit 3; }
  npm install --silent --no-audit --no-fund --prefix "$tools" "solc@$version"
fi
NODE_PATH="$tools/node_modules" exec node - "$@" <<'JS'
const fs = require("fs");
const solc = require("solc");
const check = process.argv.includes("--check");
const sources = Object.fromEntries(
  fs.readdirSync(".").filter((f) => f.endsWith(".sol")).map((f) => [f, { content: fs.readFileSync(f, "utf8") }]),
);
const settings = {
  evmVersion: "cancun",
  optimizer: { enabled: true, runs: 200 },
  // Without it the code would hold a hash of this folder's text.
  metadata: { bytecodeHash: "none", appendCBOR: false },
  outputSelection: { "*": { "*": ["evm.bytecode.object"] } },
};
const output = JSON.parse(solc.compile(JSON.stringify({ language: "Solidity", sources, settings })));
// SELFDESTRUCT is deprecated and TSTORE has its dangers: both are here to be proved.
const problems = (output.errors ?? []).filter((e) => !["2394", "5159"].includes(e.errorCode));
problems.forEach((e) => process.stderr.write(e.formattedMessage));
let failed = problems.length > 0;
for (const contracts of Object.values(failed ? {} : output.contracts)) {
  for (const [name, contract] of Object.entries(contracts)) {
    const text = contract.evm.bytecode.object + "\n";
    const file = `${name}.bin`;
    if (text === "\n") continue; // an interface
    if (!check) fs.writeFileSync(file, text);
    else if (!fs.existsSync(file) || fs.readFileSync(file, "utf8") !== text) {
      process.stderr.write(`${file} is not what the sources give: run tools/devnet/contracts/compile.sh\n`);
      failed = true;
    }
  }
}
process.exitCode = failed ? 1 : 0;
JS
