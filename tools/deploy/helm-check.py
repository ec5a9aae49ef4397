#!/usr/bin/env python3
"""Checks rendered manifests of the chart against the programs that they run, and against each other.

  tools/deploy/helm-check.py MANIFESTS...

MANIFESTS are outputs of `helm template`; those called `stable-*` and `other-*` are of the first one's values, with some
changed that have nothing to do with circuits, and some that have. Names come from the sources: environment variables
from ops/src/env.rs, queues from amqp/src/topology.rs, flags from the cli.rs files. Needs PyYAML. Exit code 1 if anything
is wrong.
"""

import base64
import json
import pathlib
import re
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Read by libraries and tools that ours use: object_store, a shell's tools, curl in broker-setup.
WELL_KNOWN = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT", "AWS_ALLOW_HTTP", "HOME",
              "CURL_CA_BUNDLE"}
# Whose first argument is a program, and where its flags are.
SCRIPTS = {"broker-setup": "tools/rabbitmq/setup.sh", "load-witnesses": "tools/load-witnesses.sh", "sleep": None}
COST = "controller.kubernetes.io/pod-deletion-cost"

wrong = []


def source(path):
    return (ROOT / path).read_text()


def expect(condition, place, message):
    if not condition:
        wrong.append(f"{place}: {message}")


# ---- what the sources say

def variables():
    return set(re.findall(r'pub const \w+: &str = "(\w+)"', source("ops/src/env.rs")))


def queues():
    """All queues, and those of each class, as topology.rs names them."""
    text = source("amqp/src/topology.rs")
    consts = dict(re.findall(r'pub const (\w+): &str = "([^"]+)"', text))
    names = lambda kind: [name for variant, name in re.findall(r'Self::(\w+) => "(\w+)"', text) if variant in kind]
    body = lambda name: re.search(rf"pub enum {name} {{(.*?)^}}", text, re.S | re.M)[1]
    enum = lambda name: re.findall(r"^    (\w+),", body(name), re.M)
    classes, priorities = names(enum("Class")), names(enum("Priority"))
    assert 'format!("{TASKS}.{class}.{priority}")' in text and len(classes) == 3 and len(priorities) == 2
    tasks = {name: {f"{consts['TASKS']}.{name}.{priority}" for priority in priorities} for name in classes}
    others = {f"{consts['RESULTS']}.any", f"{consts['RESULTS']}.segment.high", consts["DEAD_QUEUE"],
              "blockproof.own.worker.1", "x.blockproof.tasks.segment.high", "blockproof.tasks.segmented.high"}
    return tasks, others


def flags(program):
    """Flags of leader and worker, from the fields of their clap structs."""
    files = ["amqp/src/connect.rs", "ops/src/cli.rs", "ops/src/log.rs", "ops/src/profile.rs", f"{program}/src/cli.rs"]
    files += ["rpc/src/cli.rs"] if program == "leader" else []
    fields = set(re.findall(r"^\s+(?:pub )?(\w+): ", "\n".join(map(source, files)), re.M))
    return {f"--{field.replace('_', '-')}" for field in fields}


# ---- pods

def pods(documents):
    """Name, labels and spec of each pod that comes of these objects."""
    for it in documents:
        spec = it.get("spec") or {}
        if it["kind"] == "Pod":
            yield f"Pod {it['metadata']['name']}", it["metadata"]["labels"], spec
        elif it["kind"] in ("Deployment", "Job"):
            template = spec["template"]
            yield f"{it['kind']} {it['metadata']['name']}", template["metadata"]["labels"], template["spec"]


def check_security(place, spec):
    context = spec.get("securityContext", {})
    expect(context.get("runAsNonRoot") is True, place, "runs as root")
    expect(context.get("seccompProfile") == {"type": "RuntimeDefault"}, place, "has no seccomp profile")
    expect(f"USER {context.get('runAsUser')}:{context.get('fsGroup')}" in source("docker/Dockerfile"), place,
           "is not the user of the images")
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        expect(key not in spec, place, f"has {key}")
    for volume in spec.get("volumes", []):
        expect("hostPath" not in volume, place, f"mounts a folder of the node: {volume['name']}")
    account, automount = spec.get("serviceAccountName", ""), spec.get("automountServiceAccountToken")
    expect(automount is False or account.endswith("-worker"), place, "has a token that it does not need")
    for container in spec.get("initContainers", []) + spec["containers"]:
        context = container.get("securityContext", {})
        expect(context.get("allowPrivilegeEscalation") is False, place, "may get more rights")
        expect(context.get("readOnlyRootFilesystem") is True, place, "may write to its image")
        expect(context.get("capabilities") == {"drop": ["ALL"]}, place, "has capabilities")
        mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        expect("/tmp" in mounted.values(), place, "has nowhere to write")
        expect(set(mounted) <= {volume["name"] for volume in spec["volumes"]}, place, "mounts what is no volume")
        resources = container["resources"]
        expect(resources["requests"]["memory"] == resources["limits"]["memory"], place,
               "asks for less memory than it uses")
        image = container["image"]
        expect(re.search(r":[\w.-]+(@sha256:[0-9a-f]{64})?$", image) and ":latest" not in image, place,
               f"has an image without a tag: {image}")


