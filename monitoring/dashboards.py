#!/usr/bin/env python3
"""Writes the Grafana dashboards in monitoring/dashboards from the descriptions below.

    monitoring/dashboards.py            writes them
    monitoring/dashboards.py --check    fails if one is not what would be written

A dashboard is rows of panels; a panel is a title, a unit and queries, with the legend of each. In a query `@` stands
for the dashboard's own selectors, such as namespace=~"$namespace". What is the same for all panels is said once, here.
"""

import argparse
import json
import pathlib
import sys

FOLDER = pathlib.Path(__file__).resolve().parent / "dashboards"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
NAMESPACE = 'namespace=~"$namespace"'


def panel(kind, title, unit, queries, width, about, options=None, custom=None, **defaults):
    """A panel, without its place."""
    return {
        "type": kind,
        "title": title,
        "description": about,
        "datasource": SOURCE,
        "gridPos": {"w": width, "h": 4 if kind == "stat" else 8},
        "targets": [
            {"refId": chr(ord("A") + i), "datasource": SOURCE, "expr": expr, "legendFormat": legend}
            for i, (expr, legend) in enumerate(queries)
        ],
        "options": options or {},
        "fieldConfig": {"defaults": {"unit": unit, "custom": custom or {}, **defaults}, "overrides": []},
    }


def lines(title, unit, *queries, width=8, about="", stack=False):
    """Lines over time; areas upon each other where that adds up to something."""
    custom = {"lineWidth": 1, "fillOpacity": 30 if stack else 0, "showPoints": "never"}
    if stack:
        custom["stacking"] = {"mode": "normal", "group": "A"}
    options = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}}
    return panel("timeseries", title, unit, queries, width, about, options, custom, min=0)


def number(title, unit, expr, width=4, about="", steps=()):
    """The value now. `steps` are values from which it is orange, and red."""
    colours = [{"color": "green", "value": None}]
    colours += [{"color": colour, "value": value} for colour, value in zip(("orange", "red"), steps)]
    options = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "area"}
    thresholds = {"mode": "absolute", "steps": colours}
    return panel("stat", title, unit, [(expr, "")], width, about, options, thresholds=thresholds)


def bars(title, unit, *queries, width=12, about="", **defaults):
    """A bar for each series, as it is now."""
    options = {"reduceOptions": {"calcs": ["lastNotNull"]}, "orientation": "horizontal", "displayMode": "basic"}
    result = panel("bargauge", title, unit, queries, width, about, options, min=0, **defaults)
    for target in result["targets"]:
        target["instant"] = True
    return result


def table(title, labels, columns, width=24, about=""):
    """A line for each set of `labels`; a column is a heading, a unit and a query."""
    result = panel("table", title, "short", [(expr, "") for _, _, expr in columns], width, about)
    for target in result["targets"]:
        target.update(format="table", instant=True)
    values = ["Value"] if len(columns) == 1 else [f"Value #{chr(ord('A') + i)}" for i in range(len(columns))]
    order = {name: i for i, name in enumerate([*labels, *values])}
    names = dict(zip(values, (heading for heading, _, _ in columns)))
    result["transformations"] = [
        {"id": "merge", "options": {}},
        {"id": "organize", "options": {"excludeByName": {"Time": True}, "indexByName": order, "renameByName": names}},
    ]
    result["fieldConfig"]["overrides"] = [
        {"matcher": {"id": "byName", "options": heading}, "properties": [{"id": "unit", "value": unit}]}
        for heading, unit, _ in columns
    ]
    return result


def quantiles(metric, by, selectors="@"):
    """The middle and the slow end of a histogram, with legends."""
    label = "{{" + by + "}} " if by else ""
    sum_by = f"le, {by}" if by else "le"
    rate = f"sum by ({sum_by}) (rate({metric}_bucket{{{selectors}}}[$__rate_interval]))"
    return [(f"histogram_quantile({q}, {rate})", f"{label}{name}") for q, name in ((0.5, "median"), (0.95, "95 %"))]


def mean(metric, by, selectors="@"):
    """The mean of a histogram, with a legend."""
    rate = f"sum by ({by}) (rate({metric}_%s{{{selectors}}}[$__rate_interval]))"
    return f"{rate % 'sum'} / {rate % 'count'}", " ".join("{{" + label.strip() + "}}" for label in by.split(","))


