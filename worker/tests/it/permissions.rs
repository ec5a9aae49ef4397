//! Users as `tools/rabbitmq/setup.sh` makes them, at a real broker: what each role needs is enough, and what a stolen
//! password of a worker is good for.

use std::process::Command;
use std::time::Duration;

use amqp::message::{ResultMessage, TaskMessage, decode, encode};
use amqp::session::{Outgoing, SessionError, publish};
use amqp::topology::{CONTROL, Class, DEAD, DEAD_QUEUE, HELLO, REPLIES, RESULTS, TASKS, declare_own, task_queues};
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicGetOptions, ConfirmSelectOptions, ExchangeBindOptions,
    ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
    QueuePurgeOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ExchangeKind};
use ops::queue::{Cause, Outcome};
use testing::home::Home;
use testing::process::{Process, Run, run};
use testing::witness::root;

use crate::support::{FAILED, NODE, OK, SOON, USAGE, broker, leader, mock_block, vhost, word, worker};

/// A vhost with a user for each role, who is called as role and vhost.
struct Ground {
    home: Home,
    vhost: String,
    address: String,
}

const ROLES: [&str; 4] = ["leader", "worker", "operator", "monitor"];

impl Ground {
    fn new() -> Self {
        let (home, (vhost, address)) = (worker(), vhost());
        let ground = Self { home, vhost, address };
        ground.set_up("secret").expect(OK, &["consumer_timeout = 10800000"]);
        ground
    }

    /// `setup.sh` with a `rabbitmqctl` that writes down what it is called with.
    fn set_up(&self, password: &str) -> Run {
        let (log, ctl) = (self.home.path("work/calls"), NODE.ctl_script());
        let script = format!("echo \"$@\" >> {}\nexec sh {} \"$@\"\n", word(&log), word(&ctl));
        let script = self.home.file("rabbitmqctl", &script);
        let password = self.home.file("password", &format!("{password}\n"));
        let mut command = setup();
        command.args(["--vhost", &self.vhost, "--rabbitmqctl", &format!("sh {}", word(&script))]);
        for role in ROLES {
            command.args([format!("--{role}"), format!("{role}-{}={}", self.vhost, word(&password))]);
        }
        run(&mut command, "")
    }

    /// The address for the user of a role.
    fn address_of(&self, role: &str) -> String {
        self.address.replace("guest:guest", &format!("{role}-{}:secret", self.vhost))
    }

    fn worker(&self, words: &str) -> Process {
        let words = format!("--mock-prover constant:1 {words}");
        Process::start(self.home.command(&words).env("AMQP_URI", self.address_of("worker")))
    }

    fn leader(&self, words: &str) -> Process {
        let mut process = Process::start(leader(&self.home, words).env("AMQP_URI", self.address_of("leader")));
        process.feed("");
        process
    }

    /// `leader queue …`, as an operator.
    fn operate(&self, words: &str) -> Run {
        let words = format!("queue {words}");
        let run = Process::start(leader(&self.home, &words).env("AMQP_URI", self.address_of("operator"))).end(SOON);
        run.succeeds(&words);
        run
    }

    /// Does something with a connection of a role's user.
    fn with<T: Send + 'static, F: Future<Output = T> + Send>(
        &self,
        role: &str,
        work: impl FnOnce(Client) -> F + Send + 'static,
    ) -> T {
        let broker = broker(&self.address_of(role));
        let threads = broker.threads();
        let done = async move { work(Client(broker.connect("test").await.expect("it connects"))).await };
        let done = threads.spawn(done);
        threads.block_on(done).expect("it does not panic")
    }
}

/// The script, from any folder.
fn setup() -> Command {
    Command::new(root("tools/rabbitmq/setup.sh"))
}

/// A connection whose user tries this and that.
struct Client(Connection);

impl Client {
    async fn channel(&self) -> Channel {
        self.0.create_channel().await.expect("a channel")
    }

    async fn refused<T>(&self, what: &str, attempt: impl AsyncFnOnce(Channel) -> lapin::Result<T>) {
        match attempt(self.channel().await).await {
            Ok(_) => panic!("{what}: it is allowed"),
            Err(error) => assert!(error.to_string().contains("ACCESS_REFUSED"), "{what}: {error}"),
        }
    }