def check_environment(place, spec, known):
    for container in spec["containers"]:
        env = {variable["name"]: variable for variable in container.get("env", [])}
        expect(len(env) == len(container.get("env", [])), place, "sets a variable twice")
        for name, variable in env.items():
            expect(name in known, place, f"no program reads {name}")
            expect(isinstance(variable.get("value", ""), str), place, f"{name} is no text")
            expect(not re.search("PASSWORD$|TOKEN|SECRET|KEY_ID|KEY$", name) or "secretKeyRef" in str(variable), place,
                   f"{name} has its value in the manifest")
        named = {variable["value"] for name, variable in env.items() if name.endswith("_FILE")}
        mounted = [mount["mountPath"] for mount in container["volumeMounts"]]
        for file in named:
            expect(any(file.startswith(f"{path}/") for path in mounted), place, f"{file} is not mounted")
        for path in (env[name]["value"] for name in ("CIRCUITS_DIR", "ARTIFACTS_DIR") if name in env):
            expect("://" in path or path in mounted, place, f"{path} is not mounted")
        ports = container.get("ports", [])
        if ports or "METRICS_ADDR" in env:
            expect(ports == [{"name": "metrics", "containerPort": 9464}], place, "does not say where its metrics are")
            expect(env.get("METRICS_ADDR", {}).get("value") == "0.0.0.0:9464", place, "has no metrics at its port")


def check_arguments(place, spec, known):
    for container in spec["containers"]:
        arguments = list(container["args"])
        if container["name"] in ("worker", "leader", "circuits"):
            program = "worker" if container["name"] == "worker" else "leader"
            allowed = known[program]
        else:
            program = arguments.pop(0)
            expect(program in SCRIPTS, place, f"runs {program}, which the jumpbox does not have")
            script = SCRIPTS.get(program)
            allowed = set(re.findall(r"--[a-z-]+", source(script))) if script else set()
            expect(script is None or f"/usr/local/bin/{program}" in source("docker/Dockerfile"), place,
                   f"the image has no {program}")
        if "--" in arguments:
            expect(all(flag.split("=")[0] in known["leader"] for flag in arguments[arguments.index("--") + 1:]), place,
                   "gives leader flags that it does not know")
            arguments = arguments[: arguments.index("--")]
        for argument in arguments:
            expect(not argument.startswith("--") or argument.split("=")[0] in allowed, place,
                   f"{program} does not know {argument}")
            if argument.startswith("/usr/share/blockproof/witnesses/"):
                name = pathlib.Path(argument).name
                there = (ROOT / "witnesses" / name).exists() and f"witnesses/{name}" in source("docker/Dockerfile")
                expect(there, place, f"the image has no {name}")


