//! What the queue promises to leaders and workers: addresses, messages, signatures, and what a real broker makes of it.

mod address;
mod hostile;
mod messages;
mod sign;
mod support;
mod topology;
