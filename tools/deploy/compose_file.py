"""Reads docker/compose.yml and docker/Dockerfile as far as they are used here, and checks what must be so about them.

What the two formats allow beyond that is refused rather than overlooked.

    python3 tools/deploy/compose_file.py [MODEL]

checks, also that what is read here is MODEL: that of Compose's own reader, as JSON.
"""

import dataclasses
import json
import os
import pathlib
import re
import shlex
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker/compose.yml"
DOCKERFILE = ROOT / "docker/Dockerfile"

KEYS = {
    "build", "cap_drop", "command", "depends_on", "environment", "healthcheck", "hostname", "image", "mem_limit",
    "ports", "profiles", "read_only", "restart", "security_opt", "stop_grace_period", "tmpfs", "user", "volumes",
}


class Wrong(Exception):
    """Something that the files must not say, or that this reader does not know."""


@dataclasses.dataclass
class Image:
    """A target of the Dockerfile."""

    env: dict = dataclasses.field(default_factory=dict)
    entrypoint: list = dataclasses.field(default_factory=list)
    command: list = dataclasses.field(default_factory=list)
    user: str = "0:0"
    home: str = "/"
    # From the path in the image to the file of the repository, or None for one that the stage `build` made.
    files: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Mount:
    """What is mounted: the name of a volume, a path of the host, or None for a tmpfs."""

    source: object
    target: str
    read_only: bool


@dataclasses.dataclass
class Service:
    """A service with its image applied."""

    name: str
    image: str
    built: object
    argv: list
    env: dict
    user: str
    home: str
    mounts: list
    after: dict
    health: object
    ports: list
    profiles: list
    grace: float
    raw: dict


def interpolate(value, environ):
    """Replaces ${NAME}, ${NAME:-default} and $$ in all texts of a document."""
    if isinstance(value, dict):
        return {key: interpolate(item, environ) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolate(item, environ) for item in value]
    if not isinstance(value, str):
        return value

    def replace(match):
        if match["dollar"]:
            return "$"
        if match["name"] is None:
            raise Wrong(f"cannot interpolate {value!r}")
        return environ.get(match["name"]) or match["default"] or ""

    return re.sub(r"\$(?:(?P<dollar>\$)|\{(?P<name>\w+)(?::-(?P<default>[^{}]*))?\}|)", replace, value)


def seconds(text):
    """A duration such as `1m30s`."""
    parts = re.findall(r"(\d+)(ms|s|m|h)", text)
    if "".join(number + unit for number, unit in parts) != text:
        raise Wrong(f"{text!r} is no duration")
    return sum(int(number) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[unit] for number, unit in parts)


