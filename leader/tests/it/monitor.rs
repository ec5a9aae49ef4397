//! What a leader tells those who watch it: metrics while it works, probes, and the list of all metrics in the docs.

use std::fmt::Write;
use std::time::Duration;

use testing::http::get;
use testing::process::{LIMIT, Process, run};
use testing::witness::{root, shipped};

use crate::support::{OK, USAGE, leader};

/// Where a process that was told to take any port answers.
fn address(process: &Process) -> String {
    process.wait_for("metrics and probes are served", LIMIT);
    let log = process.log();
    let (_, rest) = log.split_once("address=").expect("it says where");
    rest.split_whitespace().next().expect("it says where").to_owned()
}

#[test]
fn a_leader_at_work_answers_prometheus_and_probes() {
    let home = leader();
    let mut command = home.command("--mock-prover constant:300 --metrics-addr 127.0.0.1:0 -o proofs stdio");
    let mut process = Process::start(&mut command);
    let address = address(&process);
    process.feed(&shipped("chain.json"));
    process.wait_for("Proving block", LIMIT);
    let (status, text) = get(&address, "/metrics");
    assert_eq!(status, 200, "{text}");
    for series in [
        "blockproof_build_info{binary=\"leader\",commit=",
        "blockproof_blocks_in_progress ",
        "blockproof_backlog_tasks{class=\"segment\",stage=\"queued\"} ",
        "blockproof_backlog_tasks{class=\"merge\",stage=\"waiting\"} ",
        "blockproof_backlog_seconds{class=\"segment\"} ",
        "blockproof_block_tasks{block_hash=\"0x",
        "blockproof_slots ",
        "blockproof_slots_busy ",
        "process_resident_memory_bytes ",
    ] {
        assert!(text.lines().any(|line| line.starts_with(series)), "{series} is missing from\n{text}");
    }
    assert_eq!(get(&address, "/livez"), (200, "ok\n".to_owned()));
    assert_eq!(get(&address, "/readyz"), (200, "ok\n".to_owned()));
    assert_eq!(get(&address, "/").0, 404);
    assert_eq!(process.end(LIMIT).code, Some(OK));
}

#[test]
fn a_leader_without_its_broker_lives_and_is_not_ready() {
    let home = leader();
    // Nobody listens on this port.
    let words =
        "--runtime amqp --amqp-uri amqp://127.0.0.1:1 --mock-prover constant:1 --metrics-addr 127.0.0.1:0 stdio";
    let mut process = Process::start(&mut home.command(words));
    let address = address(&process);
    process.feed(&shipped("transfer.json"));
    process.wait_for("lost the broker", LIMIT);
    let (status, reason) = get(&address, "/readyz");
    assert!(status == 503 && reason.starts_with("broker: "), "{status} {reason}");
    assert_eq!(get(&address, "/livez").0, 200);
    assert!(get(&address, "/metrics").1.contains("\nblockproof_broker_connected 0\n"));
    process.signal("TERM");
    process.end(Duration::from_secs(30));
}

#[test]
fn an_address_that_cannot_be_had_is_named() {
    let home = leader();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("it has one").to_string();
    let words = format!("--mock-prover constant:1 --metrics-addr {taken} stdio");
    run(&mut home.command(&words), "").says("taken", USAGE, &["--metrics-addr", &taken, "in use"]);
    let nonsense = run(&mut home.command("--metrics-addr localhost stdio"), "");
    nonsense.says("no address", USAGE, &["--metrics-addr"]);
}

/// Every family that leader, worker and rpc have, as the table in the docs.
fn table() -> String {
    ops::metrics::build_info("leader", "", "");
    ops::metrics::tasks::families();
    amqp::metrics::families();
    rpc::metrics::families();
    ::leader::metrics::families();
    let mut table = "| metric | type | labels | meaning |\n|---|---|---|---|\n".to_owned();
    for family in ops::metrics::families() {
        let labels: Vec<_> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        let (name, kind, help) = (family.name, family.kind, family.help);
        writeln!(table, "| `{name}` | {kind} | {} | {help} |", labels.join(" ")).expect("strings grow");
    }
    table
}

#[test]
fn the_docs_list_all_metrics() {
    let docs = std::fs::read_to_string(root("docs/metrics.md")).expect("the docs");
    let table = table();
    assert!(docs.contains(&table), "docs/metrics.md does not have this table:\n{table}");
}