def check_patience(place, labels, spec):
    """What runs for long is asked how it is; what proves has its time to end."""
    component = labels["app.kubernetes.io/component"]
    for container in spec["containers"]:
        if component in ("worker", "leader"):
            for probe, path in (("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
                got = container.get(probe, {}).get("httpGet", {})
                expect(got == {"path": path, "port": "metrics"}, place, f"{probe} is {got or 'missing'}")
        if component == "worker":
            env = {variable["name"]: variable.get("value") for variable in container["env"]}
            expect(spec["terminationGracePeriodSeconds"] >= int(env.get("WORKER_GRACE", 0)) + 30, place,
                   "is killed before it has handed back what it has")
            expect(env.get("WORKER_CLASS") == labels["blockproof.dev/class"], place, "is of two classes")
            expect(env.get("WAIT_FOR_CIRCUITS") == "true", place, "does not wait for circuits")


# ---- objects

def selects(selector, labels):
    matches = lambda it: it["operator"] == "In" and labels.get(it["key"]) in it["values"]
    exact = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    return exact and all(map(matches, selector.get("matchExpressions", [])))


def check_selectors(file, documents, all_pods):
    broker = {it["metadata"]["name"] for it in documents if it["kind"] == "RabbitmqCluster"}
    known = [labels for _, labels, _ in all_pods]
    known += [{"app.kubernetes.io/name": name, "app.kubernetes.io/component": "rabbitmq"} for name in broker]
    for it in documents:
        place, spec = f"{file}: {it['kind']} {it['metadata']['name']}", it.get("spec", {})
        selector = spec.get("podSelector") if it["kind"] == "NetworkPolicy" else spec.get("selector")
        if selector is not None and it["kind"] != "Job":
            expect(any(selects(selector, labels) for labels in known), place, "selects no pod")
        if it["kind"] == "Deployment":
            others = [name for name, labels, _ in all_pods if selects(selector, labels)]
            expect(len(others) == 1, place, f"selects the pods of {others}")
    policies = {it["metadata"]["name"]: it["spec"] for it in documents if it["kind"] == "NetworkPolicy"}
    for name, labels, _ in all_pods if policies else []:
        denied = policies["blockproof-default-deny"]["podSelector"]
        expect(selects(denied, labels), f"{file}: {name}", "has all networks")


def check_references(file, documents, all_pods):
    """Claims and generated Secrets that pods name are there; others are named in the values."""
    text = (ROOT / "helm/ci" / f"{file}-values.yaml").read_text() if file[0].isdigit() else ""
    there = {(it["kind"], it["metadata"]["name"]) for it in documents}
    for name, _, spec in all_pods:
        for volume in spec["volumes"]:
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            expect(not claim or ("PersistentVolumeClaim", claim) in there or claim in text, f"{file}: {name}",
                   f"there is no claim {claim}")
            secret = volume.get("secret", {}).get("secretName")
            expect(not secret or ("Secret", secret) in there or secret in text or secret.endswith("-default-user"),
                   f"{file}: {name}", f"there is no Secret {secret}")


def check_secrets(file, text, documents):
    """No manifest but a Secret has a credential, and no address has one in it."""
    bare = "\n".join(yaml.safe_dump(it) for it in documents if it["kind"] != "Secret")
    for it in documents:
        for key, value in it.get("data", {}).items() if it["kind"] == "Secret" else []:
            plain = base64.b64decode(value).decode()
            hidden = key == "username" or plain not in bare and value not in bare
            expect(hidden, file, f"{key} of {it['metadata']['name']} is seen")
            expect(plain != "guest", file, "there is a guest")
    for address in re.findall(r"\w+://[^\s/]+@", bare):
        wrong.append(f"{file}: an address with credentials: {address}")
    expect("guest" not in text, file, "there is a guest")


def check_scaling(file, documents, tasks, others):
    deployments = {it["metadata"]["name"]: it for it in documents if it["kind"] == "Deployment"}
    scaled = {it["spec"]["scaleTargetRef"]["name"]: it for it in documents if it["kind"] == "ScaledObject"}
    for name, it in scaled.items():
        place, workers = f"{file}: ScaledObject {name}", deployments[name]["spec"]
        expect("replicas" not in workers, place, "an upgrade would set the number of workers back")
        container = workers["template"]["spec"]["containers"][0]
        env = {variable["name"]: variable.get("value") for variable in container["env"]}
        every = set().union(*tasks.values(), others)
        for trigger in it["spec"]["triggers"]:
            data = trigger["metadata"]
            if trigger["type"] == "rabbitmq":
                # RabbitMQ searches, Prometheus matches the whole.
                counted = [{queue for queue in every if re.search(data["queueName"], queue)}]
                expect(data["value"] == env["WORKER_SLOTS"], place, "a worker has other slots")
                expect(data["excludeUnacknowledged"] == "false", place, "busy workers are not counted")
            else:
                found = re.findall(r'queue=~"([^"]+)"', data["query"])
                expect(found, place, "asks for no queue")
                counted = [{queue for queue in every if re.fullmatch(regex, queue)} for regex in found]
                expect(data["ignoreNullValues"] == "false", place, "takes missing numbers for zero")
            for names in counted:
                expect(names == tasks[env["WORKER_CLASS"]], place, f"counts {sorted(names)}")
        kept = it["spec"]["fallback"]["behavior"] == "currentReplicasIfHigher"
        expect(kept, place, "workers go when numbers are missing")
    workers = {name for name in deployments if "-worker-" in name}
    expect(not scaled or set(scaled) == workers, file, "some workers are not scaled")


def check_broker(file, documents):
    for it in documents:
        if it["kind"] != "RabbitmqCluster":
            continue
        place, spec = f"{file}: RabbitmqCluster", it["spec"]
        image = re.search("^RABBITMQ_IMAGE=(.*)$", source("tools/versions.env"), re.M)[1]
        expect(spec["image"] == image, place, f"is not {image}, which tools/versions.env has")
        pod = spec["override"]["statefulSet"]["spec"]["template"]["spec"]
        for container in pod["initContainers"] + pod["containers"]:
            context = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
            expect(container["securityContext"] == context, place, f"{container['name']} is not restricted")
        expect(pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}, place,
               "is not restricted")


def check_metrics(file, documents):
    """Metrics that KEDA asks for are the leader's."""
    known = set(re.findall(r'"(\w+)"', source("leader/src/metrics.rs")))
    for it in documents:
        for trigger in it["spec"]["triggers"] if it["kind"] == "ScaledObject" else []:
            for name in re.findall(r"\bblockproof_(\w+)", trigger["metadata"].get("query", "")):
                expect(name in known, file, f"leader/src/metrics.rs has no {name}")


def check_jobs(rendered):
    """A name stands for one pod: a Job with other pods under the same name could not be upgraded to."""
    seen, circuits = {}, {}
    for file, documents in rendered.items():
        for it in documents:
            if it["kind"] == "Job":
                name, pod = it["metadata"]["name"], json.dumps(it["spec"], sort_keys=True)
                expect(seen.setdefault(name, pod) == pod, file, f"Job {name} has another pod than elsewhere")
                if "-circuits-" in name:
                    circuits[file] = name
    first = circuits.get(next(iter(rendered)))
    for file, name in circuits.items():
        expect(not file.startswith("stable-") or name == first, file, "makes circuits again")
        expect(not file.startswith("other-") or name != first, file, "takes the circuits of other values")


def check_chart():
    chart, values = yaml.safe_load(source("helm/Chart.yaml")), yaml.safe_load(source("helm/values.yaml"))
    version = re.search(r'^version = "(.*)"$', source("Cargo.toml"), re.M)[1]
    expect(chart["appVersion"] == version, "helm/Chart.yaml", f"appVersion is not {version}, the workspace's")
    schema = json.loads(source("helm/values.schema.json"))
    profiles = re.findall(r'^    \("(\w+)", "', source("ops/src/profile.rs"), re.M)
    given = schema["properties"]["prover"]["properties"]
    expect(given["profile"]["enum"] == profiles, "helm/values.schema.json", f"profiles are {profiles}")
    sizes = {f"{table.upper()}_CIRCUIT_SIZE" for table in given["circuitSizes"]["properties"]}
    expect(sizes == {name for name in variables() if name.endswith("_CIRCUIT_SIZE")}, "helm/values.schema.json",
           "tables are not those of ops/src/env.rs")

    def complete(schema, value, path):
        """What the schema allows is in values.yaml, and so in the README. The other way round is helm's to check."""
        while "$ref" in schema:
            schema = definitions[schema["$ref"].rsplit("/", 1)[1]]
        for key, child in schema.get("properties", {}).items():
            if (*path, key) == ("global",) or path == ("prover", "circuitSizes"):
                continue
            expect(key in value, "helm/values.yaml", f"{'.'.join((*path, key))} is not there")
            if isinstance(value.get(key), dict):
                complete(child, value[key], (*path, key))

    definitions = schema["$defs"]
    complete(schema, values, ())


def main():
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    texts = {pathlib.Path(path).stem: pathlib.Path(path).read_text() for path in sys.argv[1:]}
    rendered = {file: [it for it in yaml.safe_load_all(text) if it] for file, text in texts.items()}
    known_variables, (tasks, others) = variables() | WELL_KNOWN, queues()
    known_flags = {program: flags(program) for program in ("leader", "worker")}
    check_chart()
    check_jobs(rendered)
    for file, documents in rendered.items():
        all_pods = list(pods(documents))
        for name, labels, spec in all_pods:
            place = f"{file}: {name}"
            check_security(place, spec)
            check_environment(place, spec, known_variables)
            check_arguments(place, spec, known_flags)
            check_patience(place, labels, spec)
        check_selectors(file, documents, all_pods)
        check_references(file, documents, all_pods)
        check_secrets(file, texts[file], documents)
        check_scaling(file, documents, tasks, others)
        check_broker(file, documents)
        check_metrics(file, documents)
    for line in dict.fromkeys(wrong):
        print(f"helm-check: {line}", file=sys.stderr)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