def per_second(metric, by, selectors="@"):
    """How often, with a legend."""
    expr = f"sum by ({by}) (rate({metric}{{{selectors}}}[$__rate_interval]))"
    return expr, " ".join("{{" + label.strip() + "}}" for label in by.split(","))


def choice(name, label, values):
    """A variable whose values Prometheus knows."""
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": f"label_values({values})", "refId": name},
        "definition": f"label_values({values})",
        "refresh": 2,
        "sort": 3,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def typed(name, label, value):
    """A variable that somebody types."""
    return {"name": name, "label": label, "type": "textbox", "query": value, "current": {"text": value, "value": value}}


BAD = "retried|failed"

CLUSTER = {
    "title": "Blockproof / Cluster",
    "selectors": NAMESPACE,
    "variables": [typed("price", "Price of a slot for an hour", "1")],
    "rows": [
        (
            "Now",
            [
                number(
                    "Proof lag",
                    "s",
                    "max(namespace:blockproof_proof_lag_seconds:max{@})",
                    steps=(600, 3600),
                    about="Age of the oldest block without a proof. 0 where no leader follows a chain.",
                ),
                number("Blocks behind", "none", "max(blockproof_proof_lag_blocks{@})"),
                number(
                    "Time left",
                    "s",
                    "max(namespace:blockproof_backlog_eta_seconds:ratio{@})",
                    steps=(3600, 14400),
                    about="Work that is left divided by all slots: no more than the truth, as not every slot takes "
                    "every task.",
                ),
                number(
                    "Slots that are busy",
                    "percentunit",
                    "sum(namespace:blockproof_slots_busy:sum{@}) / sum(namespace:blockproof_slots:sum{@})",
                ),
                number(
                    "Blocks proved in an hour",
                    "none",
                    'sum(namespace_outcome:blockproof_witnesses:increase1h{@, outcome="proved"})',
                ),
                number(
                    "Tasks failed in half an hour",
                    "none",
                    f'sum(namespace_kind_outcome:blockproof_tasks:increase30m{{@, outcome=~"{BAD}"}}) or vector(0)',
                    steps=(1, 10),
                    about="Those that were tried again included.",
                ),
            ],
        ),
        (
            "Backlog",
            [
                lines(
                    "Tasks that are not done",
                    "none",
                    (
                        "sum by (class, stage) (blockproof_backlog_tasks{@})",
                        "{{class}} {{stage}}",
                    ),
                    stack=True,
                    about="waiting: for other tasks. queued: at the broker. running: in a slot.",
                ),
                lines(
                    "Work that is left",
                    "s",
                    ("sum by (class) (namespace_class:blockproof_backlog_seconds:sum{@})", "{{class}}"),
                    stack=True,
                    about="In seconds of one slot, by the mean of what was measured.",
                ),
                lines(
                    "Time left",
                    "s",
                    ("max by (namespace) (namespace:blockproof_backlog_eta_seconds:ratio{@})", "{{namespace}}"),
                ),
                lines("Wait for a slot", "s", *quantiles("blockproof_queue_wait_seconds", "class")),
            ],
        ),
        (
            "Workers",
            [
                lines(
                    "Slots",
                    "none",
                    ("sum(namespace:blockproof_slots:sum{@})", "all"),
                    ("sum(namespace:blockproof_slots_busy:sum{@})", "busy"),
                ),
                lines(
                    "Replicas",
                    "none",
                    (
                        'sum by (deployment) (kube_deployment_spec_replicas{@, deployment=~".*blockproof.*"})',
                        "{{deployment}} wanted",
                    ),
                    (
                        'sum by (deployment) (kube_deployment_status_replicas_ready{@, deployment=~".*blockproof.*"})',
                        "{{deployment}} ready",
                    ),
                    about="Of the Deployments, by kube-state-metrics. Nothing outside of Kubernetes.",
                ),
                lines("Connected to the broker", "none", ("sum by (job) (blockproof_broker_connected{@})", "{{job}}")),
                lines(
                    "Cost of an hour",
                    "short",
                    ("sum(namespace:blockproof_slots:sum{@}) * $price", "all slots"),
                    ("sum(namespace:blockproof_slots_busy:sum{@}) * $price", "busy slots"),
                    about="Slots times the price at the top; with a price of 1, slot hours.",
                ),
                lines(
                    "Cost of a block",
                    "short",
                    (
                        "sum(avg_over_time(namespace:blockproof_slots:sum{@}[1h])) * $price"
                        ' / (sum(namespace_outcome:blockproof_witnesses:increase1h{@, outcome="proved"}) > 0)',
                        "last hour",
                    ),
                    about="What all slots cost in an hour, divided by the blocks proved in it.",
                ),
            ],
        ),
        (
            "Throughput",
            [
                lines(
                    "Tasks proved in a minute",
                    "none",
                    (
                        'sum by (kind) (rate(blockproof_tasks_total{@, outcome="proved"}[$__rate_interval])) * 60',
                        "{{kind}}",
                    ),
                    stack=True,
                ),
                lines(
                    "Blocks in an hour",
                    "none",
                    ("sum by (outcome) (namespace_outcome:blockproof_witnesses:increase1h{@})", "{{outcome}}"),
                ),
                lines(
                    "Gas proved in a second",
                    "short",
                    ("sum(rate(blockproof_gas_proved_total{@}[$__rate_interval]))", "gas"),
                ),
                lines(
                    "Transactions proved in a minute",
                    "none",
                    ("sum(rate(blockproof_transactions_proved_total{@}[$__rate_interval])) * 60", "transactions"),
                ),
                lines("Time of a block", "s", *quantiles("blockproof_block_seconds", "")),
                lines("Time of a task", "s", *quantiles("blockproof_task_seconds", "kind")),
            ],
        ),
        (
            "The chain",
            [
                lines(
                    "Behind the chain",
                    "s",
                    ("max by (namespace) (namespace:blockproof_proof_lag_seconds:max{@})", "{{namespace}}"),
                ),
                lines("Blocks behind", "none", ("max by (instance) (blockproof_proof_lag_blocks{@})", "{{instance}}")),
                lines(
                    "Newest block, newest proof",
                    "none",
                    ("max by (instance) (blockproof_chain_head_block{@})", "{{instance}} chain"),
                    ("max by (instance) (blockproof_proved_block{@})", "{{instance}} proved"),
                ),
                lines(
                    "Reorganisations in an hour",
                    "none",
                    ("sum(increase(blockproof_reorgs_total{@}[1h]))", "reorganisations"),
                ),
                lines("Requests to the node", "reqps", per_second("blockproof_node_requests_total", "method, outcome")),
                lines("Time of a request", "s", mean("blockproof_node_seconds", "method")),
            ],
        ),
        (
            "What goes wrong",
            [
                lines(
                    "Tasks that were not proved",
                    "none",
                    (
                        'sum by (outcome) (namespace_kind_outcome:blockproof_tasks:increase30m{@, outcome!="proved"})',
                        "{{outcome}}",
                    ),
                    about="In half an hour. Reused: the output was there already.",
                ),
                lines(
                    "Failures by cause",
                    "none",
                    ("sum by (kind, cause) (increase(blockproof_task_failures_total{@}[30m]))", "{{kind}} {{cause}}"),
                    about="In half an hour.",
                ),
                lines(
                    "As leaders see it",
                    "none",
                    ("sum(increase(blockproof_tasks_given_out_again_total{@}[30m]))", "given out again"),
                    ("sum(increase(blockproof_tasks_distrusted_total{@}[30m]))", "distrusted"),
                    (
                        'sum by (outcome) (increase(blockproof_leader_tasks_total{@, outcome!="proved"}[30m]))',
                        "reported as {{outcome}}",
                    ),
                    about="In half an hour.",
                ),
                table(
                    "Alerts",
                    ["alertname", "severity", "namespace", "instance"],
                    [
                        (
                            "Firing",
                            "none",
                            "sum by (alertname, severity, namespace, instance) "
                            '(ALERTS{@, alertname=~"Blockproof.*", alertstate="firing"})',
                        )
                    ],
                    about="Each has a page in docs/runbooks.",
                ),
            ],
        ),
    ],
}

