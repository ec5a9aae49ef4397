//! The broker and the relay do what tests of what talks to them rely on.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use testing::broker::{Broker, Options, Queue, Tls, answers};
use testing::certificates::Certificates;
use testing::relay::Relay;

/// What opens AMQP 0-9-1, and the first byte of what a broker answers: that of a method frame.
const HEADER: &[u8] = b"AMQP\0\0\x09\x01";
const METHOD: u8 = 1;

const DEFINITIONS: &str = r#"{"queues": [
    {"name": "tasks", "vhost": "/", "durable": true, "auto_delete": false, "arguments": {"x-queue-type": "quorum"}},
    {"name": "passing", "vhost": "/", "durable": false, "auto_delete": false, "arguments": {}}
]}"#;

fn names(broker: &Broker) -> Vec<String> {
    broker.queues().into_iter().map(|queue| queue.name).collect()
}

/// A connection that has sent the header.
fn greeted(port: u16) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it connects");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    stream.write_all(HEADER).expect("it is sent");
    stream
}

/// The next byte; `None` if the connection is closed.
fn next(stream: &mut TcpStream) -> Option<u8> {
    let mut byte = [0];
    match stream.read(&mut byte) {
        Ok(0) => None,
        Ok(_) => Some(byte[0]),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
        Err(error) => panic!("neither an answer nor an end: {error}"),
    }
}

/// Whether nothing comes for a while.
fn is_silent(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(300))).expect("a socket");
    let silent = stream.peek(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    silent
}

#[test]
fn a_broker_keeps_what_is_durable_however_it_ends_and_leaves_nothing_behind() {
    let began = Instant::now();
    let mut broker = Broker::start();
    testing::say(&format!("RabbitMQ started in {:.1} s", began.elapsed().as_secs_f32()));
    assert_eq!(broker.queues(), []);
    assert_eq!(broker.uri(), format!("amqp://guest:guest@127.0.0.1:{}/%2f", broker.port()));

    broker.define(DEFINITIONS);
    let tasks = broker.await_queue("tasks", |_| true);
    assert_eq!(tasks, Queue { name: "tasks".to_owned(), ready: 0, unacked: 0, consumers: 0 });
    broker.await_queue("passing", |_| true);

    broker.restart();
    assert_eq!(names(&broker), ["tasks"], "after an orderly restart");
    let mut present = greeted(broker.port());
    assert_eq!(next(&mut present), Some(METHOD));
    broker.kill();
    while next(&mut present).is_some() {}
    assert!(!answers(broker.port()));
    assert!(broker.ctl(&["list_queues"]).is_err());
    broker.restart();
    assert_eq!(names(&broker), ["tasks"], "after a crash");
    broker.stop();
    assert!(!answers(broker.port()));
    broker.restart();
    broker.delete_queue("tasks");
    assert_eq!(broker.queues(), []);

    let port = broker.port();
    let folder = broker.folder().to_owned();
    assert!(folder.is_dir());
    drop(broker);
    assert!(!answers(port));
    assert!(!folder.exists());
}