    async fn publishes(&self, exchange: &'static str, key: &str) -> Result<(), SessionError> {
        let (key, body) = (key.to_owned(), b"a word".to_vec());
        self.says(Outgoing { exchange, key, body, id: String::new(), mandatory: false }).await
    }

    async fn says(&self, word: Outgoing) -> Result<(), SessionError> {
        let channel = self.channel().await;
        channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
        publish(channel, word).await
    }

    async fn is_not_heard(&self, exchange: &'static str, key: &str) {
        let error = self.publishes(exchange, key).await.expect_err("it is allowed");
        assert!(error.to_string().contains("ACCESS_REFUSED"), "`{exchange}` `{key}`: {error}");
    }

    async fn may_not_take_from(&self, queue: &str) {
        let queue = || queue.into();
        let none = FieldTable::default;
        self.refused("get", async |channel| channel.basic_get(queue(), BasicGetOptions::default()).await).await;
        self.refused("purge", async |channel| channel.queue_purge(queue(), QueuePurgeOptions::default()).await).await;
        let options = BasicConsumeOptions::default;
        self.refused("consume", async |channel| channel.basic_consume(queue(), "".into(), options(), none()).await)
            .await;
    }

    async fn may_not_change_queue(&self, queue: &str) {
        let (name, none) = (|| queue.into(), FieldTable::default);
        let durable = QueueDeclareOptions::durable;
        self.refused("declare", async |channel| channel.queue_declare(name(), durable(), none()).await).await;
        self.refused("delete", async |channel| channel.queue_delete(name(), QueueDeleteOptions::default()).await).await;
        for exchange in [CONTROL, REPLIES, HELLO, TASKS, RESULTS, DEAD, "amq.fanout"] {
            let options = QueueBindOptions::default;
            let bind = async |channel: Channel| {
                channel.queue_bind(name(), exchange.into(), "".into(), options(), none()).await
            };
            self.refused(&format!("bind {queue} to {exchange}"), bind).await;
        }
        let unbind = async |channel: Channel| channel.queue_unbind(name(), TASKS.into(), queue.into(), none()).await;
        self.refused("unbind", unbind).await;
    }

    async fn may_not_change_exchange(&self, exchange: &str) {
        let (name, none) = (|| exchange.into(), FieldTable::default);
        let (direct, options) = (ExchangeKind::Direct, ExchangeDeclareOptions::default);
        let declare = async |channel: Channel| channel.exchange_declare(name(), direct, options(), none()).await;
        self.refused("declare", declare).await;
        let delete = ExchangeDeleteOptions::default;
        self.refused("delete", async |channel| channel.exchange_delete(name(), delete()).await).await;
    }
}

fn shared_queues() -> Vec<String> {
    let results = format!("{RESULTS}.default");
    task_queues(&Class::ALL).into_iter().chain([results, DEAD_QUEUE.to_owned()]).collect()
}

#[test]
fn what_each_role_may_do_is_enough() {
    let ground = Ground::new();
    ground.operate("status");
    let mut worker = ground.worker("--name apprentice");
    worker.wait_for("connected", SOON);
    ground.leader(&format!("{} --group other", mock_block())).end(SOON).expect(OK, &["MOCK, not proved: block 1"]);
    ground.leader(&mock_block()).end(SOON).expect(OK, &["MOCK, not proved: block 1"]);

    let status = ground.operate("status");
    assert!(status.stdout.contains("apprentice"), "{}", status.stdout);
    // A dead letter, from a worker; an operator looks at it, and drops it.
    ground.with("worker", async |client| client.publishes(TASKS, "blockproof.tasks.merge.high").await.expect("it may"));
    let look = || ground.operate("dead list").stdout.contains("no task");
    let end = std::time::Instant::now() + SOON;
    while !look() {
        assert!(std::time::Instant::now() < end, "garbage in a queue of tasks did not become a dead letter");
    }
    ground.operate("dead drop --all");
    ground.operate("retry --all");
    ground.operate("cancel --all");
    ground.operate("purge");
    assert!(ground.operate("dead list").stdout.contains("no dead tasks"));
    worker.signal("TERM");
    let worked = worker.end(SOON);
    worked.expect(OK, &["to the dead letters", "drained"]);
    assert!(!worked.stderr.contains("ACCESS_REFUSED"), "{}", worked.stderr);
}