BLOCK = {
    "title": "Blockproof / Block",
    "selectors": NAMESPACE + ', block_number=~"$block"',
    "variables": [choice("block", "Block", f"blockproof_block_tasks{{{NAMESPACE}}}, block_number")],
    "rows": [
        (
            "Blocks",
            [
                number("In progress", "none", f"sum(blockproof_blocks_in_progress{{{NAMESPACE}}})", width=6),
                number("Longest left", "s", "max(blockproof_block_eta_seconds{@})", width=6),
                number("Longest at work", "s", "max(blockproof_block_elapsed_seconds{@})", width=6),
                number(
                    "Longest critical path",
                    "s",
                    "max(blockproof_block_critical_path_seconds{@})",
                    width=6,
                    about="The longest chain of tasks that wait for each other: no number of workers is faster.",
                ),
                table(
                    "Blocks",
                    ["block_number", "block_hash"],
                    [
                        ("Done", "none", 'max by (block_number, block_hash) (blockproof_block_tasks{@, state="done"})'),
                        ("Tasks", "none", 'max by (block_number, block_hash) (blockproof_block_tasks{@, state="all"})'),
                        ("Elapsed", "s", "max by (block_number, block_hash) (blockproof_block_elapsed_seconds{@})"),
                        ("Left", "s", "max by (block_number, block_hash) (blockproof_block_eta_seconds{@})"),
                        (
                            "Critical path",
                            "s",
                            "max by (block_number, block_hash) (blockproof_block_critical_path_seconds{@})",
                        ),
                    ],
                    about="Kept for an hour after the last change, unless the leader is told otherwise.",
                ),
            ],
        ),
        (
            "Progress",
            [
                bars(
                    "Progress",
                    "percentunit",
                    (
                        'max by (block_number) (blockproof_block_tasks{@, state="done"})'
                        ' / max by (block_number) (blockproof_block_tasks{@, state="all"})',
                        "{{block_number}}",
                    ),
                    max=1,
                ),
                lines(
                    "Tasks done",
                    "none",
                    ('max by (block_number) (blockproof_block_tasks{@, state="done"})', "{{block_number}}"),
                    width=12,
                ),
                lines(
                    "Time left", "s", ("max by (block_number) (blockproof_block_eta_seconds{@})", "{{block_number}}")
                ),
                lines(
                    "Elapsed", "s", ("max by (block_number) (blockproof_block_elapsed_seconds{@})", "{{block_number}}")
                ),
                lines(
                    "Critical path",
                    "s",
                    ("max by (block_number) (blockproof_block_critical_path_seconds{@})", "{{block_number}}"),
                    about="The longest chain of measured tasks that wait for each other.",
                ),
            ],
        ),
        (
            "Segments",
            [
                table(
                    "Segments proved lately",
                    ["block_number", "tx_id", "segment"],
                    [
                        ("Time", "s", "max by (block_number, tx_id, segment) (blockproof_recent_segment_seconds{@})"),
                        (
                            "Halt cycles",
                            "none",
                            "max by (block_number, tx_id, segment) (blockproof_recent_segment_cpu_halt_cycles{@})",
                        ),
                        (
                            "Padding",
                            "none",
                            "max by (block_number, tx_id, segment) (blockproof_recent_segment_cpu_padding_cycles{@})",
                        ),
                    ],
                    about="tx_id: first and last transaction of the batch, counted from 0. Halt cycles: those that do "
                    "something. Padding: rows that only fill the table up.",
                ),
                bars(
                    "Time by transactions",
                    "s",
                    (
                        "sum by (block_number, tx_id) (blockproof_recent_segment_seconds{@})",
                        "{{block_number}} {{tx_id}}",
                    ),
                ),
                bars(
                    "Padding",
                    "percentunit",
                    (
                        "sum by (block_number, tx_id) (blockproof_recent_segment_cpu_padding_cycles{@})"
                        " / (sum by (block_number, tx_id) (blockproof_recent_segment_cpu_padding_cycles{@})"
                        " + sum by (block_number, tx_id) (blockproof_recent_segment_cpu_halt_cycles{@}))",
                        "{{block_number}} {{tx_id}}",
                    ),
                    max=1,
                    about="Part of the CPU table that does nothing.",
                ),
                lines(
                    "Halt cycles of a segment",
                    "none",
                    *quantiles("blockproof_cpu_halt_cycles", "", NAMESPACE),
                    width=12,
                    about="Of all blocks.",
                ),
                lines(
                    "Padding of a segment",
                    "none",
                    *quantiles("blockproof_cpu_padding_cycles", "", NAMESPACE),
                    width=12,
                    about="Of all blocks.",
                ),
            ],
        ),
    ],
}

