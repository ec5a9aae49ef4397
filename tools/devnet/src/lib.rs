//! A local chain: a real node at Cancun, driven over its engine API as a consensus client would.
//!
//! ```no_run
//! # async fn example() -> Result<(), devnet::DevnetError> {
//! use devnet::{BlockSpec, Chain, Tx, accounts};
//!
//! let mut chain = Chain::start().await?;
//! chain.plan(6).await?; // the first blocks of `devnet::plan`
//! chain.block(&BlockSpec::of([Tx::transfer(0, accounts::stranger(1), 5)])).await?;
//! println!("{}", chain.url());
//! let reorg = chain.reorg(3, &vec![BlockSpec::default(); 4]).await?; // three blocks go, four come
//! chain.geth_mut().stop(); // the node is down
//! chain.geth_mut().restart().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Everything is fixed: keys, times, randomness, and the order of transactions. Two runs give the same hashes.

pub mod accounts;
pub mod anvil;
pub mod blob;
mod build;
mod chain;
pub mod cli;
pub mod contracts;
mod engine;
mod error;
pub mod genesis;
pub mod geth;
pub mod plan;
mod process;
pub mod recorded;
mod rpc;
pub mod run;
pub mod testing;
mod traffic;
mod tx;

pub use accounts::{ACCOUNTS, FEES};
pub use anvil::Anvil;
pub use chain::{BlockSpec, Chain, Made, Reorg};
pub use engine::Engine;
pub use error::DevnetError;
pub use genesis::genesis;
pub use geth::{Geth, Options};
pub use rpc::Rpc;
pub use tx::{GWEI, Kind, Tx};
