//! What several subjects need: the program in a home of its own, a broker that tests share, and leaders beside it.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use amqp::connect::{Broker, BrokerArgs};
use amqp::session::{Outgoing, Session, publish};
use clap::Parser;
use testing::home::Home;
use testing::process::this_test;
use testing::witness::root;

pub(crate) const OK: i32 = 0;
pub(crate) const FAILED: i32 = 1;
pub(crate) const USAGE: i32 = 2;

/// Nothing that is waited for takes longer, on a busy machine either.
pub(crate) const SOON: Duration = Duration::from_secs(120);

/// Where [`leader`] puts the command line for [`leader_process`].
const LEADER_ARGS: &str = "WORKER_TEST_LEADER_ARGS";

/// `worker`, as people and scripts call it.
pub(crate) fn worker() -> Home {
    Home::new(env!("CARGO_BIN_EXE_worker"))
}

/// `leader` with these words, as [`Home::command`]. Its library in a process of its own, which is this test program once
/// more: a binary of another package need not have been built, or be of the same sources.
pub(crate) fn leader(home: &Home, words: &str) -> Command {
    let line: Vec<_> = ["leader"].into_iter().chain(words.split_whitespace()).collect();
    let mut command = this_test("support::leader_process", &home.path(""));
    command.env(LEADER_ARGS, serde_json::to_string(&line).expect("strings are JSON"));
    command.current_dir(home.path("work"));
    command
}

/// No scenario: what the process started by [`leader`] does.
#[test]
#[expect(clippy::exit, reason = "it is a process's whole work, and its exit code what the tests look at")]
fn leader_process() {
    let Ok(line) = std::env::var(LEADER_ARGS) else { return };
    let line: Vec<String> = serde_json::from_str(&line).expect("a command line");
    let cli = leader::cli::Cli::try_parse_from(line).unwrap_or_else(|error| error.exit());
    let screen = ops::log::init(&cli.log);
    let exit = ops::exit::report(leader::run(cli, &screen));
    std::process::exit((0..=u8::MAX).find(|code| ExitCode::from(*code) == exit).expect("a code").into())
}

/// Words for `leader` that prove a block of one transaction by mocks.
pub(crate) fn mock_block() -> String {
    format!("--runtime amqp --mock-prover constant:1 stdio {}", root("witnesses/transfer.json").display())
}

/// Shared, since a node takes seconds and 100 MB.
pub(crate) static NODE: LazyLock<testing::broker::Broker> = LazyLock::new(testing::broker::Broker::start);

/// An empty vhost of the shared broker, and the address of it for `guest`.
pub(crate) fn vhost() -> (String, String) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("v{}", COUNT.fetch_add(1, Ordering::Relaxed));
    NODE.ctl(&["add_vhost", &name]).expect("a vhost");
    NODE.ctl(&["set_permissions", "-p", &name, "guest", ".*", ".*", ".*"]).expect("permissions");
    let address = NODE.uri().replace("%2f", &name);
    (name, address)
}

/// A path as a word of a command line.
pub(crate) fn word(path: &Path) -> &str {
    path.to_str().expect("a path in text")
}

/// A broker, given its address.
pub(crate) fn broker(address: &str) -> Broker {
    let args = BrokerArgs {
        amqp_uri: address.parse().ok(),
        amqp_username_file: None,
        amqp_password_file: None,
        amqp_ca_file: None,
        amqp_cert_file: None,
        amqp_key_file: None,
    };
    Broker::new(&args).expect("an address")
}

/// Publishes a message.
pub(crate) fn say(address: &str, message: Outgoing) {
    let broker = broker(address);
    let threads = broker.threads();
    let said = threads.spawn(async move {
        let session = Session::begin(&broker, "test").await.expect("it connects");
        publish(session.publish.clone(), message).await.expect("it is taken");
        session.end().await;
    });
    threads.block_on(said).expect("it is said");
}