WORKER = {
    "title": "Blockproof / Worker",
    "selectors": NAMESPACE + ', instance=~"$instance"',
    "variables": [
        choice("instance", "Worker", f"blockproof_slots{{{NAMESPACE}}}, instance"),
    ],
    "rows": [
        (
            "Now",
            [
                number("Slots", "none", "sum(blockproof_slots{@})"),
                number("Busy", "none", "sum(blockproof_slots_busy{@})"),
                number("Waiting for memory", "none", "sum(blockproof_memory_waiting{@})", steps=(1,)),
                number(
                    "Memory set aside",
                    "percentunit",
                    "sum(blockproof_slot_memory_bytes{@}) / sum(blockproof_memory_budget_bytes{@})",
                    steps=(0.9,),
                ),
                number("Connected to the broker", "none", "sum(blockproof_broker_connected{@})"),
                number(
                    "Processes",
                    "none",
                    'count(blockproof_build_info{@, binary=~"leader|worker"})',
                    about="Leaders that prove in their own process included.",
                ),
            ],
        ),
        (
            "Tasks and their stages",
            [
                lines(
                    "Tasks in a minute",
                    "none",
                    (
                        "sum by (kind, outcome) (rate(blockproof_tasks_total{@}[$__rate_interval])) * 60",
                        "{{kind}} {{outcome}}",
                    ),
                    stack=True,
                ),
                lines("Time of a task", "s", *quantiles("blockproof_task_seconds", "kind")),
                lines("Wait for a slot", "s", *quantiles("blockproof_queue_wait_seconds", "class")),
                lines(
                    "Where the time goes",
                    "percentunit",
                    per_second("blockproof_stage_seconds_sum", "stage"),
                    stack=True,
                    width=12,
                    about="Seconds of each stage in a second: all of them together are the slots that are busy.",
                ),
                lines("Time of a stage", "s", mean("blockproof_stage_seconds", "stage"), width=12, about="Mean."),
            ],
        ),
        (
            "Tables of segments",
            [
                lines(
                    "STARK by table", "s", mean("blockproof_table_seconds", "table", '@, stage="stark"'), about="Mean."
                ),
                lines(
                    "Recursion by table",
                    "s",
                    mean("blockproof_table_seconds", "table", '@, stage="recursion"'),
                    about="Mean.",
                ),
                lines(
                    "Rows by table",
                    "none",
                    quantiles("blockproof_table_rows", "table")[1],
                    about="All but the largest 5 %.",
                ),
                lines("Halt cycles of a segment", "none", *quantiles("blockproof_cpu_halt_cycles", ""), width=12),
                lines("Padding of a segment", "none", *quantiles("blockproof_cpu_padding_cycles", ""), width=12),
            ],
        ),
        (
            "Memory and circuits",
            [
                lines(
                    "Memory",
                    "decbytes",
                    ("sum by (instance) (process_resident_memory_bytes{@})", "{{instance}} resident"),
                    ("sum by (instance) (blockproof_slot_memory_bytes{@})", "{{instance}} set aside"),
                    ("sum by (instance) (blockproof_memory_budget_bytes{@})", "{{instance}} for segments"),
                ),
                lines(
                    "Memory by slot",
                    "decbytes",
                    ("max by (instance, slot) (blockproof_slot_memory_bytes{@})", "{{instance}} {{slot}}"),
                    stack=True,
                ),
                lines(
                    "Slots that wait for memory",
                    "none",
                    ("max by (instance) (blockproof_memory_waiting{@})", "{{instance}}"),
                ),
                lines(
                    "Circuits built and loaded in a minute",
                    "none",
                    ("sum by (step) (rate(blockproof_circuits_seconds_count{@}[$__rate_interval])) * 60", "{{step}}"),
                ),
                lines(
                    "Time to build or load circuits", "s", mean("blockproof_circuits_seconds", "step"), about="Mean."
                ),
                lines(
                    "Cores",
                    "none",
                    ("sum by (instance) (rate(process_cpu_seconds_total{@}[$__rate_interval]))", "{{instance}}"),
                ),
            ],
        ),
        (
            "Store and broker",
            [
                lines("Operations of the store", "ops", per_second("blockproof_store_seconds_count", "operation")),
                lines("Time of an operation of the store", "s", *quantiles("blockproof_store_seconds", "operation")),
                lines("Bytes to and from the store", "Bps", per_second("blockproof_store_bytes_total", "operation")),
                lines("Errors of the store", "ops", per_second("blockproof_store_errors_total", "operation, reason")),
                lines(
                    "Operations at the broker",
                    "ops",
                    per_second("blockproof_broker_operations_total", "operation, outcome"),
                ),
                lines(
                    "Sessions begun in half an hour",
                    "none",
                    ("sum by (instance) (increase(blockproof_broker_sessions_total{@}[30m]))", "{{instance}}"),
                ),
            ],
        ),
        (
            "Processes",
            [
                table(
                    "What runs",
                    ["instance", "binary", "version", "commit"],
                    [("Processes", "none", "sum by (instance, binary, version, commit) (blockproof_build_info{@})")],
                    width=12,
                ),
                table(
                    "Started",
                    ["job", "instance"],
                    [("Since", "dateTimeFromNow", "max by (job, instance) (process_start_time_seconds{@}) * 1000")],
                    width=12,
                ),
            ],
        ),
    ],
}