#[test]
fn a_broker_does_what_an_operator_asks() {
    let options = Options { conf: "heartbeat = 7\nconsumer_timeout = 5000".to_owned(), ..Options::default() };
    let broker = Broker::start_with(&options);
    let setting = |name: &str| broker.ctl(&["eval", &format!("application:get_env(rabbit, {name}).")]);
    assert_eq!(setting("heartbeat").as_deref(), Ok("{ok,7}"));
    assert_eq!(setting("consumer_timeout").as_deref(), Ok("{ok,5000}"));
    assert_eq!(setting("channel_tick_interval").as_deref(), Ok("{ok,1000}"));

    let alarms = || broker.ctl(&["eval", "rabbit_alarm:get_alarms()."]).expect("it answers");
    assert_eq!(alarms(), "[]");
    broker.memory_alarm(true);
    assert!(alarms().contains("memory"), "{}", alarms());
    broker.memory_alarm(false);
    assert_eq!(alarms(), "[]");

    broker.add_user("worker", "secret", "", "^results$", "^tasks$");
    let permissions = broker.ctl(&["list_user_permissions", "worker", "--silent"]).expect("it answers");
    assert_eq!(permissions.lines().last(), Some("/\t\t^results$\t^tasks$"));
    broker.set_policy("limit", "^tasks$", r#"{"delivery-limit": 3}"#);
    let policies = broker.ctl(&["list_policies", "--silent"]).expect("it answers");
    assert!(policies.contains(r#"{"delivery-limit":3}"#), "{policies}");
    broker.close_all_connections("test");

    let error = broker.ctl(&["delete_queue", "absent"]).expect_err("there is none");
    assert!(error.contains("Queue not found"), "{error}");

    broker.pause();
    assert!(is_silent(&mut greeted(broker.port())));
    broker.resume();
    assert!(answers(broker.port()));
}

#[test]
fn a_relay_cuts_refuses_and_stalls() {
    let (broker, other) = (Broker::start(), Broker::start());
    assert_ne!(broker.port(), other.port());
    let relay = Relay::to(broker.port());
    assert!(answers(relay.port()));

    let mut present = greeted(relay.port());
    assert_eq!(next(&mut present), Some(METHOD));
    relay.refuse(true);
    let refused = TcpStream::connect(("127.0.0.1", relay.port())).expect_err("nothing listens");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    relay.cut();
    while next(&mut present).is_some() {}
    relay.refuse(false);
    assert!(answers(relay.port()));

    relay.stall(true);
    let mut stalled = greeted(relay.port());
    assert!(is_silent(&mut stalled));
    relay.stall(false);
    assert_eq!(next(&mut stalled), Some(METHOD));
    relay.stall(true);
    relay.cut();
    while next(&mut stalled).is_some() {}
    relay.stall(false);
    assert!(answers(relay.port()));

    drop(broker);
    assert!(!answers(relay.port()), "the server is gone");
    assert!(answers(other.port()), "the other broker is its own");
    let port = relay.port();
    drop(relay);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

/// What AMQP's header is answered with over TLS, by a client that shows a certificate or none.
fn over_tls(broker: &Broker, trusted: &Path, shown: Option<&Certificates>) -> Vec<u8> {
    let uri = broker.tls_uri();
    let address = uri.trim_start_matches("amqps://guest:guest@").trim_end_matches("/%2f");
    let mut command = Command::new("openssl");
    command.args(["s_client", "-quiet", "-verify_return_error", "-verify_ip", "127.0.0.1", "-connect", address]);
    command.arg("-CAfile").arg(trusted);
    if let Some(certificates) = shown {
        command.arg("-cert").arg(&certificates.client).arg("-key").arg(&certificates.client_key);
    }
    let mut client = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let client = client.as_mut().expect("openssl is installed");
    let mut stdin = client.stdin.take().expect("a pipe");
    // Fails if the handshake has failed by now.
    drop(stdin.write_all(HEADER));
    let mut answer = Vec::new();
    client.stdout.take().expect("a pipe").take(1).read_to_end(&mut answer).expect("a pipe");
    drop(client.kill());
    client.wait().expect("a child");
    answer
}

#[test]
fn a_broker_asks_for_certificates_and_shows_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let strangers = Certificates::write(folder.path());
    for tls in [Tls::Server, Tls::Mutual] {
        let broker = Broker::start_with(&Options { tls: Some(tls), ..Options::default() });
        let own = broker.certificates();
        let unasked = tls == Tls::Server;
        assert!(answers(broker.port()));
        assert_eq!(over_tls(&broker, &own.ca, Some(own)), [METHOD], "{tls:?}");
        assert_eq!(over_tls(&broker, &own.ca, None) == [METHOD], unasked, "{tls:?}");
        assert_eq!(over_tls(&broker, &own.ca, Some(&strangers)) == [METHOD], unasked, "{tls:?}");
        assert_eq!(over_tls(&broker, &strangers.ca, Some(own)), [0; 0], "{tls:?}");
    }
}
