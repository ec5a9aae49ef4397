//! What every session with the broker does: two connections, and publishing that is believed only when confirmed.
//!
//! A session ends with its first error and takes its connections with it; whoever runs it begins a new one, after a
//! rest. lapin's own recovery is not used: it does not cover channels that the broker closes.

use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation, Connection};

use crate::connect::Broker;
use crate::metrics::{Operation, families};

/// Longest rest between two sessions.
const LONGEST_REST: Duration = Duration::from_secs(30);

/// Longest time that the broker takes for an answer: lapin may wait for ever for one on a connection that was just cut.
const ANSWER: Duration = Duration::from_secs(20);

/// So many sessions in a row may end since the broker does not allow something.
const MAX_FORBIDDEN: u32 = 4;

/// Why a session has ended.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The connection, the channel, or what was asked of the broker.
    #[error("{0}")]
    Broker(#[from] lapin::Error),
    /// The broker has stopped to deliver: it has cancelled the consumer, or its queue is gone.
    #[error("the broker delivers no more from queue {0}")]
    Cancelled(String),
    /// A queue is missing.
    #[error("there is no queue for messages to exchange `{exchange}` with key `{key}`")]
    Unroutable {
        /// Exchange.
        exchange: String,
        /// Routing key.
        key: String,
    },
    /// The broker does not read what is published.
    #[error("the broker takes no messages, it may be short of memory or disk space")]
    Blocked,
    /// No answer, and no error either.
    #[error("the broker does not answer")]
    Silent,
    /// The broker could not store a message.
    #[error("the broker has refused a message")]
    Refused,
}

impl SessionError {
    /// Whether the broker does not allow it, which trying on does not change.
    fn is_forbidden(&self) -> bool {
        matches!(self, Self::Broker(error) if error.to_string().contains("ACCESS_REFUSED"))
    }
}

/// The connections of a session. A broker that is short of memory stops to read from connections that publish; what it
/// delivers and what is acknowledged must not wait for that.
#[derive(Debug)]
pub struct Session {
    /// For taking and acknowledging.
    pub take: Channel,
    /// For publishing, with confirms.
    pub publish: Channel,
    connections: [Connection; 2],
}

impl Session {
    /// Connects twice.
    pub async fn begin(broker: &Broker, name: &str) -> Result<Self, SessionError> {
        let taking = broker.connect(&format!("{name} takes")).await?;
        let publishing = broker.connect(&format!("{name} publishes")).await?;
        let take = taking.create_channel().await?;
        let publish = publishing.create_channel().await?;
        publish.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Self { take, publish, connections: [taking, publishing] })
    }

    /// Fails if a connection was lost without anybody being told.
    pub fn check(&self) -> Result<(), SessionError> {
        let connected = self.connections.iter().all(|connection| connection.status().connected());
        match connected && self.take.status().connected() && self.publish.status().connected() {
            true => Ok(()),
            false => Err(SessionError::Silent),
        }
    }

    /// Publishes something whose loss does no harm, without waiting: a broker that is short of memory takes nothing for
    /// a while.
    pub fn send(&self, exchange: &'static str, key: &str, body: Vec<u8>) {
        // The key may come from anybody.
        let Ok(key) = ShortString::try_new(key) else {
            return tracing::warn!("a message to {exchange} was dropped: its key is too long to be one");
        };
        let channel = self.publish.clone();
        tokio::spawn(async move {
            let options = BasicPublishOptions::default();
            let sent = channel.basic_publish(exchange.into(), key, options, &body, BasicProperties::default()).await;
            // A confirmation that nobody waits for is kept by lapin for ever.
            let confirmed = match sent {
                Ok(sent) => sent.await,
                Err(error) => Err(error),
            };
            if let Err(error) = confirmed {
                tracing::debug!("a message to {exchange} was lost: {error}");
            }
        });
    }

    /// Says good-bye. A broker that does not listen hears of it when the sockets close.
    pub async fn end(self) {
        for connection in self.connections {
            let close = connection.close(200, "done".into());
            match tokio::time::timeout(Duration::from_secs(2), close).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!("closing a connection: {error}"),
                Err(_) => tracing::debug!("closing a connection: no answer"),
            }
        }
    }
}

/// What the broker answers, within a time. Not for publishing: a broker that is short of memory takes its time.
pub async fn answered<T, E: Into<SessionError>>(work: impl Future<Output = Result<T, E>>) -> Result<T, SessionError> {
    match tokio::time::timeout(ANSWER, work).await {
        Ok(answer) => answer.map_err(Into::into),
        Err(_) => Err(SessionError::Silent),
    }
}

/// A message to be published.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Exchange.
    pub exchange: &'static str,
    /// Routing key.
    pub key: String,
    /// Body.
    pub body: Vec<u8>,
    /// Shown by the broker's tools.
    pub id: String,
    /// Whether a queue must take it.
    pub mandatory: bool,
}

/// Publishes a message and waits until the broker has it on disk. While the broker is short of memory this takes as
/// long as that lasts.
pub async fn publish(channel: Channel, message: Outgoing) -> Result<(), SessionError> {
    let published = confirmed(channel, message).await;
    families().asked(Operation::Publish, &published);
    published
}

async fn confirmed(channel: Channel, message: Outgoing) -> Result<(), SessionError> {
    let Outgoing { exchange, key, body, id, mandatory } = message;
    let properties = BasicProperties::default()
        .with_delivery_mode(2)
        .with_content_type("application/json".into())
        .with_message_id(ShortString::from(id));
    let options = BasicPublishOptions { mandatory, ..Default::default() };
    // The key may come from anybody, and no queue is bound with one that is too long.
    let Ok(short) = ShortString::try_new(key.as_str()) else {
        return Err(SessionError::Unroutable { exchange: exchange.to_owned(), key });
    };
    let published = channel.basic_publish(exchange.into(), short, options, &body, properties);
    match published.await?.await? {
        Confirmation::Ack(None) | Confirmation::NotRequested => Ok(()),
        // A message that was returned is confirmed, too.
        Confirmation::Ack(Some(_)) => Err(SessionError::Unroutable { exchange: exchange.to_owned(), key }),
        Confirmation::Nack(_) => Err(SessionError::Refused),
    }
}

/// Rests between sessions: longer after each failure, each process a little different.
#[derive(Debug, Default)]
pub struct Rests {
    failures: u32,
    forbidden: u32,
}

impl Rests {
    /// The last session was a good one.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// A session has ended so. If that is for good, one sentence: a broker that has just started may refuse what it
    /// allows a little later.
    pub fn hopeless(&mut self, error: &SessionError) -> Option<String> {
        self.forbidden = if error.is_forbidden() { self.forbidden + 1 } else { 0 };
        (self.forbidden == MAX_FORBIDDEN).then(|| {
            format!("the broker does not allow this user what it needs (docs/rabbitmq.md lists the rights): {error}")
        })
    }

    /// The next rest.
    pub fn longer(&mut self) -> Duration {
        let rest = Duration::from_millis(100).saturating_mul(1 << self.failures.min(10)).min(LONGEST_REST);
        self.failures += 1;
        rest.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}
