#!/usr/bin/env python3
"""What the tests of monitoring share: reads rules, their tests, dashboards, runbooks and the list of metrics.

    monitoring.py check [--metrics FILE]    what promtool does not see: every alert has a test in which it fires, one in
                                            which it is silent, and a runbook; every metric and label that is asked for
                                            exists
    monitoring.py queries                   the dashboards' queries as a file of rules, for promtool to parse

Run by tools/deploy/monitoring.sh, from the repository's root.
"""

import argparse
import collections
import json
import pathlib
import re
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
METRICS = ROOT / "docs/metrics.md"
RUNBOOKS = ROOT / "docs/runbooks"

# Labels that Prometheus or the Prometheus Operator gives to everything that is scraped, and those of histograms.
TARGET = {"job", "instance", "namespace", "pod", "container", "service", "endpoint", "le"}

# Metrics of others, with the labels that are used here. tools/deploy/scrape.py sees those of RabbitMQ at a real one.
OTHERS = {
    "up": set(),
    "ALERTS": {"alertname", "alertstate", "severity"},
    "container_memory_working_set_bytes": set(),
    "kube_deployment_spec_replicas": {"deployment"},
    "kube_deployment_status_replicas_ready": {"deployment"},
    "kube_job_failed": {"job_name", "condition"},
    "kube_pod_container_resource_limits": {"resource"},
    "kube_pod_container_status_ready": set(),
    "kube_pod_status_phase": {"phase"},
    "process_cpu_seconds_total": set(),
    "process_resident_memory_bytes": set(),
    "process_start_time_seconds": set(),
    "rabbitmq_alarms_file_descriptor_limit": set(),
    "rabbitmq_alarms_free_disk_space_watermark": set(),
    "rabbitmq_alarms_memory_used_watermark": set(),
    "rabbitmq_build_info": set(),
    "rabbitmq_channels_closed_total": set(),
    "rabbitmq_channels_opened_total": set(),
    "rabbitmq_connections": set(),
    "rabbitmq_connections_closed_total": set(),
    "rabbitmq_connections_opened_total": set(),
    "rabbitmq_detailed_queue_consumers": {"queue", "vhost"},
    "rabbitmq_detailed_queue_messages": {"queue", "vhost"},
    "rabbitmq_detailed_queue_messages_ready": {"queue", "vhost"},
    "rabbitmq_detailed_queue_messages_unacked": {"queue", "vhost"},
    "rabbitmq_disk_space_available_bytes": set(),
    "rabbitmq_disk_space_available_limit_bytes": set(),
    "rabbitmq_global_messages_acknowledged_total": set(),
    "rabbitmq_global_messages_received_total": set(),
    "rabbitmq_global_messages_redelivered_total": set(),
    "rabbitmq_process_resident_memory_bytes": set(),
    "rabbitmq_resident_memory_limit_bytes": set(),
}

# Grafana's variables, as they are where somebody has chosen nothing.
VARIABLES = {"$__rate_interval": "1m", "$namespace": ".*", "$instance": ".*", "$block": ".*", "$price": "1"}

# What a query is made of: strings, ranges, names, numbers, anything else.
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\[[^]]*]|[A-Za-z_:][\w:]*|[0-9][\w.]*|\S')
LISTS = {"by", "without", "on", "ignoring", "group_left", "group_right"}
WORDS = {"and", "or", "unless", "offset", "bool"}

Metric = collections.namedtuple("Metric", "name kind labels meaning")
Query = collections.namedtuple("Query", "place expr legend")


def metrics(path=METRICS):
    """The list of metrics, by name: rows of the form | `name` | kind | labels | meaning |."""
    rows = (
        line.strip("| \n").split("|") for line in path.read_text().splitlines() if line.startswith("| `blockproof_")
    )
    found = {}
    for row in rows:
        name, kind, labels, meaning = (cell.strip() for cell in row)
        found[name.strip("`")] = Metric(name.strip("`"), kind, set(re.findall(r"[a-z_]+", labels)), meaning)
    return found


def rules():
    """All rules, in their order."""
    files = sorted((ROOT / "monitoring/rules").glob("*.yaml"))
    return [rule for file in files for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]]


def filled(expr):
    """A query with Grafana's variables filled in."""
    for variable, value in VARIABLES.items():
        expr = expr.replace(variable, value)
    return expr


def dashboard_queries():
    """All queries of the dashboards; those of variables as what gives the same values."""
    for file in sorted((ROOT / "monitoring/dashboards").glob("*.json")):
        dashboard = json.loads(file.read_text())
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query":
                expr, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"]).groups()
                yield Query(f"{file.stem}: {variable['label']}", filled(f"count by ({label}) ({expr})"), "")
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                yield Query(f"{file.stem}: {panel['title']}", filled(target["expr"]), target["legendFormat"])


