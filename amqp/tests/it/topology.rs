//! Exchanges and queues at a real broker: what is there, that declaring it again changes nothing, and who hears what.

use std::collections::BTreeSet;

use amqp::session::{Outgoing, Session, SessionError, publish};
use amqp::topology::{
    self, CONTROL, Class, DEAD, DEAD_QUEUE, HELLO, Priority, REPLIES, RESULTS, TASKS, declare, declare_own,
    declare_results, results_queue, task_queue, task_queues,
};
use lapin::options::BasicGetOptions;

use crate::support::Vhost;

/// What a fresh broker has when leaders and operators have declared what they need: name, type, whether it outlives a
/// restart, arguments.
const EXCHANGES: [&str; 6] = [
    "blockproof.control\tfanout\ttrue\t[]",
    "blockproof.dead\tfanout\ttrue\t[]",
    "blockproof.hello\tfanout\ttrue\t[]",
    "blockproof.replies\tdirect\ttrue\t[]",
    "blockproof.results\tdirect\ttrue\t[]",
    "blockproof.tasks\tdirect\ttrue\t[]",
];

/// The same of queues.
fn queues() -> Vec<String> {
    let mut queues: Vec<_> = task_queues(&Class::ALL)
        .iter()
        .map(|queue| {
            let dead = r#"{"x-dead-letter-exchange","blockproof.dead"}"#;
            format!(r#"{queue}	quorum	true	[{dead},{{"x-queue-type","quorum"}}]"#)
        })
        .collect();
    for queue in [DEAD_QUEUE, "blockproof.results.one", "blockproof.results.two"] {
        queues.push(format!(r#"{queue}	quorum	true	[{{"x-queue-type","quorum"}}]"#));
    }
    queues.sort();
    queues
}

#[test]
fn names_are_those_that_permissions_and_policies_match() {
    assert_eq!(task_queue(Class::Merge, Priority::High), "blockproof.tasks.merge.high");
    assert_eq!(results_queue("one"), "blockproof.results.one");
    let order = ["merge.high", "segment.high", "large.high", "merge.normal", "segment.normal", "large.normal"];
    assert_eq!(task_queues(&Class::ALL), order.map(|name| format!("blockproof.tasks.{name}")));
    let merges = ["blockproof.tasks.merge.high", "blockproof.tasks.merge.normal"];
    assert_eq!(task_queues(&[Class::Merge]), merges);
    assert_eq!(task_queues(&[Class::Large, Class::Merge]).len(), 4);
}

#[test]
fn declared_twice_it_is_the_same() {
    let vhost = Vhost::new();
    let everything = || {
        let lists: [&[&str]; 3] = [
            &["list_queues", "name", "type", "durable", "arguments"],
            &["list_exchanges", "name", "type", "durable", "arguments"],
            &["list_bindings", "destination_name", "source_name", "routing_key", "arguments"],
        ];
        lists.map(|list| vhost.list(list))
    };
    let declare_all = || {
        let broker = vhost.broker.clone();
        vhost.run(async move {
            let session = Session::begin(&broker, "test").await.expect("it connects");
            declare(&session.take).await.expect("it is declared");
            for group in ["one", "two"] {
                declare_results(&session.take, group).await.expect("it is declared");
            }
            session.end().await;
        });
    };
    declare_all();
    let once = everything();
    let [found_queues, exchanges, bindings] = &once;
    assert_eq!(*found_queues, queues());
    let ours: Vec<_> = exchanges.iter().filter(|line| line.starts_with("blockproof")).collect();
    assert_eq!(ours, EXCHANGES.iter().collect::<Vec<_>>());
    let mut expected: Vec<_> =
        task_queues(&Class::ALL).iter().map(|name| format!("{name}\t{TASKS}\t{name}\t[]")).collect();
    expected.push(format!("{DEAD_QUEUE}\t{DEAD}\t\t[]"));
    expected.extend(["one", "two"].map(|group| format!("{RESULTS}.{group}\t{RESULTS}\t{group}\t[]")));
    expected.sort();
    // Every queue is bound to the exchange without a name as well.
    let ours = bindings.iter().filter(|line| line.split('\t').nth(1) != Some(""));
    assert_eq!(ours.cloned().collect::<Vec<_>>(), expected);

    declare_all();
    assert_eq!(everything(), once);
}

#[test]
fn an_own_queue_hears_what_it_should_and_goes_with_its_connection() {
    let vhost = Vhost::new();
    let broker = vhost.broker.clone();
    let names = vhost.run(async move {
        let session = Session::begin(&broker, "test").await.expect("it connects");
        declare(&session.take).await.expect("it is declared");
        let worker = declare_own(&session.take, "worker", &[CONTROL]).await.expect("it is declared");
        let leader = declare_own(&session.take, "leader", &[CONTROL, HELLO]).await.expect("it is declared");
        let operator = declare_own(&session.take, "operator", &[]).await.expect("it is declared");
        let again = declare_own(&session.take, "worker", &[CONTROL]).await.expect("it is declared");
        let names = [worker, leader, operator, again].map(|name| name.to_string());
        let say = async |exchange: &'static str, key: &str| {
            let body = format!("{exchange} {key}").into_bytes();
            let outgoing = Outgoing { exchange, key: key.to_owned(), body, id: String::new(), mandatory: true };
            publish(session.publish.clone(), outgoing).await
        };
        say(CONTROL, "").await.expect("it is heard");
        say(HELLO, "").await.expect("it is heard");
        say(REPLIES, &names[0]).await.expect("it is heard");
        say(REPLIES, &names[2]).await.expect("it is heard");
        let expected = [vec![CONTROL, REPLIES], vec![CONTROL, HELLO], vec![REPLIES], vec![CONTROL]];
        for (name, expected) in names.iter().zip(expected) {
            let mut heard = Vec::new();
            while let Some(got) =
                session.take.basic_get(name.as_str().into(), BasicGetOptions::default()).await.expect(name)
            {
                heard.push(got.delivery.exchange.to_string());
            }
            assert_eq!(heard, expected, "{name}");
        }
        let nobody = say(REPLIES, "blockproof.own.worker.0").await.expect_err("nobody is there");
        assert!(matches!(nobody, SessionError::Unroutable { .. }), "{nobody}");
        session.end().await;
        names
    });
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), 4);
    for (name, role) in names.iter().zip(["worker", "leader", "operator", "worker"]) {
        let random = name.strip_prefix(&format!("blockproof.own.{role}.")).expect(name);
        assert!(random.len() == 16 && random.chars().all(|c| c.is_ascii_hexdigit()), "{name}");
    }
    assert_eq!(vhost.list(&["list_queues", "name"]).iter().find(|name| name.contains(".own.")), None);
}

