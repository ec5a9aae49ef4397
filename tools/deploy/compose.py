"""Runs the services of docker/compose.yml as plain processes, where there is no container engine.

    python3 tools/deploy/compose.py [--mock MODEL] [--timeout SECONDS] [--keep]

Each service gets the commands, environment and ports of the compose file and of its image, in the order and on the
conditions that the compose file says. What a container has and a process has not is made up for:

- The name of a service becomes a loopback address of its own (127.x.y.N), so that all have their own ports, and so does
  0.0.0.0 where it listens.
- Paths inside a container become paths in a folder of this run: mounts by the compose file, files of the image by the
  Dockerfile.
- Run by root, processes have the user of their container, and a volume can only be read as soon as nobody is left who
  may write to it.

RabbitMQ and Prometheus are those of the Debian packages, in whatever version; Grafana is left out. Then it asserts: the
leader proves, the verifier's verdict is yes, Prometheus has scraped every target and read our rules, the operator's
credentials are good for `leader queue status`, no password is in a log, an argument or an environment, and all stop
when told to.

COMPOSE_BIN      folder of leader, worker, rpc, verifier; default: target/release
COMPOSE_CIRCUITS folder of prepared circuits to begin with
Other variables are those of the compose file; PROVER_PROFILE is test unless it is set.

Exit codes: 0 all is so, 1 something is not, 2 wrong usage, 3 a program is missing.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import compose_file

ROOT = compose_file.ROOT
BINARIES = ("leader", "worker", "rpc", "verifier")
# Debian's: the one on the PATH changes the user and reads the system's settings.
RABBITMQ = pathlib.Path("/usr/lib/rabbitmq/bin")
# How images that others made begin. None: cannot be had as a process.
UPSTREAM = {"rabbitmq": [str(RABBITMQ / "rabbitmq-server")], "prom/prometheus": ["prometheus"], "grafana/grafana": None}
# Seconds for a started process to answer, far more than an overloaded machine needs.
PATIENCE = 120


class Failed(Exception):
    """What is not as it must be, in a sentence."""


@dataclasses.dataclass
class Running:
    """A service that was started."""

    process: subprocess.Popen
    log: pathlib.Path
    argv: list
    env: dict
    checked: float = 0.0
    healthy: bool = False
    reported: bool = False

    def code(self):
        return self.process.poll()


def say(text):
    print(f"{time.monotonic() - BEGIN:7.1f} s  {text}", file=sys.stderr, flush=True)


BEGIN = time.monotonic()


class Ground:
    """The folder of a run, the addresses, and what both make of the texts of a container."""

    def __init__(self, folder, services, binaries):
        self.folder, self.binaries = folder, binaries
        network = f"127.{random.randint(16, 250)}.{random.randint(1, 250)}"
        self.addresses = {name: f"{network}.{number}" for number, name in enumerate(services, 2)}
        self.root = os.geteuid() == 0
        subprocess.run([ROOT / "docker/secrets.sh", folder / "secrets"], check=True)
        # Processes of other users must get through these. The passwords are worth nothing after the run.
        for path in (folder, folder / "secrets"):
            path.chmod(0o711)

    def user(self, service):
        return tuple(int(part) for part in service.user.split(":"))

    def volume(self, name, service):
        path = self.folder / "volumes" / name
        if not path.exists():
            path.mkdir(parents=True)
            if self.root:
                os.chown(path, *self.user(service))
        return path

    def place(self, service, mount):
        """Where a mount is on this machine."""
        if mount.source is None:
            path = self.folder / "tmp" / service.name
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o1777)
            return path
        if isinstance(mount.source, str):
            return self.volume(mount.source, service)
        secrets = compose_file.COMPOSE.parent / "secrets"
        if mount.source.is_relative_to(secrets):
            return self.folder / "secrets" / mount.source.relative_to(secrets)
        return mount.source

    def paths(self, service):
        """From paths in the container to paths here."""
        files = service.built.files if service.built else {}
        table = {path: file or self.binaries / os.path.basename(path) for path, file in files.items()}
        table |= {mount.target: self.place(service, mount) for mount in service.mounts}
        return table

    def translate(self, service, text):
        """A text of the container, such as an argument or a line of a configuration, as it is right here."""
        table = self.paths(service)
        longest_first = sorted(table, key=len, reverse=True)
        if longest_first:
            inside = "|".join(re.escape(path) for path in longest_first)
            text = re.sub(rf"(?<![\w.-])({inside})(?![\w-])", lambda match: str(table[match[1]]), text)
        names = "|".join(re.escape(name) for name in self.addresses)
        text = re.sub(rf"(?<![\w.-])({names})(?=:\d)", lambda match: self.addresses[match[1]], text)
        return text.replace("0.0.0.0:", f"{self.addresses[service.name]}:")

    def seal(self, name):
        """Makes a volume one that nobody but root can write to."""
        if self.root:
            for path, _, files in os.walk(self.folder / "volumes" / name):
                for entry in [path, *(os.path.join(path, file) for file in files)]:
                    # A file of the circuits that are reused has another name elsewhere.
                    if os.stat(entry).st_nlink == 1 or os.path.isdir(entry):
                        os.chown(entry, 0, 0)


class Cluster:
    """The processes."""

    def __init__(self, ground, services, arguments):
        self.ground, self.services, self.arguments = ground, services, arguments
        self.running, self.left_out, self.helpers = {}, {}, []

    def start(self, service, argv=None):
        ground = self.ground
        image = re.sub(r"[:@].*", "", service.image)
        if service.built is None:
            if UPSTREAM[image] is None:
                self.left_out[service.name] = f"{image} cannot be had as a process"
                say(f"{service.name}: left out, {self.left_out[service.name]}")
                return
            argv = UPSTREAM[image] + service.argv
        elif argv is None:
            argv = service.argv + self.arguments.get(service.name, [])
        argv = [ground.translate(service, word) for word in argv]
        if argv[0] == "/usr/bin/tini" and not os.path.exists(argv[0]):
            argv = argv[argv.index("--") + 1 :]
        env = {key: ground.translate(service, value) for key, value in service.env.items()}
        env["PATH"] = f"{self.programs(service)}:{os.environ['PATH']}"
        env["TMPDIR"] = str(ground.place(service, compose_file.Mount(None, "/tmp", False)))
        env["HOME"] = env["TMPDIR"]
        if service.name == "rabbitmq":
            env |= self.rabbitmq(service)
        if service.name == "prometheus":
            argv = self.prometheus(service, argv)
        log = ground.folder / "logs" / f"{service.name}.log"
        log.parent.mkdir(exist_ok=True)
        process = self.spawn(service, argv, env, log)
        self.running[service.name] = Running(process, log, argv, env)
        say(f"{service.name}: started at {ground.addresses[service.name]}")

    def spawn(self, service, argv, env, log):
        with open(log, "ab") as output:
            return subprocess.Popen(
                argv, env=env, cwd=env["TMPDIR"], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True, umask=0o022, **self.rights(service),
            )

    def rights(self, service):
        if not self.ground.root:
            return {}
        user, group = self.ground.user(service)
        return {"user": user, "group": group, "extra_groups": []}

    def programs(self, service):
        """A folder with the programs that the image has in /usr/local/bin."""
        folder = self.ground.folder / "bin" / service.name
        if not folder.exists():
            folder.mkdir(parents=True)
            for inside, here in self.ground.paths(service).items():
                if inside.startswith("/usr/local/bin/"):
                    (folder / os.path.basename(inside)).symlink_to(here)
        return folder

    def rabbitmq(self, service):
        """What a node needs beside its container's settings to live on loopback and apart from others."""
        ground, address = self.ground, self.ground.addresses[service.name]
        folder = ground.folder / "rabbitmq"
        (folder / "conf.d").mkdir(parents=True)
        mounted = ground.paths(service)
        conf = folder / "rabbitmq.conf"
        conf.write_text(ground.translate(service, mounted["/etc/rabbitmq/rabbitmq.conf"].read_text()))
        for inside, here in mounted.items():
            if inside.startswith("/etc/rabbitmq/conf.d/"):
                (folder / "conf.d" / os.path.basename(inside)).symlink_to(here)
        extra = f"management.tcp.ip = {address}\nprometheus.tcp.ip = {address}\n"
        (folder / "conf.d/99-here.conf").write_text(extra)
        home = mounted["/var/lib/rabbitmq"]
        loopback = "-kernel inet_dist_use_interface {127,0,0,1}"
        env = {
            "HOME": str(home),
            "LC_ALL": "C.UTF-8",
            "ERL_EPMD_PORT": str(free_port()),
            "ERL_CRASH_DUMP": os.devnull,
            # Lets the script become the node, which then has the id of the child.
            "RUNNING_UNDER_SYSTEMD": "true",
            "RABBITMQ_NODENAME": "rabbit@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": address,
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CTL_DIST_PORT_MIN": "0",
            "RABBITMQ_CTL_DIST_PORT_MAX": "0",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": loopback,
            "RABBITMQ_CTL_ERL_ARGS": loopback,
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
            "RABBITMQ_CONFIG_FILE": str(conf),
            "RABBITMQ_CONFIG_FILES": str(folder / "conf.d"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(mounted["/etc/rabbitmq/enabled_plugins"]),
            "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(home / "log"),
            "PATH": f"{RABBITMQ}:{os.environ['PATH']}",
        }
        # The register of Erlang's nodes: a node would start one that stays.
        (self.ground.folder / "logs").mkdir(exist_ok=True)
        epmd = self.spawn(service, ["epmd", "-address", "127.0.0.1"], {**env, "TMPDIR": str(home)}, folder / "epmd.log")
        self.helpers.append(epmd)
        return env

    def prometheus(self, service, argv):
        """Its configuration with paths and addresses as they are here."""
        inside = "/etc/prometheus/prometheus.yml"
        given = self.ground.paths(service)[inside]
        config = self.ground.folder / "prometheus.yml"
        config.write_text(self.ground.translate(service, given.read_text()))
        return [word.replace(str(given), str(config)) for word in argv]

    def ready(self, name, condition):
        """Whether a service is as far as another one wants it to be."""
        if name in self.left_out:
            return True
        running = self.running.get(name)
        if running is None:
            return False
        if condition == "service_completed_successfully":
            return running.code() == 0
        return running.healthy if condition == "service_healthy" else True

    def step(self):
        """Starts what may start, and looks at what runs."""
        for service in self.services.values():
            if service.name not in self.running and service.name not in self.left_out:
                if all(self.ready(name, condition) for name, condition in service.after.items()):
                    self.start(service)
        for name, running in self.running.items():
            service, code = self.services[name], running.code()
            if code is not None and not running.reported:
                running.reported = True
                say(f"{name}: ended with {code}")
                if code != 0:
                    raise Failed(f"{name} ended with {code}")
                self.seal_after(name)
            if code is None and service.health and not running.healthy:
                self.check_health(service, running)

    def check_health(self, service, running):
        interval = compose_file.seconds(service.health.get("start_interval", "5s"))
        if time.monotonic() - running.checked < interval:
            return
        running.checked = time.monotonic()
        kind, *argv = service.health["test"]
        if kind != "CMD":
            raise Failed(f"{service.name}: a health check by {kind} is not known here")
        with open(running.log.with_suffix(".health.log"), "ab") as output:
            check = subprocess.run(
                argv, env=running.env, cwd=running.env["TMPDIR"], stdout=output, stderr=output, **self.rights(service)
            )
        if check.returncode == 0:
            running.healthy = True
            say(f"{service.name}: healthy")

    def seal_after(self, ended):
        """Volumes that from now on are only read."""
        def writes(service, name):
            done = service.name in self.running and self.running[service.name].code() == 0
            return not done and any(mount.source == name and not mount.read_only for mount in service.mounts)

        for mount in self.services[ended].mounts:
            if isinstance(mount.source, str) and not mount.read_only:
                if not any(writes(service, mount.source) for service in self.services.values()):
                    self.ground.seal(mount.source)
                    say(f"volume {mount.source}: only read from now on")

    def wait_for(self, what, condition, timeout):
        end = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > end:
                raise Failed(f"{what}: not after {timeout} s")
            self.step()
            time.sleep(0.5)

    def stop(self):
        """Stops in the order against that of the start; returns what did not end with 0 within its time."""
        faults = []
        for name, running in reversed(self.running.items()):
            if running.code() is None:
                running.process.terminate()
                try:
                    code = running.process.wait(self.services[name].grace + PATIENCE)
                except subprocess.TimeoutExpired:
                    code = "nothing, and was killed"
                if code != 0:
                    faults.append(f"{name}: ended with {code} when it was told to stop")
        return faults

    def kill(self):
        for process in [running.process for running in self.running.values()] + self.helpers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Prometheus:
    """Asks ours."""

    def __init__(self, address):
        self.base = f"http://{address}:9090/api/v1/"

    def get(self, path, **query):
        url = self.base + path + ("?" + urllib.parse.urlencode(query) if query else "")
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except (OSError, urllib.error.URLError) as error:
            raise Failed(f"Prometheus does not answer {path}: {error}") from error

    def series(self, expression):
        return [(item["metric"], float(item["value"][1])) for item in self.get("query", query=expression)["result"]]


def check_scrapes(prometheus, ground, mock):
    for job, host, port, path in compose_file.scrape_targets():
        instance = f"{ground.addresses[host]}:{port}"
        kind = "detailed" if path.endswith("/detailed") else ""
        labels = f'job="{job}",instance="{instance}",metrics="{kind}"'
        if [value for _, value in prometheus.series(f"max_over_time(up{{{labels}}}[1d])")] != [1.0]:
            raise Failed(f"Prometheus has never scraped {job} at {host}:{port}{path}")
        if job.startswith("blockproof"):
            binary = job.removeprefix("blockproof-")
            found = prometheus.series(f'max_over_time(blockproof_build_info{{{labels},binary="{binary}"}}[1d])')
            if [value for _, value in found] != [1.0]:
                raise Failed(f"{host} has no blockproof_build_info: {found}")
        say(f"{host}:{port}{path}: scraped")
    wanted = {
        "tasks proved by workers":
            'sum(max_over_time(blockproof_tasks_total{job="blockproof-worker",outcome="proved"}[1d])) > 0',
        "workers at the broker":
            'count(max_over_time(blockproof_broker_connected{job="blockproof-worker"}[1d]) == 1) == 2',
        "the leader's block": 'max_over_time(blockproof_blocks_in_progress{job="blockproof-leader"}[1d]) > 0',
        "six queues of tasks":
            'count(rabbitmq_detailed_queue_messages_ready{job="rabbitmq",queue=~"blockproof[.]tasks[.].*"}) == 6',
    }
    if not mock:
        stage = '{job="blockproof-worker",stage="starks"}'
        wanted["time by stage"] = f"max_over_time(blockproof_stage_seconds_count{stage}[1d]) > 0"
    for what, expression in wanted.items():
        if not prometheus.series(expression):
            raise Failed(f"Prometheus does not know {what}: {expression}")
    say(f"Prometheus knows {', '.join(wanted)}")


def check_rules(cluster, prometheus):
    def rules():
        return [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]

    def evaluated():
        for rule in rules():
            if rule["health"] == "err":
                raise Failed(f"rule {rule['name']}: {rule['lastError']}")
        return all(rule["health"] == "ok" for rule in rules())

    if not rules():
        raise Failed("Prometheus has none of our rules")
    cluster.wait_for("all rules are evaluated", evaluated, PATIENCE)
    say(f"Prometheus evaluates {len(rules())} rules without an error")


def check_secrecy(ground, cluster):
    """No password where others can read it."""
    passwords = [path.read_text().strip() for path in (ground.folder / "secrets").glob("*/password")]
    if len(passwords) != 6:
        raise Failed(f"{len(passwords)} passwords instead of 6")
    for name, running in cluster.running.items():
        places = {"log": running.log.read_text(errors="replace")}
        places["arguments"] = " ".join(map(str, running.argv))
        places["environment"] = str(running.env)
        with contextlib.suppress(OSError):
            for kind in ("cmdline", "environ"):
                places[kind] = pathlib.Path(f"/proc/{running.process.pid}/{kind}").read_text(errors="replace")
        for place, text in places.items():
            if any(password in text for password in passwords):
                raise Failed(f"a password is in the {place} of {name}")
    say("no password in a log, an argument or an environment")


def queue_status(cluster, jumpbox):
    """What `leader queue status` says, run as the operator."""
    cluster.services[jumpbox.name] = jumpbox
    cluster.start(jumpbox, ["leader", "queue", "status", "--json"])
    cluster.wait_for("leader queue status", lambda: cluster.running[jumpbox.name].code() is not None, PATIENCE)
    cluster.step()
    names = set(re.findall(r"worker-\d", cluster.running[jumpbox.name].log.read_text()))
    if names != {"worker-1", "worker-2"}:
        raise Failed(f"`leader queue status` tells of {names or 'no workers'}")
    say("the operator sees both workers")


def link(source, target):
    """A big file appears a second time instead of being copied; a small one may be one that is locked or written to."""
    if os.stat(source).st_size > 1_000_000:
        with contextlib.suppress(OSError):
            os.link(source, target)
            return
    shutil.copy2(source, target)


def seed_circuits(ground, services):
    given = os.environ.get("COMPOSE_CIRCUITS")
    if not given:
        return
    volume = ground.volume("circuits", services["circuits"])
    shutil.copytree(given, volume, copy_function=link, dirs_exist_ok=True)
    if ground.root:
        for path, _, files in os.walk(volume):
            for entry in [path, *(os.path.join(path, file) for file in files)]:
                if os.path.isdir(entry) or os.stat(entry).st_nlink == 1:
                    os.chown(entry, *ground.user(services["circuits"]))


def run(cluster, services, mock, timeout):
    ground = cluster.ground
    last = "leader" if mock else "verifier"
    done = lambda: last in cluster.running and cluster.running[last].code() == 0
    cluster.wait_for(f"{last} ended with 0", done, timeout)
    cluster.step()
    if not mock:
        say("verifier: " + cluster.running["verifier"].log.read_text(errors="replace").strip().splitlines()[-1])
    prometheus = Prometheus(ground.addresses["prometheus"])
    check_scrapes(prometheus, ground, mock)
    check_rules(cluster, prometheus)
    queue_status(cluster, compose_file.load()["jumpbox"])
    check_secrecy(ground, cluster)
    faults = cluster.stop()
    if faults:
        raise Failed("; ".join(faults))
    say("all stopped when they were told to")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mock", metavar="MODEL", help="prove nothing, as `leader --mock-prover`; without a verdict")
    parser.add_argument("--timeout", type=float, default=3600, metavar="SECONDS", help="for the proof; default: 3600")
    parser.add_argument("--keep", action="store_true", help="keep the folder of the run")
    options = parser.parse_args()

    binaries = pathlib.Path(os.environ.get("COMPOSE_BIN", ROOT / "target/release")).resolve()
    needed = [binaries / name for name in BINARIES] + [RABBITMQ / "rabbitmq-server", "epmd", "prometheus", "curl", "jq"]
    missing = [str(program) for program in needed if not shutil.which(program)]
    if missing:
        print(f"compose.py: there is no {', '.join(missing)}", file=sys.stderr)
        return 3
    os.environ.setdefault("PROVER_PROFILE", "test")
    if os.environ["PROVER_PROFILE"] == "test":
        os.environ.setdefault("VERIFIER_FLAGS", "--allow-insecure")
    services = {name: service for name, service in compose_file.load().items() if not service.profiles}
    arguments = {}
    if options.mock:
        for name in ("circuits", "verifier"):
            del services[name]
        for service in services.values():
            service.after.pop("circuits", None)
        # Before the subcommand and its arguments.
        mock = ["--mock-prover", options.mock]
        arguments = {name: mock for name in ("worker-1", "worker-2", "leader")}

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="compose-"))
    cluster = None
    try:
        ground = Ground(folder, [*services, "jumpbox"], binaries)
        if not options.mock:
            seed_circuits(ground, services)
        cluster = Cluster(ground, services, arguments)
        run(cluster, services, options.mock, options.timeout)
    except Failed as fault:
        for name, running in cluster.running.items() if cluster else ():
            tail = running.log.read_text(errors="replace").splitlines()[-15:]
            print(f"--- {name}, {running.code()}\n" + "\n".join(tail), file=sys.stderr)
        say(f"FAILED: {fault}")
        return 1
    finally:
        if cluster:
            cluster.kill()
        if options.keep:
            say(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    say("all as it must be")
    return 0


if __name__ == "__main__":
    sys.exit(main())