/// Trying on for ever would look like waiting for work.
#[test]
fn a_user_without_the_rights_of_its_role_is_told() {
    let ground = Ground::new();
    ground.leader(&format!("{} --group first", mock_block())).wait_for("connected", SOON);
    let address = ground.address_of("monitor");
    let worker = Process::start(ground.home.command("--mock-prover constant:1").env("AMQP_URI", &address));
    worker.end(SOON).expect(FAILED, &["does not allow this user what it needs", "docs/rabbitmq.md", "ACCESS_REFUSED"]);
    let mut leader = Process::start(leader(&ground.home, &mock_block()).env("AMQP_URI", &address));
    leader.feed("");
    leader.end(SOON).expect(FAILED, &["block 1", "does not allow this user what it needs", "docs/rabbitmq.md"]);
}

#[test]
fn a_user_of_a_worker_changes_nothing_that_is_shared() {
    let ground = Ground::new();
    // Makes all there is; it waits for workers.
    let leader = ground.leader(&mock_block());
    leader.wait_for("connected", SOON);
    ground.with("worker", async |client| {
        for queue in shared_queues() {
            client.may_not_change_queue(&queue).await;
        }
        for name in ["mine", "blockproof.mine", "blockproof.tasks.mine", "blockproof.own.leader.1", ""] {
            let options = QueueDeclareOptions { exclusive: true, ..Default::default() };
            let declare =
                async |channel: Channel| channel.queue_declare(name.into(), options, FieldTable::default()).await;
            client.refused(name, declare).await;
        }
        for exchange in [TASKS, RESULTS, DEAD, CONTROL, HELLO, REPLIES, "blockproof.own.worker"] {
            client.may_not_change_exchange(exchange).await;
        }
        // No word to everybody: no cancel, no fence. Nor one past the exchanges, straight into a queue.
        client.is_not_heard(CONTROL, "").await;
        for (exchange, key) in
            [("", "blockproof.results.default"), ("", DEAD_QUEUE), ("amq.fanout", ""), ("amq.topic", "")]
        {
            client.is_not_heard(exchange, key).await;
        }
        // What others have said stays theirs.
        client.may_not_take_from("blockproof.results.default").await;
        client.may_not_take_from(DEAD_QUEUE).await;
        let own = declare_own(&client.channel().await, "worker", &[CONTROL]).await.expect("as workers do");
        for exchange in [TASKS, RESULTS, DEAD, HELLO] {
            let bind = async |channel: Channel| {
                let options = QueueBindOptions::default();
                channel.queue_bind(own.clone(), exchange.into(), "".into(), options, FieldTable::default()).await
            };
            client.refused(&format!("listen to {exchange}"), bind).await;
        }
        for (to, from) in [(CONTROL, REPLIES), (TASKS, HELLO), (RESULTS, TASKS), ("amq.fanout", CONTROL)] {
            let bind = async |channel: Channel| {
                let options = ExchangeBindOptions::default();
                channel.exchange_bind(to.into(), from.into(), "".into(), options, FieldTable::default()).await
            };
            client.refused(&format!("{from} into {to}"), bind).await;
        }
    });
    // The queue of another worker is that worker's alone, though the name is one that workers may use.
    let other = ground.worker("--name other");
    other.wait_for("connected", SOON);
    let queues = NODE.ctl(&["list_queues", "--silent", "-p", &ground.vhost, "name"]).expect("a list");
    let own = queues.lines().find(|name| name.starts_with("blockproof.own.worker.")).expect("it has one").to_owned();
    ground.with("worker", async move |client| {
        let queue = || own.as_str().into();
        let results = [
            client.channel().await.queue_delete(queue(), QueueDeleteOptions::default()).await.map(drop),
            client.channel().await.queue_purge(queue(), QueuePurgeOptions::default()).await.map(drop),
            client.channel().await.basic_get(queue(), BasicGetOptions::default()).await.map(drop),
        ];
        for result in results {
            let error = result.expect_err("it is allowed").to_string();
            assert!(error.contains("RESOURCE_LOCKED"), "{error}");
        }
    });
    leader.end(SOON).expect(OK, &["MOCK, not proved: block 1"]);
}