def parts(expr):
    """The metrics of a query, each with its labels in braces; the labels it sums by or joins on; its strings."""
    tokens = TOKEN.findall(expr)
    asked, joined, strings = [], set(), {token[1:-1] for token in tokens if token.startswith('"')}
    place = 0
    while place < len(tokens):
        token, following = tokens[place], tokens[place + 1] if place + 1 < len(tokens) else ""
        if token in LISTS and following == "(":
            end = tokens.index(")", place)
            joined |= set(tokens[place + 2 : end]) - {","}
            place = end
        elif token == "{":
            end = tokens.index("}", place)
            inside = tokens[place + 1 : end]
            labels = {name for name, sign in zip(inside, inside[1:]) if sign in "=!"} - {"=", "!", "~"}
            asked[-1][1].update(labels)
            place = end
        elif re.match(r"[A-Za-z_:]", token) and following not in ("(", "by", "without") and token not in LISTS | WORDS:
            asked.append((token, set()))
        place += 1
    return asked, joined, strings


def family(name, known):
    """The metric that a series belongs to: histograms have three names."""
    short = re.sub(r"_(bucket|sum|count)$", "", name)
    return short if short in known and known[short].kind.startswith("histogram") else name


def check_query(place, expr, legend, known, recorded):
    """What a query asks for and nobody has."""
    asked, joined, strings = parts(expr)
    there = TARGET | strings
    for name, labels in asked:
        name = family(name, known)
        if name in known:
            has = known[name].labels
        elif name in OTHERS:
            has = OTHERS[name]
        elif name in recorded:
            has = set(recorded[name])
        else:
            yield f"{place}: there is no metric {name}"
            continue
        there |= has
        for label in sorted(labels - has - TARGET):
            yield f"{place}: {name} has no label {label}"
    for label in sorted(joined - there):
        yield f"{place}: none of its metrics has a label {label}"
    for label in sorted(set(re.findall(r"{{\s*(\w+)\s*}}", legend)) - joined):
        yield f"{place}: the legend names {label}, which the query does not keep"


def check_alerts(alerts):
    """Alerts without what each must have, and what belongs to none."""
    fires, silent = set(), set()
    for file in sorted((ROOT / "monitoring/tests").glob("*.yaml")):
        for test in yaml.safe_load(file.read_text())["tests"]:
            for case in test.get("alert_rule_test", []):
                (fires if case.get("exp_alerts") else silent).add(case["alertname"])
    for alert in alerts:
        name = alert["alert"]
        if name not in fires:
            yield f"{name}: no test in which it fires"
        if name not in silent:
            yield f"{name}: no test in which it is silent"
        if alert.get("labels", {}).get("severity") not in ("critical", "warning", "info"):
            yield f"{name}: its severity is none of critical, warning, info"
        if set(alert.get("annotations", {})) != {"summary", "description", "runbook_url"}:
            yield f"{name}: its annotations are not summary, description and runbook_url"
        elif alert["annotations"]["runbook_url"] != f"docs/runbooks/{name}.md":
            yield f"{name}: its runbook_url is not docs/runbooks/{name}.md"
    names = {alert["alert"] for alert in alerts}
    for name in sorted((fires | silent) - names):
        yield f"monitoring/tests: there is no alert {name}"
    pages = {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"}
    for name in sorted(names - pages):
        yield f"{name}: no runbook docs/runbooks/{name}.md"
    for name in sorted(pages - names):
        yield f"docs/runbooks/{name}.md: there is no such alert"
    for name in sorted(names & pages):
        if not (RUNBOOKS / f"{name}.md").read_text().startswith(f"# {name}\n"):
            yield f"docs/runbooks/{name}.md: its heading is not # {name}"
    index = set(re.findall(r"\]\((\w+)\.md\)", (RUNBOOKS / "README.md").read_text()))
    for name in sorted(index ^ names):
        yield f"docs/runbooks/README.md: {name} is {'no alert' if name in index else 'not listed'}"


def check(path):
    """All that is wrong."""
    known = metrics(path)
    if not known:
        yield f"{path}: no metrics in it"
    # What is left of a recorded metric's labels is the first part of its name.
    recorded = {rule["record"]: rule["record"].split(":")[0].split("_") for rule in rules() if "record" in rule}
    uses = collections.Counter()
    queries = [Query(rule.get("alert") or rule["record"], rule["expr"], "") for rule in rules()]
    for query in [*queries, *dashboard_queries()]:
        yield from check_query(*query, known, recorded)
        uses.update(name for name, _ in parts(query.expr)[0])
    for name in recorded:
        if uses[name] < 2:
            yield f"{name}: recorded, and used {uses[name]} times"
    yield from check_alerts([rule for rule in rules() if "alert" in rule])


def main():
    parser = argparse.ArgumentParser(description="Checks of monitoring/, for tools/deploy/monitoring.sh.")
    parser.add_argument("what", choices=["check", "queries"])
    parser.add_argument(
        "--metrics", type=pathlib.Path, default=METRICS, help="list of metrics, default docs/metrics.md"
    )
    args = parser.parse_args()
    if args.what == "queries":
        listed = [{"record": f"query:{i}", "expr": query.expr} for i, query in enumerate(dashboard_queries())]
        yaml.safe_dump({"groups": [{"name": "dashboards", "rules": listed}]}, sys.stdout)
        return
    wrong = list(check(args.metrics))
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
