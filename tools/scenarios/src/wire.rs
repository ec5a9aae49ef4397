//! A connection of a scenario's own to the broker: to listen to what goes by, and to say what nobody should.

use std::str::FromStr;
use std::time::Duration;

use amqp::connect::{Broker, BrokerArgs, Secret};
use amqp::message::{TaskMessage, decode};
use amqp::session::{Outgoing, Session, publish};
use amqp::topology::{self, Class, task_queues};
use anyhow::Context;
use futures_util::StreamExt;
use lapin::options::{BasicConsumeOptions, BasicGetOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{FieldTable, ShortString};

/// The connection.
#[derive(Debug)]
pub struct Wire {
    broker: Broker,
    session: Session,
}

/// A queue that gets a copy of what goes by.
#[derive(Debug)]
pub struct Tap(ShortString);

impl Wire {
    /// Connects, and declares what leaders declare.
    pub fn connect(uri: &str) -> anyhow::Result<Self> {
        let broker = Broker::new(&BrokerArgs {
            amqp_uri: Some(Secret::from_str(uri)?),
            amqp_username_file: None,
            amqp_password_file: None,
            amqp_ca_file: None,
            amqp_cert_file: None,
            amqp_key_file: None,
        })?;
        let session = broker.threads().block_on(async {
            let session = Session::begin(&broker, "scenario").await?;
            topology::declare(&session.take).await?;
            Ok::<_, anyhow::Error>(session)
        })?;
        Ok(Self { broker, session })
    }

    /// Runs something on the threads that talk to the broker.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.broker.threads().block_on(future)
    }

    /// Publishes a message, and waits until the broker has it.
    pub fn publish(&self, exchange: &'static str, key: &str, body: Vec<u8>) -> anyhow::Result<()> {
        self.publish_all(exchange, key, vec![body])
    }

    /// Publishes messages as fast as the broker takes them.
    pub fn publish_all(&self, exchange: &'static str, key: &str, bodies: Vec<Vec<u8>>) -> anyhow::Result<()> {
        let send = |body| {
            let (key, id) = (key.to_owned(), String::new());
            publish(self.session.publish.clone(), Outgoing { exchange, key, body, id, mandatory: true })
        };
        self.block_on(async {
            let mut published = futures_util::stream::iter(bodies).map(send).buffer_unordered(64);
            while let Some(result) = published.next().await {
                result.with_context(|| format!("publishing to {exchange}"))?;
            }
            Ok(())
        })
    }

    /// Declares the queue of a group of leaders, as a leader does.
    pub fn declare_results(&self, group: &str) -> anyhow::Result<String> {
        Ok(self.block_on(topology::declare_results(&self.session.take, group))?)
    }

    /// Copies all that is sent to an exchange with these keys from now on.
    pub fn tap(&self, exchange: &str, keys: &[String]) -> anyhow::Result<Tap> {
        let take = &self.session.take;
        self.block_on(async {
            let options = QueueDeclareOptions { exclusive: true, ..Default::default() };
            let queue = take.queue_declare("".into(), options, FieldTable::default()).await?;
            for key in keys {
                let (name, key) = (queue.name().clone(), key.as_str().into());
                let options = QueueBindOptions::default();
                take.queue_bind(name, exchange.into(), key, options, FieldTable::default()).await?;
            }
            Ok(Tap(queue.name().clone()))
        })
    }

    /// Copies all tasks that are given out from now on.
    pub fn tap_tasks(&self) -> anyhow::Result<Tap> {
        self.tap(topology::TASKS, &task_queues(&Class::ALL))
    }

    /// What a tap has got since it was asked last.
    pub fn heard(&self, tap: &Tap) -> anyhow::Result<Vec<Vec<u8>>> {
        let options = BasicGetOptions { no_ack: true };
        self.block_on(async {
            let mut heard = Vec::new();
            while let Some(got) = self.session.take.basic_get(tap.0.clone(), options).await? {
                heard.push(got.delivery.data);
            }
            Ok(heard)
        })
    }

    /// The tasks that a tap has got since it was asked last, and their messages.
    pub fn heard_tasks(&self, tap: &Tap) -> anyhow::Result<Vec<(TaskMessage, Vec<u8>)>> {
        let messages = self.heard(tap)?.into_iter();
        messages.map(|body| Ok((decode(&body).context("a task's message")?, body))).collect()
    }

    /// Takes messages from a queue until `enough` has seen what it waits for.
    pub fn take_until(
        &self,
        queue: &str,
        limit: Duration,
        mut enough: impl FnMut(&[u8]) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
        let take = async {
            let (none, take) = (FieldTable::default(), &self.session.take);
            let mut consumer = take.basic_consume(queue.into(), "".into(), options, none).await?;
            loop {
                let message = consumer.next().await.context("the broker delivers no more")??;
                if enough(&message.data)? {
                    return Ok(());
                }
            }
        };
        // A timer needs the runtime, too.
        let limited = self.block_on(async { tokio::time::timeout(limit, take).await });
        limited.with_context(|| format!("waited {} s for messages in {queue}", limit.as_secs()))?
    }
}
