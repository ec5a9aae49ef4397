#!/usr/bin/env python3
"""A real Prometheus scrapes a real run; then rules, dashboards and docs/metrics.md are held against what it has.

Run by tools/deploy/scrape.sh inside of tools/broker.sh. On loopback, with ports of their own: the broker with the
plugin rabbitmq_prometheus and the users of tools/rabbitmq/setup.sh, two workers, a leader with a witness, one that
proves in its own process, one that follows a geth, and one whose every task fails. Nothing is proved: the prover is a
mock.

Checked: every metric of docs/metrics.md is there with its labels; `promtool check metrics` finds no fault in what the
processes say; every rule evaluates; every query of a dashboard gives data; no alert fires. What a mock cannot show is
listed below, with the reason, and must really not be there.
"""

import importlib.util
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location("monitoring", ROOT / "tools/deploy/monitoring.py")
monitoring = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(monitoring)

# Everything there is must have been seen after so many seconds; on two busy cores it took fifty.
PATIENCE = 240
PLUGINS = "/usr/lib/rabbitmq/bin/rabbitmq-plugins"

PROOF = "needs real proving, see leader/tests/proof"
KUBERNETES = "needs Kubernetes"
FIRING = "needs an alert that fires"

# Metrics that this run cannot have.
NO_METRIC = {
    "blockproof_stage_seconds": PROOF,
    "blockproof_table_seconds": PROOF,
    "blockproof_table_rows": PROOF,
    "blockproof_circuits_seconds": PROOF,
    "blockproof_slot_memory_bytes": PROOF,
    "blockproof_recent_segment_cpu_halt_cycles": PROOF,
    "blockproof_recent_segment_cpu_padding_cycles": PROOF,
}

# Panels some of whose queries this run gives nothing for, for the metrics above.
NO_DATA = {
    "block: Segments proved lately": PROOF,
    "block: Padding": PROOF,
    "block: Halt cycles of a segment": PROOF,
    "block: Padding of a segment": PROOF,
    "cluster: Replicas": KUBERNETES,
    "cluster: Alerts": FIRING,
    "worker: Memory set aside": PROOF,
    "worker: Where the time goes": PROOF,
    "worker: Time of a stage": PROOF,
    "worker: STARK by table": PROOF,
    "worker: Recursion by table": PROOF,
    "worker: Rows by table": PROOF,
    "worker: Halt cycles of a segment": PROOF,
    "worker: Padding of a segment": PROOF,
    "worker: Memory": PROOF,
    "worker: Memory by slot": PROOF,
    "worker: Circuits built and loaded in a minute": PROOF,
    "worker: Time to build or load circuits": PROOF,
}


def say(text):
    print(text, file=sys.stderr, flush=True)


