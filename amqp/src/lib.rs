//! The queue between leader and workers on different machines: RabbitMQ, for transport only.
//!
//! What must not be lost is in the artifact store, under names that the leader finds again; the broker carries task
//! messages of a few hundred bytes, results, and words of control. Read in this order:
//!
//! - [`topology`]: exchanges and queues, with a reason for each argument; [`message`]: what travels through them.
//! - [`connect`]: address, credentials, TLS, and threads that proving cannot starve; [`session`]: what every session
//!   does. A session ends with the first error, and a supervisor begins a new one: there is one way to recover.
//! - [`worker`]: takes tasks and reports; [`leader`]: gives tasks out and follows them; [`operator`]: what people ask
//!   of the cluster; [`sign`]: who may report.

pub mod connect;
pub mod leader;
pub mod message;
pub mod metrics;
pub mod operator;
pub mod session;
pub mod sign;
mod tls;
pub mod topology;
pub mod worker;