def images():
    """The targets of the Dockerfile by name."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.lstrip().startswith("#")]
    stages, stage = {}, None
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        instruction, _, rest = line.strip().partition(" ")
        rest = rest.strip()
        if instruction == "FROM":
            base, _, name = rest.partition(" AS ")
            stage = stages[name] = dataclasses.replace(stages[base]) if base in stages else Image()
            stage.env, stage.files = dict(stage.env), dict(stage.files)
        elif instruction == "ENV":
            for pair in shlex.split(rest):
                key, _, value = pair.partition("=")
                stage.env[key] = value
        elif instruction == "ENTRYPOINT":
            # As the engine does: a new entry point forgets the command of the stage before.
            stage.entrypoint, stage.command = json.loads(rest), []
        elif instruction == "CMD":
            stage.command = json.loads(rest)
        elif instruction == "USER":
            stage.user = "0:0" if rest == "root" else rest
        elif instruction == "WORKDIR":
            stage.home = rest
        elif instruction == "COPY":
            *sources, target = [word for word in rest.split() if not word.startswith("--")]
            made = "--from=build" in rest
            for source in sources:
                place = target + os.path.basename(source) if target.endswith("/") else target
                if made and source.endswith("/"):
                    for binary in ("leader", "worker", "rpc", "verifier"):
                        stage.files[target + binary] = None
                else:
                    stage.files[place] = None if made else ROOT / source
    return stages


def words(command):
    return shlex.split(command) if isinstance(command, str) else [str(word) for word in command or []]


def load(environ=None):
    """The services by name, with the interpolation that an environment gives."""
    environ = os.environ if environ is None else environ
    document = interpolate(yaml.safe_load(COMPOSE.read_text()), environ)
    targets = images()
    services = {}
    for name, raw in document["services"].items():
        if unknown := set(raw) - KEYS:
            raise Wrong(f"{name}: not known here: {', '.join(sorted(unknown))}")
        built = None
        if "build" in raw:
            if raw["build"]["target"] not in targets:
                raise Wrong(f"{name}: the Dockerfile has no target {raw['build']['target']}")
            built = targets[raw["build"]["target"]]
        env = dict(built.env) if built else {}
        for key, value in (raw.get("environment") or {}).items():
            if value is not None:
                env[key] = str(value)
            elif key in environ:
                env[key] = environ[key]
        command = words(raw.get("command")) or (built.command if built else [])
        services[name] = Service(
            name=name,
            image=raw["image"],
            built=built,
            argv=(built.entrypoint if built else []) + command,
            env=env,
            user=raw.get("user") or (built.user if built else "0:0"),
            home=built.home if built else "/",
            mounts=[mount(document, text) for text in raw.get("volumes", [])]
            + [Mount(None, path, False) for path in raw.get("tmpfs", [])],
            after={key: value["condition"] for key, value in raw.get("depends_on", {}).items()},
            health=raw.get("healthcheck"),
            ports=raw.get("ports", []),
            profiles=raw.get("profiles", []),
            grace=seconds(raw.get("stop_grace_period", "10s")),
            raw=raw,
        )
    return services


def mount(document, text):
    source, target, *mode = text.split(":")
    if mode not in ([], ["ro"]):
        raise Wrong(f"{text}: how is it mounted?")
    if not source.startswith((".", "/")):
        if source not in document["volumes"]:
            raise Wrong(f"{text}: there is no volume {source}")
        return Mount(source, target, bool(mode))
    return Mount(pathlib.Path(os.path.normpath(COMPOSE.parent / source)), target, bool(mode))


def scrape_targets():
    """(job, host, port, path) of all targets in prometheus.yml."""
    config = yaml.safe_load((COMPOSE.parent / "prometheus.yml").read_text())
    for scrape in config["scrape_configs"]:
        for group in scrape["static_configs"]:
            for target in group["targets"]:
                host, _, port = target.partition(":")
                job = group.get("labels", {}).get("job", scrape["job_name"])
                yield job, host, int(port), scrape.get("metrics_path", "/metrics")


def check():
    """Every sentence about what is wrong."""
    services = load({})
    # Names as in ops/src/env.rs, and those that only images and scripts know.
    known = set(re.findall(r'pub const \w+: &str = "(\w+)";', (ROOT / "ops/src/env.rs").read_text()))
    known |= {"LEADER", "RUST_LOG"}
    for service in services.values():
        for fault in check_service(service, services, known):
            yield f"{service.name}: {fault}"
    yield from check_monitoring(services)
    if os.path.basename(DOCKERFILE.parent) + "/secrets" in (ROOT / ".dockerignore").read_text():
        yield ".dockerignore: it lets secrets into the build context"
    if "/secrets" not in (COMPOSE.parent / ".gitignore").read_text().split():
        yield "docker/.gitignore: it lets secrets into the repository"


def check_service(service, services, known):
    raw = service.raw
    if not re.search(r"(:(?!latest$)[\w.-]+|@sha256:[0-9a-f]{64})$", service.image):
        yield f"image {service.image} is not pinned"
    for key, value in {"read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"]}.items():
        if raw.get(key) != value:
            yield f"{key} is {raw.get(key)}, not {value}"
    if not re.fullmatch(r"[1-9]\d*:\d+", service.user):
        yield f"runs as {service.user}: not by number, or root"
    for port in service.ports:
        if not re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port):
            yield f"port {port} is published to others, or is not what it is inside"
    for name, value in service.env.items():
        if name not in known and not name.startswith("GF_"):
            yield f"nothing reads {name}"
        secret = re.search(r"PASS|SECRET|TOKEN|KEY", name)
        if secret and not (name.endswith("FILE") and value.startswith("/run/secrets/")):
            yield f"{name} is no file of a secret"
        if re.search(r"://[^/]*:[^/]*@", value):
            yield f"{name} holds a password"
    for item in service.mounts:
        if isinstance(item.source, pathlib.Path):
            if not item.read_only:
                yield f"{item.target} is a file of the host, and not read-only"
            if not item.source.exists() and COMPOSE.parent / "secrets" not in item.source.parents:
                yield f"there is no {item.source}"
    for name in service.after:
        if name not in services:
            yield f"depends on {name}, which is no service"
    if service.grace < float(service.env.get("WORKER_GRACE", 0)):
        yield "is killed before WORKER_GRACE is over"
    if service.built:
        program = next(word for word in service.argv if word not in ("/usr/bin/tini", "--"))
        if f"/usr/local/bin/{program}" not in service.built.files and program != "sleep":
            yield f"its image has no {program}"


def check_monitoring(services):
    # The plugin's port, by its documentation.
    plugins = (COMPOSE.parent / "rabbitmq/enabled_plugins").read_text()
    scraped = {(host, port) for _, host, port, _ in scrape_targets()}
    for host, port in scraped:
        env = services[host].env if host in services else {}
        address = env.get("METRICS_ADDR")
        if host == "rabbitmq" and "rabbitmq_prometheus" in plugins:
            address = "0.0.0.0:15692"
        if address != f"0.0.0.0:{port}":
            yield f"prometheus.yml: nothing answers at {host}:{port}"
    for service in services.values():
        watched = service.profiles or service.name in {host for host, _ in scraped}
        if "METRICS_ADDR" in service.env and not watched:
            yield f"prometheus.yml: {service.name} is not scraped"
    grafana, provisioning = services["grafana"], COMPOSE.parent / "grafana/provisioning"
    mounted = {item.target: item.source for item in grafana.mounts}
    source = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())["datasources"][0]
    if source["url"] != "http://prometheus:9090" or not source["isDefault"] or source["type"] != "prometheus":
        yield "grafana: its data source is not our Prometheus"
    folder = yaml.safe_load((provisioning / "dashboards/blockproof.yml").read_text())["providers"][0]["options"]["path"]
    if mounted.get(folder) != ROOT / "monitoring/dashboards":
        yield f"grafana: {folder} is not where the dashboards are mounted"
    if mounted.get("/etc/grafana/provisioning") != provisioning:
        yield "grafana: its provisioning is not mounted"
    uids = set()
    dashboards = sorted((ROOT / "monitoring/dashboards").glob("*.json"))
    for path in dashboards:
        board = json.loads(path.read_text())
        uids.add(board["uid"])
        variables = {item["name"]: item for item in board.get("templating", {}).get("list", [])}
        for panel in board["panels"] + [inner for outer in board["panels"] for inner in outer.get("panels", [])]:
            uid = (panel.get("datasource") or {}).get("uid", "${datasource}")
            variable = variables.get(uid.strip("${}"), {})
            if uid != source["uid"] and (variable.get("type"), variable.get("query")) != ("datasource", "prometheus"):
                yield f"{path.name}: panel {panel['title']!r} asks the data source {uid}, which is not there"
    if len(uids) != len(dashboards) or not dashboards:
        yield "monitoring/dashboards: none, or two with the same uid"


def compare(model):
    """Every difference between what is read here and what Compose itself reads."""
    services = load({})
    for name in set(services) ^ set(model["services"]):
        yield f"{name}: read by one of the two only"
    for name in set(services) & set(model["services"]):
        ours, theirs = services[name], model["services"][name]
        env = {key: value for key, value in (theirs.get("environment") or {}).items() if value is not None}
        if dict(ours.built.env if ours.built else {}, **env) != ours.env:
            yield f"{name}: other environment: {env}"
        if words(theirs.get("command")) != words(ours.raw.get("command")):
            yield f"{name}: other command: {theirs.get('command')}"
        mounts = theirs.get("volumes") or []
        mounts = sorted((item["source"], item["target"], item.get("read_only", False)) for item in mounts)
        if mounts != sorted((str(item.source), item.target, item.read_only) for item in ours.mounts if item.source):
            yield f"{name}: other mounts: {mounts}"
        after = {key: value["condition"] for key, value in (theirs.get("depends_on") or {}).items()}
        if (theirs["image"], after) != (ours.image, ours.after):
            yield f"{name}: other image or dependencies: {theirs['image']}, {after}"


if __name__ == "__main__":
    faults = list(check())
    for file in sys.argv[1:]:
        faults += compare(json.loads(pathlib.Path(file).read_text()))
    for fault in faults:
        print(fault, file=sys.stderr)
    sys.exit(1 if faults else 0)
