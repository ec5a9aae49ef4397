"""Runs tools/setup.sh and tools/teardown.sh with fakes of all programs that would touch a cloud, and checks which
calls are made, in which order and with which arguments: what is expected is in fakes/golden. `--update` writes these
anew.

    python3 tools/deploy/setup.py [--update] [TEST…]
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ANSWERS = HERE / "fakes" / "answers"
GOLDEN = HERE / "fakes" / "golden"
UPDATE = False

FAKED = ["gcloud", "terraform", "kubectl", "helm", "docker", "git", "gke-gcloud-auth-plugin"]
# All that the scripts may use besides. Nothing else is in PATH, so whatever a fake is left out of is missing indeed.
REAL = [
    "bash",
    "cat",
    "date",
    "dirname",
    "env",
    "grep",
    "head",
    "jq",
    "mktemp",
    "openssl",
    "realpath",
    "rm",
    "sed",
    "sleep",
    "sort",
    "stat",
    "tr",
]
# Calls that only ask a question whose answer may be no, or not yet.
QUESTIONS = re.compile(
    r"gcloud artifacts docker images describe|get secret grafana-admin|get crd|gcloud storage buckets describe"
    r"|git -C|gcloud config get-value|docker buildx version|wait --for=condition=complete job"
)
# Calls that change nothing.
READS = re.compile(
    r"(terraform|kubectl|helm|docker buildx) version"
    r"|gcloud (auth (list|application-default)|config get|projects describe|services list)"
    r"|terraform -chdir=terraform (output|state list|init)|images describe|clusters list|buckets describe"
    r"|clusters get-credentials|git |kubectl .* (get|wait|rollout|logs) |imagetools inspect|helm template"
)


class Run:
    """One run of a script."""

    def __init__(
        self,
        script,
        *arguments,
        tables=("fresh",),
        missing=(),
        fail=0,
        typed=None,
        variables='project_id = "example-project"\n',
        environment=None,
    ):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            programs = folder / "bin"
            programs.mkdir()
            for name in REAL:
                if name not in missing:
                    (programs / name).symlink_to(shutil.which(name))
            for name in FAKED:
                if name not in missing:
                    (programs / name).symlink_to(HERE / "fakes" / "fake")
            log, secret = folder / "calls", folder / "secret"
            log.touch()
            if variables is not None:
                (folder / "test.tfvars").write_text(variables)
            files = []
            for table in (*tables, "common"):
                # A line of its own, or the name of a table.
                if " " in table:
                    files.append(folder / f"table-{len(files)}")
                    files[-1].write_text(table + "\n")
                    for answer in ANSWERS.iterdir():
                        target = folder / answer.name
                        if not target.exists():
                            target.symlink_to(answer)
                else:
                    files.append(ANSWERS / f"{table}.txt")
            done = subprocess.run(
                (
                    [ROOT / "tools" / script, "--var-file", folder / "test.tfvars", *arguments]
                    if arguments[:1] != ("load-test",)
                    else [ROOT / "tools" / script, "load-test", "--var-file", folder / "test.tfvars", *arguments[1:]]
                ),
                env={
                    "PATH": str(programs),
                    "HOME": str(folder),
                    "TMPDIR": str(folder),
                    "FAKE_LOG": str(log),
                    "FAKE_SECRET": str(secret),
                    "FAKE_TABLES": " ".join(map(str, files)),
                    "FAKE_FAIL": str(fail),
                    **(environment or {}),
                },
                input=typed or "",
                capture_output=True,
                text=True,
                timeout=120,
            )
            self.code, self.out, self.error = (
                done.returncode,
                self.plain(done.stdout, folder),
                self.plain(done.stderr, folder),
            )
            # Which base images docker/build.sh asks for is its own business, too.
            kept, self.numbers, number = [], [], 0
            for line in log.read_text().splitlines(keepends=True):
                number += not line.startswith(" ")
                if not line.startswith("docker buildx imagetools"):
                    kept.append(line)
                    self.numbers += [number] * (not line.startswith(" "))
            self.log = self.plain("".join(kept), folder)
            self.secret = secret.read_text() if secret.exists() else ""
        # Calls without what came on stdin; `numbers` are theirs among all that were made.
        self.calls = [line for line in self.log.splitlines() if not line.startswith(" ")]

    @staticmethod
    def plain(text, folder):
        text = text.replace(str(folder), "TMP").replace(str(ROOT), "ROOT")
        text = re.sub(r"TMP/tmp\.\w+", "SCRATCH", text)
        # What images are built with is docker/build.sh's business; what for is not.
        return re.sub(
            r"^docker buildx build .*?(--target \S+ --tag \S+) .*?( --push)? ROOT\S*$",
            r"docker buildx build … \1\2",
            text,
            flags=re.M,
        )

    def changes(self):
        return [call for call in self.calls if not READS.search(call)]


class Scripts(unittest.TestCase):
    maxDiff = None

    def golden(self, name, text):
        file = GOLDEN / name
        if UPDATE:
            file.write_text(text)
        self.assertEqual(
            text, file.read_text(), f"{file.name}; if this is as it should be: python3 tools/deploy/setup.py --update"
        )

    def passes(self, run):
        self.assertEqual(run.code, 0, run.error)

    def fails(self, run, *words, code=1):
        self.assertEqual(run.code, code, run.error)
        for word in words:
            self.assertIn(word, run.error)

    def fails_at_each_call(self, script, whole, tables, *arguments):
        """Whichever call fails, nothing is called after it, and the step is named."""
        for number, call in enumerate(whole.calls, 1):
            if QUESTIONS.search(call):
                continue
            with self.subTest(call=call):
                run = Run(script, "--yes", *arguments, tables=tables, fail=whole.numbers[number - 1])
                self.assertNotEqual(run.code, 0)
                if not self.collects(call):
                    self.assertEqual(run.calls, whole.calls[:number])
                self.assertEqual(run.changes(), [c for c in whole.calls[:number] if not READS.search(c)])
                self.assertRegex(
                    run.error, rf"{script}: step \S+ failed\. To go on from there: tools/{script} --from \S+"
                )

    @staticmethod
    def collects(call):
        """The check says everything that is missing at once."""
        return re.search(r"version|auth list|print-access-token|projects describe", call)


class Setup(Scripts):
    def test_first_run(self):
        run = Run("setup.sh", "--yes")
        self.passes(run)
        self.golden("setup-first.txt", run.log)
        self.assertEqual(len(run.secret), 48)
        self.assertNotIn(run.secret, run.log + run.out + run.error)

    def test_second_run_makes_nothing_anew(self):
        run = Run("setup.sh", "--yes", tables=("again",))
        self.passes(run)
        self.golden("setup-again.txt", run.log)
        self.assertFalse(
            [call for call in run.calls if re.search(r"buildx build|create secret|configure-docker", call)]
        )

    def test_dry_run_calls_nothing(self):
        run = Run("setup.sh", "--dry-run")
        self.passes(run)
        self.golden("setup-dry.txt", run.out)
        self.assertEqual(run.calls, ["git rev-parse --short=12 HEAD"])

    def test_dry_run_needs_nothing(self):
        for script in ("setup.sh", "teardown.sh"):
            run = Run(
                script,
                "--dry-run",
                *(["--image-tag", "1"] if script == "setup.sh" else []),
                missing=FAKED,
                variables=None,
            )
            self.passes(run)

    def test_failure_of_each_call(self):
        self.fails_at_each_call("setup.sh", Run("setup.sh", "--yes"), ("fresh",))

    def test_going_on_from_each_step(self):
        """From a step on, the same calls are made as in a whole run, but for reading what Terraform knows."""
        whole = Run("setup.sh", "--yes", tables=("again",)).calls
        self.assertTrue(whole)
        steps = [line.split()[0] for line in Run("setup.sh", "--list").out.splitlines()]
        for step in steps[2:]:
            with self.subTest(step=step):
                run = Run("setup.sh", "--yes", "--from", step, tables=("again",))
                self.passes(run)
                names = re.compile(r"terraform -chdir=terraform output|git rev-parse")
                rest = [call for call in run.calls if not names.match(call)]
                self.assertEqual(rest, [call for call in whole if not names.match(call)][-len(rest) :])
                self.assertIn(step, run.error)

    def test_only_and_skip(self):
        only = Run("setup.sh", "--only", "keda")
        self.passes(only)
        self.assertEqual([call.split()[3] for call in only.changes()], ["upgrade"])
        some = Run("setup.sh", "--yes", "--skip", "keda", "--skip", "monitoring", "--skip", "verify")
        self.passes(some)
        self.assertNotRegex(some.log, r"--install keda|kube-prometheus-stack|grafana| test ")

    def test_how_to_go_on_keeps_the_other_arguments(self):
        run = Run(
            "setup.sh",
            "--yes",
            "--skip",
            "verify",
            "--image-tag",
            "1.0",
            tables=("1 - helm * --install keda *", "again"),
        )
        self.fails(
            run,
            "setup.sh: step keda failed. To go on from there: tools/setup.sh --from keda",
            "'--skip' 'verify' '--image-tag' '1.0'",
        )

    def test_everything_that_is_missing_is_said_at_once(self):
        run = Run(
            "setup.sh",
            "--yes",
            missing=("helm", "gke-gcloud-auth-plugin"),
            tables=("1 - gcloud auth application-default *", "0 outputs-none.json kubectl version *", "fresh"),
        )
        self.fails(
            run,
            "there is no helm: https://",
            "gke-gcloud-auth-plugin",
            "gcloud auth application-default login",
            "kubectl does not say which version it is",
            "step check failed",
        )
        self.assertEqual(run.changes(), [])

    def test_needs(self):
        for name in ("gcloud", "terraform", "kubectl", "helm", "jq", "openssl", "git"):
            with self.subTest(missing=name):
                run = Run("setup.sh", "--yes", missing=(name,))
                self.fails(run, f"there is no {name}")
                self.assertEqual(run.changes(), [])

    def test_versions(self):
        for old, line in {
            "terraform is 1.5.7, and must be 1.9 or later": "0 old-terraform.json terraform version *",
            "kubectl is 1.29.0, and must be 1.32 or later": "0 old-kubectl.json kubectl version *",
            "helm is 3.9.0, and must be 3.13 or later": "0 old-helm.txt helm version *",
        }.items():
            with self.subTest(old):
                run = Run("setup.sh", "--yes", tables=(line, "fresh"))
                self.fails(run, old)
                self.assertEqual(run.changes(), [])

    def test_login_and_project(self):
        for said, tables in {
            "nobody is logged in: gcloud auth login": ("0 - gcloud auth list *", "fresh"),
            "project example-project is not there": ("1 - gcloud projects describe *", "fresh"),
            "gcloud is set to another-project: gcloud config set project example-project": (
                "0 other-project.txt gcloud config get-value *",
                "fresh",
            ),
            "gcloud services enable --project example-project artifactregistry.googleapis.com cloudresourcemanager": (
                "0 commit.txt gcloud services list *",
                "fresh",
            ),
        }.items():
            with self.subTest(said):
                run = Run("setup.sh", "--yes", tables=tables)
                self.fails(run, said, "step check failed")
                self.assertEqual(run.changes(), [])

    def test_no_project_set_in_gcloud_is_no_failure(self):
        self.passes(Run("setup.sh", "--only", "check", tables=("0 - gcloud config get-value *", "fresh")))

    def test_a_service_account_needs_no_login_of_terraform(self):
        self.passes(
            Run(
                "setup.sh",
                "--only",
                "check",
                tables=("1 - gcloud auth application-default *", "fresh"),
                environment={"GOOGLE_APPLICATION_CREDENTIALS": "/key.json"},
            )
        )

    def test_variables(self):
        self.fails(
            Run("setup.sh", "--yes", variables=None),
            "there is no TMP/test.tfvars: copy terraform/terraform.tfvars.example",
        )
        self.fails(Run("setup.sh", "--yes", variables='region = "europe-west4"\n'), "names no project_id")

    def test_state_of_another_project(self):
        run = Run("setup.sh", "--yes", "--from", "infra", variables='project_id = "another-project"\n')
        self.fails(run, "Terraform's state is of project example-project", "step infra failed")
        self.assertEqual(run.changes(), [])

    def test_nothing_applied_yet(self):
        run = Run("setup.sh", "--from", "keda", tables=("0 outputs-none.json terraform * output -json", "fresh"))
        self.fails(run, "Terraform has no output", "tools/setup.sh --only infra", "step keda failed")

    def test_nobody_to_ask(self):
        run = Run("setup.sh")
        self.fails(run, "there is nobody to ask: give --yes", "step infra failed")
        self.assertEqual(run.changes(), [])

    def test_namespace_that_may_not_use_the_bucket(self):
        self.fails(Run("setup.sh", "--from", "prover", "--namespace", "other"), "set workload_identity.namespace")

    def test_images(self):
        self.fails(
            Run("setup.sh", "--from", "images", missing=("docker",)),
            "there is no docker with buildx",
            "images are missing: leader worker rpc verifier jumpbox",
            "docker/build.sh --registry europe-west4-docker.pkg.dev/example-project/blockproof --version 0123456789ab "
            "--push leader",
        )
        self.fails(
            Run("setup.sh", "--from", "images", tables=("0 commit.txt git status *", "fresh")),
            "changes that are not committed",
        )
        self.passes(Run("setup.sh", "--only", "images", missing=("docker",), tables=("again",)))
        self.fails(Run("setup.sh", "--only", "prover"), "there is no image blockproof-worker:0123456789ab")
        some = Run("setup.sh", "--only", "images", tables=("0 - gcloud * describe */blockproof-leader:*", "fresh"))
        self.passes(some)
        self.assertEqual(
            [re.search(r"--target (\S+)", call)[1] for call in some.calls if "buildx build" in call],
            ["worker", "rpc", "verifier", "jumpbox"],
        )

    def test_images_from_elsewhere(self):
        run = Run(
            "setup.sh",
            "--from",
            "images",
            "--registry",
            "registry.example.org/proofs/",
            "--image-tag",
            "1.0",
            missing=("docker",),
        )
        self.passes(run)
        self.assertIn("--set-string image.tag=1.0 --set-string image.registry=registry.example.org/proofs ", run.log)
        self.assertNotIn("images describe", run.log)

    def test_paths_are_from_where_it_was_called(self):
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "mine.tfvars").write_text('project_id = "example-project"\n')
            done = subprocess.run(
                [ROOT / "tools" / "setup.sh", "--dry-run", "--only", "infra", "--var-file", "mine.tfvars"],
                cwd=folder,
                capture_output=True,
                text=True,
            )
            self.assertIn(f"-var-file={os.path.realpath(folder)}/mine.tfvars", done.stdout)

    def test_own_values_go_before_those_of_terraform(self):
        run = Run("setup.sh", "--only", "prover", "--values", str(ROOT / "helm" / "values.yaml"), tables=("again",))
        self.passes(run)
        self.assertRegex(run.log, r"-f SCRATCH/terraform-values.json -f ROOT/helm/values.yaml --set-string image.tag=")

    def test_circuits_that_cannot_be_prepared(self):
        run = Run(
            "setup.sh",
            "--only",
            "prover",
            tables=(
                "1 - kubectl * wait --for=condition=complete job.batch/blockproof-circuits*",
                "0 true.txt kubectl * get job.batch/blockproof-circuits* -o jsonpath*",
                "again",
            ),
        )
        self.fails(
            run, "job.batch/blockproof-circuits-1a2b3c4d failed: kubectl -n blockproof logs", "step prover failed"
        )

    def test_usage(self):
        for words in (
            ["--from", "nowhere"],
            ["--what"],
            ["--from"],
            ["--from", "keda", "--only", "keda"],
            ["--image-tag", "latest"],
            ["--image-tag", "a b"],
            ["--values", "/nowhere"],
        ):
            with self.subTest(words):
                run = Run("setup.sh", *words)
                self.fails(
                    run,
                    "; see --help" if "--image-tag" not in words and "--values" not in words else "setup.sh: ",
                    code=2,
                )
                self.assertEqual(run.calls, [])

    def test_load_test(self):
        run = Run("setup.sh", "load-test", tables=("again",))
        self.passes(run)
        self.golden("load-test.txt", run.log)
        # The report is printed, and the Job removed, when a witness could not be proved as well.
        failed = Run(
            "setup.sh",
            "load-test",
            tables=(
                "1 - kubectl * wait *load-tester*",
                "0 true.txt kubectl * get job.batch/blockproof-load-tester* -o jsonpath*",
                "again",
            ),
        )
        self.fails(failed, "step load-test failed")
        self.assertRegex(failed.calls[-2], " logs ")
        self.assertRegex(failed.calls[-1], " delete job ")


class Teardown(Scripts):
    def test_all(self):
        run = Run("teardown.sh", "--yes")
        self.passes(run)
        self.golden("teardown.txt", run.log)
        self.assertNotRegex(run.log, "storage rm|target=google_storage_bucket.artifacts")
        self.assertIn("gs://example-project-blockproof-artifacts stays", run.error)

    def test_all_and_artifacts(self):
        run = Run("teardown.sh", "--yes", "--delete-artifacts")
        self.passes(run)
        self.golden("teardown-artifacts.txt", run.log)

    def test_dry_run_calls_nothing(self):
        run = Run("teardown.sh", "--dry-run")
        self.passes(run)
        self.golden("teardown-dry.txt", run.out)
        self.assertEqual(run.calls, [])

    def test_failure_of_each_call(self):
        self.fails_at_each_call("teardown.sh", Run("teardown.sh", "--yes"), ("fresh",))

    def test_the_name_is_asked_for(self):
        right = Run("teardown.sh", typed="blockproof\n")
        self.passes(right)
        self.assertEqual(right.calls, Run("teardown.sh", "--yes").calls)
        for typed in ("yes\n", "", "blockproof2\n"):
            with self.subTest(typed):
                run = Run("teardown.sh", "--delete-artifacts", typed=typed)
                self.fails(
                    run,
                    "This deletes cluster blockproof of project example-project",
                    "It also deletes bucket example-project-blockproof-artifacts",
                    "nothing was done",
                )
                self.assertEqual(run.changes(), [])

    def test_again(self):
        run = Run(
            "teardown.sh",
            "--yes",
            tables=("0 state-bucket.txt terraform * state list", "0 outputs-none.json terraform * output -json"),
        )
        self.passes(run)
        self.assertIn("there is nothing to take down", run.error)
        self.assertEqual(run.changes(), [])

    def test_after_half_a_teardown(self):
        """Terraform was stopped while it destroyed: its outputs are gone, some of what it has made is not."""
        run = Run(
            "teardown.sh",
            "--yes",
            tables=("0 state.txt terraform * state list", "0 outputs-none.json terraform * output -json"),
        )
        self.passes(run)
        self.assertEqual([call.split()[2] for call in run.changes()], ["apply", "destroy"])
        self.assertNotRegex(run.log, "kubectl --context|helm --kube")

    def test_cluster_that_is_gone(self):
        run = Run("teardown.sh", "--yes", tables=("0 - gcloud container clusters list *",))
        self.passes(run)
        self.assertNotRegex(run.log, "kubectl --context|helm --kube")

    def test_what_others_use_stays(self):
        run = Run("teardown.sh", "--yes", tables=("0 of-others.txt kubectl * get rabbitmqclusters *",))
        self.fails(
            run,
            "the RabbitMQ operator is still used by rabbitmqcluster.rabbitmq.com/of-others",
            "step operators failed",
        )
        self.assertNotRegex(run.log, "cluster-operator.yml|destroy")

    def test_cluster_without_operators(self):
        run = Run("teardown.sh", "--yes", tables=("1 - kubectl * get crd *",))
        self.passes(run)
        self.assertNotRegex(run.log, "rabbitmqclusters --all|cluster-operator.yml")


class Manifests(unittest.TestCase):
    def test_answers_have_the_outputs_of_terraform(self):
        import json

        declared = set(re.findall(r'^output "(\w+)"', (ROOT / "terraform" / "outputs.tf").read_text(), re.M))
        self.assertLessEqual(set(json.loads((ANSWERS / "outputs.json").read_text())), declared)

    def test_apis_are_those_of_the_documentation(self):
        script = (ROOT / "tools" / "setup.sh").read_text()
        apis = re.search(r"^apis=\((.*)\)", script, re.M)[1].split()
        document = (ROOT / "docs" / "deploy.md").read_text()
        for api in apis:
            self.assertIn(f"{api}.googleapis.com", document)

    def test_every_step_is_documented(self):
        document = (ROOT / "docs" / "deploy.md").read_text()
        for script in ("setup.sh", "teardown.sh"):
            for line in Run(script, "--list").out.splitlines():
                self.assertIn(f"`{line.split()[0]}`", document)


if __name__ == "__main__":
    if "--update" in sys.argv:
        sys.argv.remove("--update")
        UPDATE = True
    os.chdir(ROOT)
    unittest.main()
