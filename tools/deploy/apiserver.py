#!/usr/bin/env python3
"""Installs the chart at an API server, changes it and takes it away, and looks at what happens. See apiserver.sh, which
starts the server and runs this:

    KUBECONFIG=FILE tools/deploy/apiserver.py VALUES.yaml...

For each file of values, in a namespace that enforces the restricted Pod Security standard:

  1. `helm install` gives no warning, and every pod that would come of it is let in.
  2. A worker's token may change the one annotation of its own pod that it is for, and nothing else.
  3. `helm test` makes its pod and hears of its end.
  4. An upgrade with the same values changes nothing but the Job that sets up the broker. One to another version and
     other settings, a rollback, and one that switches components off and on, and back, go through. Generated
     passwords and claims stay through it all.
  5. `helm uninstall` leaves what is said to be kept, and nothing else.

There are no controllers: pods are made here, out of the templates, and what a kubelet would report is written here.
"""

import json
import os
import pathlib
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import yaml

CHART = str(pathlib.Path(__file__).resolve().parents[2] / "helm")
COST = "controller.kubernetes.io/pod-deletion-cost"
# Kinds that come and go by themselves, or that nobody installs.
PASSING = {"events", "events.events.k8s.io", "leases.coordination.k8s.io", "endpoints", "componentstatuses",
           "customresourcedefinitions.apiextensions.k8s.io", "apiservices.apiregistration.k8s.io"}
PATIENCE = 60


def say(text):
    print(f"apiserver: {text}", file=sys.stderr, flush=True)


def run(*words, stdin=None):
    """Runs a program that must succeed and have nothing to say on stderr: what is there is a warning."""
    done = subprocess.run(words, input=stdin, capture_output=True, text=True)
    command = " ".join(words)
    if done.returncode:
        sys.exit(f"apiserver: {command}: exit code {done.returncode}\n{done.stderr}{done.stdout}")
    if done.stderr.strip():
        sys.exit(f"apiserver: {command}: warning\n{done.stderr}")
    return done.stdout


def kubectl(*words, stdin=None):
    return run(os.environ.get("KUBECTL", "kubectl"), *words, stdin=stdin)


def helm(*words):
    return run(os.environ.get("HELM", "helm"), *words)


def refused(what, manifest, part):
    """A manifest that must not be let in without a word."""
    words = [os.environ.get("KUBECTL", "kubectl"), "create", "--dry-run=server", "--filename", "-"]
    done = subprocess.run(words, input=json.dumps(manifest), capture_output=True, text=True)
    if part not in done.stderr:
        sys.exit(f"apiserver: {what} is let in: {done.stdout}{done.stderr}")