def free_port():
    """A loopback port that nobody has; nobody else is told before it is used."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def get(url, timeout=10):
    with urllib.request.urlopen(url, timeout=timeout) as answer:
        return answer.read().decode()


def wait_for(what, ask, seconds=PATIENCE):
    """The first answer that is something."""
    end = time.monotonic() + seconds
    while True:
        try:
            if answer := ask():
                return answer
        except (OSError, urllib.error.URLError):
            pass
        if time.monotonic() > end:
            sys.exit(f"{what} has not come within {seconds} s")
        time.sleep(0.3)


class Processes:
    """What was started, each with a log; all of it ends with this."""

    def __init__(self, folder):
        self.folder, self.running = folder, {}

    def start(self, name, command, **environment):
        log = (self.folder / f"{name}.log").open("w")
        process = subprocess.Popen(
            [str(part) for part in command],
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=ROOT,
            env={**os.environ, "AMQP_URI": "", **environment},
            start_new_session=True,
        )
        self.running[name] = process
        return process

    def log(self, name):
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def check(self, *names):
        """Ends with the log of one that is no longer there and should be."""
        for name in names:
            code = self.running[name].poll()
            if code is not None:
                sys.exit(f"{name} ended with {code}:\n{self.log(name)[-2000:]}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # Geth is a child of devnet: whole sessions are told.
        for process in self.running.values():
            self.tell(process, signal.SIGTERM)
        end = time.monotonic() + 10
        for process in self.running.values():
            try:
                process.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                pass
        for process in self.running.values():
            self.tell(process, signal.SIGKILL)
            process.wait()

    @staticmethod
    def tell(process, number):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            pass


class Prometheus:
    """Questions to it."""

    def __init__(self, port):
        self.api = f"http://127.0.0.1:{port}/api/v1"

    def ask(self, path, **query):
        try:
            answer = json.loads(get(f"{self.api}/{path}?{urllib.parse.urlencode(query, doseq=True)}"))
        except urllib.error.HTTPError as error:
            sys.exit(f"Prometheus refuses {path} {query}: {error.read().decode()}")
        return answer["data"]

    def query(self, expr):
        """What there is; the quantile of a histogram without observations is no number, and nothing."""
        return [one for one in self.ask("query", query=expr)["result"] if one["value"][1] != "NaN"]


def broker(folder):
    """Turns the plugin on and makes users; the port of the metrics, and what clients need."""
    port, control = free_port(), os.environ["BROKER_CTL"]
    address = f'[{{port, {port}}}, {{ip, "127.0.0.1"}}]'
    setting = f"application:set_env(rabbitmq_prometheus, tcp_config, {address}, [{{persistent, true}}])."
    subprocess.run([control, "--quiet", "eval", setting], check=True, stdout=subprocess.DEVNULL)
    # The cookie that lets it speak to the node is in the broker's own home.
    home = {**os.environ, "HOME": str(pathlib.Path(control).parent)}
    subprocess.run(
        [PLUGINS, "--quiet", "enable", "rabbitmq_prometheus"], check=True, stdout=subprocess.DEVNULL, env=home
    )
    amqp = urllib.parse.urlsplit(os.environ["AMQP_URI"]).port
    setup, clients = [ROOT / "tools/rabbitmq/setup.sh", "--rabbitmqctl", control], {}
    for role in ("leader", "worker"):
        password = folder / f"{role}.password"
        password.write_text(os.urandom(16).hex())
        setup += [f"--{role}", f"{role}={password}"]
        uri = f"amqp://{role}@127.0.0.1:{amqp}/blockproof"
        clients[role] = {"AMQP_URI": uri, "AMQP_PASSWORD_FILE": str(password)}
    # It says that this broker has a short consumer timeout; tasks here take less than seconds.
    subprocess.run(setup, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return port, clients


def configuration(targets, rabbitmq):
    """Of Prometheus, with the jobs that docs/monitoring.md names."""
    jobs = [
        {"job_name": name, "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in ports]}]}
        for name, ports in targets.items()
    ]
    # Its failures are wanted, and must not be taken for those of the others.
    for job in jobs:
        if job["job_name"] == "faulty":
            job["static_configs"][0]["labels"] = {"job": "blockproof-leader", "namespace": "faulty"}
    node = f"127.0.0.1:{rabbitmq}"
    jobs.append({"job_name": "rabbitmq", "static_configs": [{"targets": [node]}]})
    jobs.append(
        {
            "job_name": "rabbitmq-detailed",
            "metrics_path": "/metrics/detailed",
            "params": {"family": ["queue_coarse_metrics", "queue_consumer_count"], "vhost": ["blockproof"]},
            "static_configs": [{"targets": [node], "labels": {"job": "rabbitmq", "metrics": "detailed"}}],
        }
    )
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(ROOT / "monitoring/rules/*.yaml")],
        "scrape_configs": jobs,
    }


def start(processes, folder):
    """The whole run. Returns Prometheus and the ports of ours by name."""
    binaries = pathlib.Path(os.environ["BLOCKPROOF_BIN"])
    rabbitmq, clients = broker(folder)
    ports = {name: free_port() for name in ("worker-0", "worker-1", "witness", "alone", "follower", "faulty")}
    store, chain = folder / "artifacts", ROOT / "witnesses/chain.json"

    def ours(name, binary, *words, role=None, artifacts=store):
        command = [
            binaries / binary,
            *words,
            "--metrics-addr",
            f"127.0.0.1:{ports[name]}",
            "--artifacts-dir",
            artifacts,
        ]
        processes.start(name, command, **clients.get(role, {}))

    prometheus = free_port()
    targets = {
        "blockproof-worker": [ports["worker-0"], ports["worker-1"]],
        "blockproof-leader": [ports["witness"], ports["alone"], ports["follower"]],
        "faulty": [ports["faulty"]],
    }
    # JSON is YAML.
    (folder / "prometheus.yml").write_text(json.dumps(configuration(targets, rabbitmq)))
    processes.start(
        "prometheus",
        [
            os.environ["PROMETHEUS"],
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{prometheus}",
        ],
    )
    processes.start("devnet", [binaries / "devnet", "run", "--blocks", "3", "--interval", "3"])
    for worker in ("worker-0", "worker-1"):
        ours(worker, "worker", "--name", worker, "--slots", "2", "--mock-prover", "constant:500", role="worker")
    # The time of a task is the workers' where there are workers.
    mock = ["--mock-prover", "constant:500"]
    ours(
        "witness",
        "leader",
        "--runtime",
        "amqp",
        "stdio",
        chain,
        "-o",
        folder / "witness",
        "--group",
        "witness",
        *mock,
        role="leader",
    )
    ours(
        "alone",
        "leader",
        "stdio",
        chain,
        "-o",
        folder / "alone",
        "--mock-prover",
        "constant:2000",
        artifacts=folder / "alone-artifacts",
    )
    ours(
        "faulty",
        "leader",
        "stdio",
        chain,
        "-o",
        folder / "faulty",
        "--mock-prover",
        "constant:500,fail:1",
        artifacts=folder / "faulty-artifacts",
    )
    url = wait_for("the chain", lambda: re.search(r"http://127\.0\.0\.1:\d+", processes.log("devnet")))[0]
    ours(
        "follower",
        "leader",
        "--runtime",
        "amqp",
        "rpc",
        "--rpc-url",
        url,
        "--start-block",
        "1",
        "--no-cache",
        "-o",
        folder / "follower",
        "--group",
        "follower",
        *mock,
        role="leader",
    )
    wait_for("Prometheus", lambda: get(f"http://127.0.0.1:{prometheus}/-/ready"))
    return Prometheus(prometheus), ports


def documented(prometheus, known):
    """Metrics of the list that are there, each with all of its labels."""
    there = set()
    for name, metric in known.items():
        series = name + "_count" if metric.kind.startswith("histogram") else name
        labels = [set(result["metric"]) for result in prometheus.query(series)]
        if any(metric.labels <= has for has in labels):
            there.add(name)
    return there


def lint(ports):
    """What promtool says of what a process answers, once it has something to say."""
    wrong = []
    for name, port in ports.items():
        try:
            body = get(f"http://127.0.0.1:{port}/metrics")
        except OSError:
            continue
        checked = subprocess.run(
            [os.environ["PROMTOOL"], "check", "metrics"], input=body, text=True, capture_output=True
        )
        if checked.returncode:
            wrong.append(f"{name}: {checked.stdout}{checked.stderr}")
    return wrong


def compare(what, missing, excused):
    """What is missing without a reason, and reasons for what is there."""
    wrong = [f"{what}: nothing of {name}" for name in sorted(missing - set(excused))]
    return wrong + [
        f"{what}: {name} is there, though this says: {excused[name]}" for name in sorted(set(excused) - missing)
    ]


def main():
    known, queries = monitoring.metrics(), list(monitoring.dashboard_queries())
    with tempfile.TemporaryDirectory(prefix="scrape-") as folder, Processes(pathlib.Path(folder)) as processes:
        prometheus, ports = start(processes, pathlib.Path(folder))
        lasting = [name for name in processes.running if name not in ("witness", "alone", "faulty")]
        seen, left = set(), queries
        begun, wrong = time.monotonic(), []
        while time.monotonic() - begun < PATIENCE:
            processes.check(*lasting)
            seen |= documented(prometheus, known)
            left = [query for query in left if not prometheus.query(query.expr)]
            wrong = wrong or lint(ports)
            if set(known) - seen <= set(NO_METRIC) and {query.place for query in left} <= set(NO_DATA):
                break
            time.sleep(2)
        # Alerts that need no time must have had their chance, too.
        groups = prometheus.ask("rules")["groups"]
        alerts = prometheus.ask("alerts")["alerts"]
    seconds = time.monotonic() - begun
    wrong += compare("docs/metrics.md", set(known) - seen, NO_METRIC)
    wrong += compare("dashboards", {query.place for query in left}, NO_DATA)
    evaluated = [rule for group in groups for rule in group["rules"]]
    wrong += [f"{rule['name']}: {rule.get('lastError')}" for rule in evaluated if rule["health"] != "ok"]
    if len(evaluated) != len(monitoring.rules()):
        wrong.append(f"Prometheus has {len(evaluated)} rules of {len(monitoring.rules())}")
    firing = [a["labels"] for a in alerts if a["state"] == "firing" and a["labels"].get("namespace") != "faulty"]
    wrong += [f"fires, though nothing is wrong: {labels}" for labels in firing]
    if wrong:
        sys.exit("\n".join(wrong))
    say(
        f"after {seconds:.0f} s: {len(seen)} of {len(known)} metrics are there, {len(queries) - len(left)} of"
        f" {len(queries)} queries give data, {len(evaluated)} rules evaluate; the rest needs what a mock has not"
    )


if __name__ == "__main__":
    main()
