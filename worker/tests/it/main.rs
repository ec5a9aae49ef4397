//! What `worker` promises without proving anything: the command line, and what it and mock leaders do at a real broker.

mod credentials;
mod follow;
mod help;
mod hostile;
mod permissions;
mod pod;
mod signing;
mod stores;
mod support;
mod tls;
mod usage;
mod waiting;