def pod(name, namespace, template):
    metadata = {**template.get("metadata", {}), "name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def bare_pod(namespace, **settings):
    container = {"name": "x", "image": "registry.example.org/x:1", **settings}
    return pod("bare", namespace, {"spec": {"containers": [container]}})


class Worker:
    """Who holds a token of a worker's pod."""

    def __init__(self, token):
        config = yaml.safe_load(pathlib.Path(os.environ["KUBECONFIG"]).read_text())
        cluster = config["clusters"][0]["cluster"]
        self.url, self.token = cluster["server"], token
        self.tls = ssl.create_default_context(cafile=cluster["certificate-authority"])

    def send(self, method, path, body=None, kind="application/json"):
        """The status of the answer, and what it says."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, context=self.tls, timeout=PATIENCE) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error).get("message", "")

    def patch(self, path, body, kind="merge"):
        return self.send("PATCH", path, body, f"application/{kind}-patch+json")


class Release:
    def __init__(self, file):
        self.file = file
        # `04-laptop-values.yaml` is `laptop`.
        self.namespace = pathlib.Path(file).name.removesuffix("-values.yaml").lstrip("0123456789-")
        self.name = "blockproof"

    def values(self):
        return json.loads(helm("get", "values", self.name, "--namespace", self.namespace, "--all", "--output", "json"))

    def manifests(self):
        """All objects of the release, hooks included."""
        at = (self.name, "--namespace", self.namespace)
        text = helm("get", "manifest", *at) + "\n---\n" + helm("get", "hooks", *at)
        return [document for document in yaml.safe_load_all(text) if document]

    def templates(self):
        """Names and templates of the pods that would come of it."""
        for item in self.manifests():
            name = f"{item['kind']}-{item['metadata']['name']}".lower()
            if item["kind"] == "Pod":
                yield name, item
            elif item["kind"] == "CronJob":
                yield name, item["spec"]["jobTemplate"]["spec"]["template"]
            elif item["kind"] in ("Deployment", "Job", "StatefulSet", "DaemonSet"):
                yield name, item["spec"]["template"]

    def change(self, command, *words):
        helm(command, self.name, CHART, "--namespace", self.namespace, "--values", self.file, *words)
        finish_deletions(self.namespace)

    def state(self):
        """What is there, by kind and name: what makes it this very object, and not another that has its name."""
        found = {}
        for item in objects():
            metadata = item["metadata"]
            if metadata.get("namespace", self.namespace) != self.namespace or item.get("type") == "helm.sh/release.v1":
                continue
            # Neither what Helm and the server note, nor what a controller would report, is a change.
            kept = {key: value for key, value in item.items() if key not in ("metadata", "status")}
            found[item["kind"], metadata["name"]] = (metadata["uid"], metadata.get("labels"), kept)
        return found


def objects():
    names = kubectl("api-resources", "--verbs=list", "--output=name").split()
    names = [name for name in names if name not in PASSING]
    return json.loads(kubectl("get", ",".join(names), "--all-namespaces", "--output=json"))["items"]


def finish_deletions(namespace):
    """Claims go when a controller has seen that no pod uses them."""
    claims = kubectl("get", "persistentvolumeclaims", "--namespace", namespace, "--output=json")
    for claim in json.loads(claims)["items"]:
        if "deletionTimestamp" in claim["metadata"]:
            kubectl("patch", "persistentvolumeclaim", claim["metadata"]["name"], "--namespace", namespace,
                    "--type=merge", "--patch", '{"metadata": {"finalizers": null}}')


def passwords(state):
    return {name: kept["data"] for (kind, name), (_, _, kept) in state.items() if kind == "Secret"}


def check(condition, text):
    if not condition:
        sys.exit(f"apiserver: {text}")


def differences(before, after):
    return sorted(f"{kind} {name}" for kind, name in before.keys() | after.keys()
                  if before.get((kind, name)) != after.get((kind, name)))


def security_is_enforced(namespace):
    """That the namespace refuses anything at all."""
    refused("a pod that is not restricted", bare_pod(namespace), "violates PodSecurity")
    template = {"metadata": {"labels": {"x": "x"}}, "spec": bare_pod(namespace)["spec"]}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x", "namespace": namespace},
                  "spec": {"selector": {"matchLabels": {"x": "x"}}, "template": template}}
    refused("a deployment of such pods", deployment, "would violate PodSecurity")


def pods_are_let_in(release):
    pods = [pod(name[:253], release.namespace, template) for name, template in release.templates()]
    check(pods, "there are no pods")
    kubectl("create", "--dry-run=server", "--filename", "-", stdin="\n---\n".join(json.dumps(each) for each in pods))
    return len(pods)


def token_of(account, namespace, *words):
    return kubectl("create", "token", account, "--namespace", namespace, *words).strip()


def worker_may_do_one_thing(release):
    """What a stolen token of a worker is good for."""
    values = release.values()["worker"]["podDeletionCost"]
    template = next(template for name, template in release.templates() if "-worker-" in name)
    account, space = template["spec"]["serviceAccountName"], release.namespace
    names = ["worker-of-test", "another-of-test"]
    for name in names:
        kubectl("create", "--filename", "-", stdin=json.dumps(pod(name, space, template)))
    own, other = (f"/api/v1/namespaces/{space}/pods/{name}" for name in names)
    cost = {"metadata": {"annotations": {COST: "1005"}}}
    bound = ("--bound-object-kind=Pod", f"--bound-object-name={names[0]}")
    worker = Worker(token_of(account, space, *bound))
    image = [{"op": "replace", "path": "/spec/containers/0/image", "value": "registry.example.org/other:1"}]

    if not values["enabled"]:
        code, text = worker.patch(own, cost)
        check(code == 403, f"a worker may change its pod, though nothing asks for it: {code} {text}")
        drop(space, names)
        return "no right at all"

    # The server takes a moment to learn of a policy.
    end = time.monotonic() + PATIENCE
    while values["policy"]["create"] and worker.patch(own, image, "json")[0] == 200:
        check(time.monotonic() < end, "the policy has no effect")
        time.sleep(0.2)
    for value in ("1005", "0", None):
        code, text = worker.patch(own, {"metadata": {"annotations": {COST: value}}})
        check(code == 200, f"a worker may not set the annotation of its pod to {value}: {code} {text}")
    seen = json.loads(kubectl("get", "pod", names[0], "--namespace", space, "--output=json"))
    check(COST not in seen["metadata"].get("annotations", {}), "the annotation does not go")

    # What the role does not give.
    for method, path, body in [
        ("GET", own, None), ("DELETE", own, None), ("GET", f"/api/v1/namespaces/{space}/pods", None),
        ("GET", f"/api/v1/namespaces/{space}/secrets", None),
        ("POST", f"/api/v1/namespaces/{space}/pods", pod("x", space, template)),
        ("PATCH", f"{own}/status", cost), ("PATCH", f"{own}/resize", cost),
        ("PATCH", f"{own}/ephemeralcontainers", cost),
        ("PATCH", f"/apis/apps/v1/namespaces/{space}/deployments/x", cost),
        ("PATCH", "/api/v1/namespaces/kube-system/pods/x", cost),
    ]:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        code, text = worker.send(method, path, body, kind)
        check(code == 403 and "cannot" in text, f"a worker may {method} {path}: {code} {text}")

    # What only the policy can refuse.
    result = "the right to patch pods"
    if values["policy"]["create"]:
        def annotated(name):
            return {"metadata": {"annotations": {name: "x"}}}

        def meta(**parts):
            return {"metadata": parts}

        some = next(iter(template["metadata"].get("annotations", {"x": ""})))
        owner = {"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "x"}
        faults = [
            (worker, other, cost, "merge"), (worker, other, image, "json"), (worker, own, image, "json"),
            (worker, own, annotated("x"), "merge"), (worker, own, annotated(some), "merge"),
            (worker, own, {"metadata": {"annotations": {some: None}}}, "merge"),
            (worker, own, meta(annotations=None), "merge"),
            (worker, own, meta(labels={"x": "x"}), "merge"), (worker, own, meta(labels=None), "merge"),
            (worker, own, meta(finalizers=["example.org/x"]), "merge"),
            (worker, own, meta(ownerReferences=[owner]), "merge"),
            (worker, own, {**cost, "spec": {"activeDeadlineSeconds": 1}}, "merge"),
            (worker, own, [{"op": "add", "path": "/spec/tolerations/-", "value": {"operator": "Exists"}}], "json"),
            # Tokens that are bound to no pod, and to another one.
            (Worker(token_of(account, space)), own, cost, "merge"),
            (Worker(token_of(account, space, bound[0], f"--bound-object-name={names[1]}")), own, cost, "merge"),
        ]
        for who, path, body, kind in faults:
            code, text = who.patch(path, body, kind)
            check(code != 200, f"a worker may patch {path} with {body}")
            check("ValidatingAdmissionPolicy" in str(text), f"{body} is not what the policy refuses: {code} {text}")
        result = f"one annotation, and {len(faults)} others are refused"
        # It is for workers, and for nobody else.
        kubectl("label", "pod", names[0], "--namespace", space, "x=x")
    drop(space, names)
    return result


def drop(namespace, names):
    # No kubelet confirms that a pod has ended.
    body = json.dumps({"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0})
    for name in names:
        kubectl("delete", "--raw", f"/api/v1/namespaces/{namespace}/pods/{name}", "--filename", "-", stdin=body)


def other_accounts_may_do_nothing(release):
    for item in release.manifests():
        if item["kind"] != "ServiceAccount":
            continue
        name = item["metadata"]["name"]
        user = f"system:serviceaccount:{release.namespace}:{name}"
        for verb, kind in (("get", "secrets"), ("list", "pods"), ("create", "pods"), ("create", "pods/exec"),
                           ("update", "deployments"), ("delete", "pods"), ("impersonate", "users")):
            words = ["auth", "can-i", verb, kind, "--namespace", release.namespace, "--as", user]
            done = subprocess.run([os.environ.get("KUBECTL", "kubectl"), *words], capture_output=True, text=True)
            check(done.stdout.strip() == "no", f"{name} may {verb} {kind}")


def test_is_heard(release):
    """`helm test`, with this in the place of the kubelet that runs the pod."""
    hooks = [item for item in release.manifests()
             if "test" in item["metadata"].get("annotations", {}).get("helm.sh/hook", "").split(",")]
    check(hooks, "the chart has no test")
    failures = []

    def succeed():
        for item in hooks:
            end = time.monotonic() + PATIENCE
            words = ["patch", "pod", item["metadata"]["name"], "--namespace", release.namespace, "--subresource=status",
                     "--type=merge", "--patch", '{"status": {"phase": "Succeeded"}}']
            while subprocess.run([os.environ.get("KUBECTL", "kubectl"), *words], capture_output=True).returncode:
                if time.monotonic() > end:
                    failures.append(item["metadata"]["name"])
                    return
                time.sleep(0.3)

    thread = threading.Thread(target=succeed)
    thread.start()
    helm("test", release.name, "--namespace", release.namespace, "--timeout", f"{2 * PATIENCE}s")
    thread.join()
    check(not failures, f"no pod {failures} came")


def upgrades_go_through(release):
    first = release.state()
    release.change("upgrade")
    second = release.state()
    changed = [name for name in differences(first, second) if "-broker-setup-" not in name]
    check(not changed, f"an upgrade with the same values changes {changed}")

    release.change("upgrade", "--set", "image.tag=9.9.9", "--set", "log.filter=debug",
                   "--set", "metrics.recentSeconds=60",
                   "--set", "worker.graceSeconds=5400", "--set", "worker.longestTaskSeconds=5400",
                   "--set", "prover.profile=mainnet", "--set", "autoscaling.maxReplicas=7")
    third = release.state()
    check(differences(second, third), "an upgrade to another version changes nothing")
    pods_are_let_in(release)

    helm("rollback", release.name, "1", "--namespace", release.namespace)
    rolled = release.state()
    # Jobs are made again.
    changed = {key[0] for key in first.keys() | rolled.keys() if first.get(key) != rolled.get(key)}
    check(changed <= {"Job"}, f"a rollback does not bring back {differences(first, rolled)}")

    values = release.values()
    switch = {
        "autoscaling.mode": "none" if values["autoscaling"]["mode"] != "none" else "queue",
        "leader.mode": "none" if values["leader"]["mode"] != "none" else "job",
        "jumpbox.enabled": not values["jumpbox"]["enabled"],
        "loadTester.enabled": not values["loadTester"]["enabled"],
        "monitoring.enabled": not values["monitoring"]["enabled"],
        "networkPolicy.enabled": not values["networkPolicy"]["enabled"],
        "worker.classes.large.enabled": not values["worker"]["classes"]["large"]["enabled"],
        "worker.podDeletionCost.enabled": not values["worker"]["podDeletionCost"]["enabled"],
    }
    words = [word for name, value in switch.items() for word in ("--set", f"{name}={str(value).lower()}")]
    release.change("upgrade", *words)
    switched = release.state()
    check(first.keys() - switched.keys(), "nothing goes that was switched off")
    check(switched.keys() - first.keys(), "nothing comes that was switched on")
    pods_are_let_in(release)

    # Not a rollback: Helm cannot roll back to a claim that it has kept meanwhile.
    release.change("upgrade")
    back = release.state()
    changed = {kind for kind, name in first.keys() ^ back.keys()}
    check(changed <= {"Job", "PersistentVolumeClaim"}, f"switched back, it differs in {differences(first, back)}")
    for name, state in (("the same values", second), ("another version", third), ("a rollback", rolled),
                        ("components switched", switched), ("components switched back", back)):
        check(passwords(state) == passwords(first), f"{name}: passwords change")
        claims = {name: kept[0] for (kind, name), kept in state.items() if kind == "PersistentVolumeClaim"}
        for (kind, claim), kept in first.items():
            if kind == "PersistentVolumeClaim":
                check(claims.get(claim) == kept[0], f"{name}: the claim {claim} is another one, or gone")
    return len(passwords(first))


def nothing_is_left(release, before):
    """Only claims whose values say so are kept, and the pod of the test, which is no part of a release."""
    values = release.values()
    parts = {"proofs": values["leader"]["proofs"], "circuits": values["circuits"]["persistence"],
             "artifacts": values["artifacts"]["persistence"]}
    claims = tuple(f"-{name}" for name, part in parts.items() if part["keep"])
    there = {(item["kind"], item["metadata"]["name"]) for item in objects() if item["metadata"]["uid"] not in before}
    expected = {(kind, name) for kind, name in there
                if kind == "PersistentVolumeClaim" and name.endswith(claims)
                or kind == "Pod" and name.endswith("-test")}
    helm("uninstall", release.name, "--namespace", release.namespace)
    finish_deletions(release.namespace)
    left = set()
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        left = {(item["kind"], item["metadata"]["name"]) for item in objects() if item["metadata"]["uid"] not in before}
        if left == expected:
            break
        time.sleep(1)
    check(left == expected, f"uninstalling leaves {sorted(left)}, expected {sorted(expected)}")
    return sorted(f"{kind} {name}" for kind, name in left)


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        print(__doc__.strip())
        sys.exit(0 if sys.argv[1:] in (["--help"], ["-h"]) else 2)
    for file in sys.argv[1:]:
        release = Release(file)
        say(f"{pathlib.Path(file).name}: namespace {release.namespace}")
        labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": release.namespace, "labels": labels}}
        kubectl("create", "--filename", "-", stdin=json.dumps(namespace))
        security_is_enforced(release.namespace)
        before = {item["metadata"]["uid"] for item in objects()}
        release.change("install")
        say(f"  installed; {pods_are_let_in(release)} kinds of pods are let in")
        say(f"  a worker's token is good for {worker_may_do_one_thing(release)}")
        other_accounts_may_do_nothing(release)
        test_is_heard(release)
        say(f"  upgraded and rolled back; {upgrades_go_through(release)} secrets kept")
        say(f"  uninstalled; left: {', '.join(nothing_is_left(release, before)) or 'nothing'}")


main()