#[test]
fn what_waits_is_counted_and_a_missing_queue_is_an_error() {
    let vhost = Vhost::new();
    let broker = vhost.broker.clone();
    vhost.run(async move {
        let session = Session::begin(&broker, "test").await.expect("it connects");
        declare(&session.take).await.expect("it is declared");
        let queue = task_queue(Class::Large, Priority::High);
        let mut sent = 0;
        for _ in 0..3 {
            let (key, body) = (queue.clone(), b"task".to_vec());
            let outgoing = Outgoing { exchange: TASKS, key, body, id: "id".to_owned(), mandatory: true };
            publish(session.publish.clone(), outgoing).await.expect("it is taken");
            sent += 1;
        }
        // Counts of quorum queues are samples, a fraction of a second old.
        while topology::ready(&session.take, &queue).await.expect("it is there") != sent {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        for key in ["blockproof.tasks.huge.high".to_owned(), "k".repeat(300)] {
            let outgoing = Outgoing { exchange: TASKS, key, body: Vec::new(), id: String::new(), mandatory: true };
            let error = publish(session.publish.clone(), outgoing).await.expect_err("there is no such queue");
            assert!(matches!(error, SessionError::Unroutable { .. }), "{error}");
        }
        topology::ready(&session.take, "blockproof.tasks.huge.high").await.expect_err("there is none");
        session.end().await;
    });
}
