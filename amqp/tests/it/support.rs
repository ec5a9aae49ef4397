//! What several subjects need: a broker that they share, each test with a vhost of its own, and tasks to send through it.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use amqp::connect::{Broker, BrokerArgs, Secret};
use amqp::message::TaskMessage;
use amqp::topology::{Class, Priority};
use ethereum_types::H256;
use ops::digest::Digest;
use ops::task::{BlockId, FORMAT, SegmentWork, Task, Work};

/// Shared, since a node takes seconds and 100 MB.
pub(crate) static NODE: LazyLock<testing::broker::Broker> = LazyLock::new(testing::broker::Broker::start);

/// An empty vhost of the shared broker.
#[derive(Debug)]
pub(crate) struct Vhost {
    /// Its name.
    pub(crate) name: String,
    /// How to get there.
    pub(crate) broker: Broker,
}

impl Vhost {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("v{}", COUNT.fetch_add(1, Ordering::Relaxed));
        NODE.ctl(&["add_vhost", &name]).expect("a vhost");
        NODE.ctl(&["set_permissions", "-p", &name, "guest", ".*", ".*", ".*"]).expect("permissions");
        let address = NODE.uri().replace("%2f", &name);
        let broker = Broker::new(&args(&address)).expect("an address");
        Self { name, broker }
    }

    /// What `rabbitmqctl` lists, sorted, such as `list_queues name type`.
    pub(crate) fn list(&self, command: &[&str]) -> Vec<String> {
        let (list, columns) = command.split_first().expect("a command");
        let words = [&[*list, "--silent", "-p", &self.name], columns].concat();
        let mut lines: Vec<_> = NODE.ctl(&words).expect("it lists").lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }

    /// Runs something on the broker's threads.
    pub(crate) fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        let threads = self.broker.threads();
        let work = threads.spawn(work);
        threads.block_on(work).expect("it does not panic")
    }
}

/// How to reach a broker, with nothing but its address.
pub(crate) fn args(address: &str) -> BrokerArgs {
    let amqp_uri: Option<Secret> = address.parse().ok();
    BrokerArgs {
        amqp_uri,
        amqp_username_file: None,
        amqp_password_file: None,
        amqp_ca_file: None,
        amqp_cert_file: None,
        amqp_key_file: None,
    }
}

/// A block.
pub(crate) fn block(number: u64) -> BlockId {
    BlockId { number, hash: H256::repeat_byte(0xab) }
}

/// A task to prove a segment.
pub(crate) fn segment(block: BlockId, index: u32) -> Task {
    let work = SegmentWork {
        batch: 2,
        inputs: Digest::of_bytes(b"inputs"),
        index,
        max_cpu_len_log: 17,
        txs: (20, 30),
        memory_mb: 4000,
    };
    task(block, Work::Segment(work), &index.to_be_bytes())
}

/// A task with an id by some text.
pub(crate) fn task(block: BlockId, work: Work, name: &[u8]) -> Task {
    let (id, circuits) = (Digest::of_bytes(name), Digest::of_bytes(b"circuits"));
    Task { format: FORMAT, id, circuits, block, work }
}

/// A task on its way.
pub(crate) fn message(task: Task) -> TaskMessage {
    TaskMessage {
        task,
        run: Digest::of_bytes(b"run"),
        group: "default".to_owned(),
        class: Class::Segment,
        priority: Priority::Normal,
        failures: 1,
        lost: 2,
        sent: 1_700_000_000_000,
    }
}