TASKS = 'queue=~"blockproof[.]tasks[.].*"'
OTHERS = 'queue=~"blockproof[.](results|dead)[.].*"'

RABBITMQ = {
    "title": "Blockproof / RabbitMQ",
    "selectors": NAMESPACE,
    "variables": [],
    "rows": [
        (
            "Now",
            [
                number("Tasks that wait", "none", "sum(namespace_class:rabbitmq_tasks_ready:sum{@})"),
                number("Tasks in hands", "none", "sum(namespace_class:rabbitmq_tasks_unacked:sum{@})"),
                number(
                    "Dead letters",
                    "none",
                    "sum(namespace:rabbitmq_dead_letters:sum{@})",
                    steps=(1,),
                ),
                number(
                    "Alarms",
                    "none",
                    "sum(rabbitmq_alarms_memory_used_watermark{@}) + sum(rabbitmq_alarms_free_disk_space_watermark{@})",
                    steps=(1, 1),
                    about="Memory and disk. While there is one the broker takes no messages.",
                ),
                number("Connections", "none", "sum(rabbitmq_connections{@})", about="Each process has two."),
                number("Nodes", "none", "count(count by (instance) (rabbitmq_build_info{@}))"),
            ],
        ),
        (
            "Queues",
            [
                lines(
                    "Tasks that wait",
                    "none",
                    (f"sum by (queue) (rabbitmq_detailed_queue_messages_ready{{@, {TASKS}}})", "{{queue}}"),
                    stack=True,
                ),
                lines(
                    "Tasks in hands",
                    "none",
                    (f"sum by (queue) (rabbitmq_detailed_queue_messages_unacked{{@, {TASKS}}})", "{{queue}}"),
                    stack=True,
                    about="Given to a worker and not acknowledged: running.",
                ),
                lines(
                    "Results and dead letters",
                    "none",
                    (
                        f"sum by (queue) (rabbitmq_detailed_queue_messages_ready{{@, {OTHERS}}})",
                        "{{queue}}",
                    ),
                    about="Results that nobody fetches belong to a leader that is away.",
                ),
                lines(
                    "Consumers",
                    "none",
                    (
                        f"sum by (queue) (rabbitmq_detailed_queue_consumers{{@, {OTHERS}}})",
                        "{{queue}}",
                    ),
                    about="Results have their leader. Tasks have no consumers: workers ask when a slot is free.",
                ),
                lines(
                    "Messages in a second",
                    "ops",
                    ("sum(rate(rabbitmq_global_messages_received_total{@}[$__rate_interval]))", "published"),
                    ("sum(rate(rabbitmq_global_messages_acknowledged_total{@}[$__rate_interval]))", "acknowledged"),
                ),
                lines(
                    "Delivered again",
                    "none",
                    ("sum(increase(rabbitmq_global_messages_redelivered_total{@}[30m]))", "messages"),
                    about="In half an hour: what workers had that vanished.",
                ),
            ],
        ),
        (
            "Node",
            [
                lines(
                    "Memory",
                    "decbytes",
                    ("max by (instance) (rabbitmq_process_resident_memory_bytes{@})", "{{instance}}"),
                    ("max by (instance) (rabbitmq_resident_memory_limit_bytes{@})", "{{instance}} alarm"),
                ),
                lines(
                    "Disk",
                    "decbytes",
                    ("max by (instance) (rabbitmq_disk_space_available_bytes{@})", "{{instance}} free"),
                    ("max by (instance) (rabbitmq_disk_space_available_limit_bytes{@})", "{{instance}} alarm"),
                ),
                lines(
                    "Alarms",
                    "none",
                    ("max by (instance) (rabbitmq_alarms_memory_used_watermark{@})", "{{instance}} memory"),
                    ("max by (instance) (rabbitmq_alarms_free_disk_space_watermark{@})", "{{instance}} disk"),
                ),
                lines("Connections", "none", ("sum by (instance) (rabbitmq_connections{@})", "{{instance}}")),
                lines(
                    "Connections that come and go",
                    "ops",
                    ("sum(rate(rabbitmq_connections_opened_total{@}[$__rate_interval]))", "opened"),
                    ("sum(rate(rabbitmq_connections_closed_total{@}[$__rate_interval]))", "closed"),
                ),
                lines(
                    "Channels that come and go",
                    "ops",
                    ("sum(rate(rabbitmq_channels_opened_total{@}[$__rate_interval]))", "opened"),
                    ("sum(rate(rabbitmq_channels_closed_total{@}[$__rate_interval]))", "closed"),
                ),
            ],
        ),
    ],
}

