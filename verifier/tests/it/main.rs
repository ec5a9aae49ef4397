//! What `verifier` promises as far as no proof is needed for it.

mod cli;
