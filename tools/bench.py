#!/usr/bin/env python3
"""Measures two builds against each other, A B A B; called by tools/bench.sh, which says what the options mean."""

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Log lines of the leader that end a task, and what the task is called here.
TASKS = {"segment": "segment", "segment merge": "segment merge", "batch merge": "batch merge", "block": "block proof"}


def run(*command, level=None):
    """Runs a command; returns its standard output and log, wall and CPU seconds, and peak memory in gigabytes."""
    environment = os.environ | ({"GOLDILOCKS_LEVEL": level} if level else {})
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as log:
        start = time.monotonic()
        child = subprocess.Popen([str(part) for part in command], stdout=out, stderr=log, env=environment)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - start
        out.seek(0)
        log.seek(0)
        text, lines = out.read().decode(), log.read().decode(errors="replace")
        if child.returncode != 0:
            sys.exit(f"bench: {' '.join(map(str, command))} ended with {child.returncode}\n{lines[-3000:]}")
        cost = {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "memory": usage.ru_maxrss / 1e6}
        return text, lines, cost


class Side:
    """One of the builds, at its best or at a lower level, and all that was measured of it: by name, then a list of costs."""

    def __init__(self, name, folder, options, work, level=None):
        self.name, self.folder, self.options, self.level, self.costs = name, Path(folder), options, level, {}
        self.circuits, self.proof, self.artifacts = work / f"{name}-circuits", work / f"{name}.json", work / f"{name}-artifacts"
        self.keys, self.caps = None, set()

    def note(self, what, cost):
        self.costs.setdefault(what, []).append(cost)

    def leader(self, *arguments):
        options = ["--profile", self.options.profile, "--max-cpu-len-log", self.options.log, "--log-format", "json"]
        folders = ["--circuits-dir", self.circuits, "--artifacts-dir", self.artifacts]
        return run(self.folder / "leader", *arguments, *folders, *options, level=self.level)

    def prepare(self):
        shutil.rmtree(self.circuits, ignore_errors=True)
        self.note("circuits, cold", self.leader("circuits", "build")[2])
        self.note("circuits, there", self.leader("circuits", "build")[2])
        manifest, = self.circuits.glob("*/manifest.json")
        self.keys = json.loads(manifest.read_text())["digest"]

    def prove(self):
        shutil.rmtree(self.artifacts, ignore_errors=True)
        _, log, cost = self.leader("stdio", self.options.witness, "--output-proof-file", self.proof)
        self.note("whole block", cost)
        for line in log.splitlines():
            fields = json.loads(line) if line.startswith("{") else {}
            task = TASKS.get(str(fields.get("message", "")).removeprefix("proved "))
            if task and "seconds" in fields:
                self.note(task, {"wall": float(fields["seconds"])})

    def verify(self, other):
        insecure = ["--allow-insecure"] if self.options.profile == "test" else []
        run(self.folder / "verifier", "--file", other.proof, "--circuits-dir", self.circuits, *insecure)

    def stark(self):
        command = [self.folder / "examples/measure", "stark", self.options.full, self.options.full_log]
        text, _, cost = run(*command, level=self.level)
        number = r"([0-9.]+)"
        for part in ("traces", "starks"):
            wall, cpu = map(float, re.search(f"^{part} {number} s {number} CPU s", text, re.M).groups())
            self.note(f"full segment, {part}", {"wall": wall, "cpu": cpu, "memory": cost["memory"]})
        self.caps.add(re.search(r"^caps (\w+)", text, re.M).group(1))


def median(costs, what):
    values = [cost[what] for cost in costs if what in cost]
    return statistics.median(values) if values else None


def report(fast, plain, kept):
    """A line for each thing measured: medians, ratio (least to most of the pairs), and change since what is kept."""
    figures = {}
    print(f"{'':24} {'plain s':>9} {fast.name + ' s':>9} {'ratio':>6} {'of pairs':>13} {'CPU ratio':>9} {'GB':>13}  since kept")
    for what, costs in fast.costs.items():
        others = plain.costs[what]
        a, b = median(others, "wall"), median(costs, "wall")
        pairs = sorted(x["wall"] / y["wall"] for x, y in zip(others, costs))
        cpu = median(others, "cpu") and f"{median(others, 'cpu') / median(costs, 'cpu'):.2f}" or ""
        memory = median(others, "memory") and f"{median(others, 'memory'):.2f} {median(costs, 'memory'):.2f}" or ""
        figures[what] = {"ratio": round(a / b, 3), "plain_s": round(a, 2), "this_s": round(b, 2)}
        if memory:
            figures[what]["this_gb"] = round(median(costs, "memory"), 2)
        before = kept.get(what, {}).get("ratio")
        change = f"{a / b / before - 1:+.0%}" if before else "new"
        print(f"{what:24} {a:9.2f} {b:9.2f} {a / b:6.2f} {pairs[0]:6.2f}-{pairs[-1]:<6.2f} {cpu:>9} {memory:>13}  {change}")
    return figures


def main():
    parser = argparse.ArgumentParser(prog="tools/bench.sh")
    parser.add_argument("this")
    parser.add_argument("plain")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--witness", type=Path, default=ROOT / "witnesses/transfer.json")
    parser.add_argument("--log", type=int, default=17)
    parser.add_argument("--full", type=Path)
    parser.add_argument("--full-log", type=int, default=17)
    parser.add_argument("--avx2", action="store_true")
    parser.add_argument("--native", action="store_true")
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    options.profile = "test" if options.quick else "dev"

    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    flags = next((line for line in open("/proc/cpuinfo") if line.startswith("flags")), "")
    vectors = "avx512" if "avx512dq" in flags else "avx2" if "avx2" in flags else "none"
    print(f"{cpu}, {os.cpu_count()} threads, vectors {vectors}, profile {options.profile}, {options.witness.name}, {options.rounds} rounds")

    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        work = Path(folder)
        plain, fast = Side("plain", options.plain, options, work), Side("this", options.this, options, work)
        sides = [(fast, vectors)]
        if options.avx2:
            sides.append((Side("avx2", options.this, options, work, "avx2"), "avx2"))
        for number in range(options.rounds):
            for side in (plain, *(side for side, _ in sides)):
                print(f"bench: round {number + 1}, {side.name}", file=sys.stderr)
                side.prepare()
                side.prove()
                if options.full:
                    side.stark()
        for side, vectors in sides:
            kept_file = ROOT / "docs/bench" / f"{options.profile}-{vectors}{'-native' * options.native}.json"
            kept = json.loads(kept_file.read_text())["figures"] if kept_file.exists() else {}
            figures = report(side, plain, kept)
            if side.keys != plain.keys or side.caps != plain.caps:
                sys.exit(f"bench: different circuits or caps: {side.keys} {side.caps}, {plain.keys} {plain.caps}")
            side.verify(plain)
            plain.verify(side)
            print("same verifier key, same caps; each verified the other's proof")
            if options.record:
                kept_file.parent.mkdir(exist_ok=True)
                machine = {"cpu": cpu, "threads": os.cpu_count(), "rounds": options.rounds, "witness": options.witness.name}
                kept_file.write_text(json.dumps({"machine": machine, "figures": kept | figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