/// Taking tasks is what a worker is there for, and who may take may empty a queue. The leader misses them.
#[test]
fn tasks_that_a_thief_has_taken_are_given_out_again() {
    let ground = Ground::new();
    let leader = ground.leader(&mock_block());
    leader.wait_for("connected", SOON);
    let queue = "blockproof.tasks.segment.normal";
    let taken = ground.with("worker", async move |client| {
        let channel = client.channel().await;
        let end = tokio::time::Instant::now() + SOON;
        let mut taken = 0;
        // The block has two segments; one is taken and acknowledged, and the queue is emptied of the other.
        while taken < 1 {
            assert!(tokio::time::Instant::now() < end, "no task is given out");
            match channel.basic_get(queue.into(), BasicGetOptions::default()).await.expect("a worker may") {
                Some(got) => {
                    got.delivery.ack(BasicAckOptions::default()).await.expect("it is acknowledged");
                    taken += 1;
                }
                None => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
        while taken < 2 {
            assert!(tokio::time::Instant::now() < end, "one task is given out");
            taken += channel.queue_purge(queue.into(), QueuePurgeOptions::default()).await.expect("3.10.8 lets it");
        }
        taken
    });
    assert_eq!(taken, 2);
    let mut worker = ground.worker("");
    leader.wait_for("it is lost", SOON);
    leader.end(SOON).expect(OK, &["MOCK, not proved: block 1"]);
    worker.signal("TERM");
    worker.end(SOON).expect(OK, &["drained"]);
}

/// What `docs/rabbitmq.md` says that it is good for, and cannot be kept out by rights: a task that was taken is reported as
/// failed, and exchanges are bound to each other.
#[test]
fn a_thief_can_fail_a_block_and_bind_exchanges() {
    let ground = Ground::new();
    let leader = ground.leader(&mock_block());
    leader.wait_for("connected", SOON);
    ground.with("worker", async |client| {
        let channel = client.channel().await;
        let passive = QueueDeclareOptions { passive: true, ..Default::default() };
        let seen = channel.queue_declare(DEAD_QUEUE.into(), passive, FieldTable::default()).await;
        assert_eq!(seen.expect("names are no secret").message_count(), 0);
        let bind = ExchangeBindOptions::default();
        let bound = channel.exchange_bind(DEAD.into(), CONTROL.into(), "".into(), bind, FieldTable::default()).await;
        bound.expect("it may write to the one and read the other");

        let queue = "blockproof.tasks.segment.normal";
        let end = tokio::time::Instant::now() + SOON;
        let got = loop {
            assert!(tokio::time::Instant::now() < end, "no task is given out");
            match channel.basic_get(queue.into(), BasicGetOptions::default()).await.expect("a worker may") {
                Some(got) => break got,
                None => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        };
        let TaskMessage { task, run, group, .. } = decode(&got.delivery.data).expect("a task");
        let (worker, reason) = ("thief".to_owned(), "I say so".to_owned());
        let outcome = Some(Outcome::Failed { cause: Cause::Invalid, reason });
        let (id, block, task) = (task.id, task.block, task.digest());
        let report = ResultMessage { id, task, block, run, worker, outcome, output: None, signature: None };
        let (body, id) = (encode(&report), String::new());
        client.says(Outgoing { exchange: RESULTS, key: group, body, id, mandatory: true }).await.expect("it is heard");
    });
    leader.end(SOON).expect(FAILED, &["block 1: I say so"]);
    let bindings = ["list_bindings", "--silent", "-p", &ground.vhost, "source_name", "destination_name"];
    assert!(NODE.ctl(&bindings).expect("a list").contains(&format!("{CONTROL}\t{DEAD}")), "administrators see it");
}

#[test]
fn operators_and_monitors_do_not_take_what_is_for_others() {
    let ground = Ground::new();
    let leader = ground.leader(&mock_block());
    leader.wait_for("connected", SOON);
    ground.with("operator", async |client| {
        client.may_not_take_from("blockproof.results.default").await;
        client.is_not_heard(RESULTS, "default").await;
        client.is_not_heard(HELLO, "").await;
    });
    ground.with("monitor", async |client| {
        for queue in shared_queues() {
            client.may_not_change_queue(&queue).await;
            client.may_not_take_from(&queue).await;
        }
        for exchange in [TASKS, RESULTS, DEAD, CONTROL, HELLO, REPLIES] {
            client.may_not_change_exchange(exchange).await;
            client.is_not_heard(exchange, "").await;
        }
    });
}

#[test]
fn policies_hold_where_they_should() {
    let ground = Ground::new();
    let leader = ground.leader(&mock_block());
    leader.wait_for("connected", SOON);
    let names = NODE.ctl(&["list_queues", "--silent", "-p", &ground.vhost, "name", "policy"]).expect("a list");
    assert_eq!(names.lines().count(), 6 + 1 + 1 + 2, "{names}");
    for line in names.lines() {
        let kind = line.split(['.', '\t']).nth(1).expect("a name");
        assert!(line.ends_with(&format!("\tblockproof-{kind}")), "{line}");
    }
    let policies = NODE.ctl(&["list_policies", "--silent", "-p", &ground.vhost]).expect("a list");
    let parts = [
        r#""delivery-limit":20,"max-length":100000,"overflow":"reject-publish""#,
        r#""expires":604800000"#,
        r#""max-length":10000,"overflow":"drop-head""#,
    ];
    for part in parts {
        assert!(policies.contains(part), "`{part}` is not in {policies}");
    }

    // Reports that nobody will ever hear do not stay for ever; it takes a second here instead of a week.
    drop(leader);
    let soon = r#"{"expires": 1000}"#;
    let results = "^blockproof\\.results\\.";
    let words = ["set_policy", "-p", &ground.vhost, "soon", results, soon, "--priority", "10", "--apply-to", "queues"];
    NODE.ctl(&words).expect("a policy");
    let there =
        || NODE.ctl(&["list_queues", "--silent", "-p", &ground.vhost, "name"]).expect("a list").contains(".results.");
    let end = std::time::Instant::now() + SOON;
    while there() {
        assert!(std::time::Instant::now() < end, "the queue of a leader that is gone stays");
    }
}

#[test]
fn setting_up_again_changes_passwords_and_shows_none() {
    let ground = Ground::new();
    ground.set_up("hunter2").expect(OK, &[]);
    let address = ground.address_of("worker");
    let words = format!("--mock-prover constant:1 --amqp-uri {address}");
    ground.home.run(&words, "").fails("the old password", USAGE, &["refuses"]);
    let mut changed = ground.home.command("--mock-prover constant:1");
    let mut changed = Process::start(changed.env("AMQP_URI", address.replace("secret", "hunter2")));
    changed.wait_for("ready to prove", SOON);
    changed.signal("TERM");
    changed.end(SOON).expect(OK, &["drained"]);
    let calls = std::fs::read_to_string(ground.home.path("work/calls")).expect("calls");
    assert!(calls.contains("add_user worker-") && calls.contains("change_password worker-"), "{calls}");
    assert!(!calls.contains("secret") && !calls.contains("hunter2"), "{calls}");
}

#[test]
fn a_dry_run_prints_and_does_nothing() {
    let home = worker();
    let password = home.file("password", "hunter2");
    let words = |version: &str| {
        let mut command = setup();
        command.args(["--dry-run", "--rabbitmqctl", "false", "--vhost", "prover", "--broker-version", version]);
        command.args([
            "--worker".to_owned(),
            format!("w={}", word(&password)),
            "--leader".to_owned(),
            "l=-".to_owned(),
        ]);
        run(&mut command, "")
    };
    let old = words("3.10.8");
    old.expect(OK, &["consumer_timeout = 10800000"]);
    assert!(!old.stdout.contains("consumer-timeout"), "{}", old.stdout);
    let new = words("4.2.1");
    assert_eq!((new.code, new.stderr.as_str()), (Some(OK), ""));
    let lines = [
        "false add_vhost prover".to_owned(),
        format!("false add_user w < {}", word(&password)),
        "false add_user l < -".to_owned(),
        "consumer-timeout".to_owned(),
        r"false set_permissions -p prover w '^blockproof\.(own\.worker\..+)$'".to_owned(),
    ];
    for line in lines {
        assert!(new.stdout.contains(&line), "`{line}` is not in {}", new.stdout);
    }
    assert!(!new.stdout.contains("hunter2"));

    let wrong: [(&[&str], &str); 6] = [
        (&["--nonsense"], "--nonsense"),
        (&["--vhost"], "needs a value"),
        (&["--worker", "w"], "USER=FILE"),
        (&["--worker", "w=/absent"], "/absent"),
        (&["--rabbitmqctl", "false"], "does not answer"),
        (&["--dry-run", "--broker-version", "3.9.1"], "3.10"),
    ];
    for (words, part) in wrong {
        run(setup().args(words), "").expect(USAGE, &["setup.sh: ", part]);
    }
}
