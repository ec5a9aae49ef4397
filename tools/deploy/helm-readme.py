#!/usr/bin/env python3
"""Writes the table of values in helm/README.md, from the comments `# --` in helm/values.yaml.

  tools/deploy/helm-readme.py [--check]

With --check nothing is written: exit code 1 if the table is not what it would be. Exit code 2 if a value has no
comment. Needs PyYAML. The text around the table is written by hand.
"""

import json
import pathlib
import re
import sys

import yaml

CHART = pathlib.Path(__file__).resolve().parents[2] / "helm"
BEGIN, END = "<!-- values: tools/deploy/helm-readme.py -->\n", "<!-- end of values -->\n"


def comments(text):
    """What is said of each key, by its path."""
    said, path, block = {}, [], []
    for line in text.splitlines():
        if found := re.match(r"\s*# -- (.*)", line):
            block = [found[1]]
        elif block and (found := re.match(r"\s*# ?(.*)", line)):
            block.append(found[1])
        elif found := re.match(r"( *)([A-Za-z0-9]+):", line):
            path = path[: len(found[1]) // 2] + [found[2]]
            if block:
                said[tuple(path)] = " ".join(block)
            block = []
        else:
            block = []
    return said


def rows(value, said, path=()):
    """Path, default and meaning of each value, in the order of the file."""
    deeper = isinstance(value, dict) and any(known[: len(path)] == path and len(known) > len(path) for known in said)
    if path in said or not deeper:
        if path not in said:
            print(f"helm/values.yaml: {'.'.join(path)} has no comment that begins with `# --`", file=sys.stderr)
            sys.exit(2)
        yield path, "" if deeper else f"`{json.dumps(value)}`", said[path]
    if deeper:
        for key, child in value.items():
            yield from rows(child, said, (*path, key))


def cell(text):
    return text.replace("|", "\\|")


def table(text):
    lines = ["| value | default | |", "|---|---|---|"]
    for path, default, said in rows(yaml.safe_load(text), comments(text)):
        lines.append(f"| `{'.'.join(path)}` | {cell(default)} | {cell(said)} |")
    return "\n".join(lines) + "\n"


def main():
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit(__doc__)
    readme = CHART / "README.md"
    before = readme.read_text()
    head, rest = before.split(BEGIN)
    tail = rest.split(END)[1]
    after = f"{head}{BEGIN}\n{table((CHART / 'values.yaml').read_text())}\n{END}{tail}"
    if after == before:
        return
    if sys.argv[1:]:
        print("helm/README.md is not up to date: run tools/deploy/helm-readme.py", file=sys.stderr)
        sys.exit(1)
    readme.write_text(after)


if __name__ == "__main__":
    main()