DASHBOARDS = {"cluster": CLUSTER, "block": BLOCK, "worker": WORKER, "rabbitmq": RABBITMQ}


def placed(rows):
    """Panels of rows with their places: side by side while they fit into 24 columns."""
    panels, y = [], 0
    for title, row in rows:
        panels.append(
            {
                "type": "row",
                "title": title,
                "collapsed": False,
                "panels": [],
                "gridPos": {"x": 0, "y": y, "w": 24, "h": 1},
            }
        )
        y, x, height = y + 1, 0, 0
        for each in row:
            place = each["gridPos"]
            if x + place["w"] > 24:
                x, y, height = 0, y + height, 0
            place.update(x=x, y=y)
            x, height = x + place["w"], max(height, place["h"])
            panels.append(each)
        y += height
    return [{"id": i, **each} for i, each in enumerate(panels, start=1)]


def dashboard(name, described):
    """What Grafana reads."""
    source = {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    metric = "rabbitmq_build_info" if name == "rabbitmq" else "blockproof_build_info"
    panels = placed(described["rows"])
    for each in panels:
        for target in each.get("targets", []):
            target["expr"] = target["expr"].replace("@", described["selectors"])
    return {
        "uid": f"blockproof-{name}",
        "title": described["title"],
        "tags": ["blockproof"],
        "schemaVersion": 39,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "links": [
            {"type": "dashboards", "tags": ["blockproof"], "title": "Blockproof", "asDropdown": True, "keepTime": True}
        ],
        "templating": {
            "list": [source, choice("namespace", "Namespace", f"{metric}, namespace"), *described["variables"]]
        },
        "panels": panels,
    }


def main():
    parser = argparse.ArgumentParser(description="Writes the Grafana dashboards in monitoring/dashboards.")
    parser.add_argument("--check", action="store_true", help="write nothing, fail if one is not what would be written")
    check = parser.parse_args().check
    wrong = []
    for name, described in DASHBOARDS.items():
        path = FOLDER / f"{name}.json"
        text = json.dumps(dashboard(name, described), indent=1, ensure_ascii=False) + "\n"
        if not check:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            wrong.append(path.name)
    wrong += [path.name for path in FOLDER.glob("*.json") if path.stem not in DASHBOARDS]
    if wrong:
        sys.exit(f"not what monitoring/dashboards.py makes: {', '.join(wrong)}; run it")


if __name__ == "__main__":
    main()
