//! What a proof states, for people and for scripts.

use std::io::Write;

use ethereum_types::H256;
use evm_arithmetization::PublicValues;
use ops::circuits::verifier::Verifier;
use ops::proof::AnyProof;
use serde::Serialize;

/// What a valid proof states.
#[derive(Debug, Serialize)]
pub struct Statement {
    /// Last block.
    pub block_number: u64,
    /// First block, if the file says it.
    pub first_block: Option<u64>,
    /// Hash of the last block.
    pub block_hash: H256,
    /// Chain.
    pub chain_id: u64,
    /// State root before the first block.
    pub state_root_before: H256,
    /// State root after the last block.
    pub state_root_after: H256,
    /// Transactions root of the last block.
    pub transactions_root: H256,
    /// Receipts root of the last block.
    pub receipts_root: H256,
    /// Gas used by the last block.
    pub gas_used: u64,
    /// State root that the chain of proofs starts from.
    pub checkpoint_state_root: H256,
    /// Name of the profile.
    pub profile: String,
    /// Conjectured bits of security.
    pub security_bits: u32,
    /// Digest of the verifier data.
    pub circuits: ops::digest::Digest,
}

impl Statement {
    /// Takes it from the public values.
    pub fn new(proof: &AnyProof, proved: &PublicValues, verifier: &Verifier) -> Self {
        let first_block = match proof {
            AnyProof::Known(proof) => Some(proof.first_block),
            AnyProof::Bare(_) => None,
        };
        let PublicValues {
            trie_roots_before, trie_roots_after, block_metadata, block_hashes, extra_block_data, ..
        } = proved;
        Self {
            block_number: block_metadata.block_number.low_u64(),
            first_block,
            block_hash: block_hashes.cur_hash,
            chain_id: block_metadata.block_chain_id.low_u64(),
            state_root_before: trie_roots_before.state_root,
            state_root_after: trie_roots_after.state_root,
            transactions_root: trie_roots_after.transactions_root,
            receipts_root: trie_roots_after.receipts_root,
            gas_used: block_metadata.block_gas_used.low_u64(),
            checkpoint_state_root: extra_block_data.checkpoint_state_trie_root,
            profile: verifier.profile.name.clone(),
            security_bits: verifier.profile.security.bits(),
            circuits: verifier.digest,
        }
    }

    fn lines(&self) -> Vec<(&'static str, String)> {
        let blocks = match self.first_block {
            Some(first) if first != self.block_number => {
                format!("{first} to {}, the first as the file says", self.block_number)
            }
            _ => self.block_number.to_string(),
        };
        let insecure = if self.security_bits < 100 { " INSECURE" } else { "" };
        vec![
            ("block", blocks),
            ("block hash", format!("{:?}", self.block_hash)),
            ("chain", self.chain_id.to_string()),
            ("state root before", format!("{:?}", self.state_root_before)),
            ("state root after", format!("{:?}", self.state_root_after)),
            ("transactions root", format!("{:?}", self.transactions_root)),
            ("receipts root", format!("{:?}", self.receipts_root)),
            ("gas used", self.gas_used.to_string()),
            ("checkpoint state root", format!("{:?}", self.checkpoint_state_root)),
            ("profile", format!("{}, {} bit security{insecure}", self.profile, self.security_bits)),
            ("circuits", self.circuits.to_string()),
        ]
    }
}

/// Prints statements and verdict; the last line of text is the verdict.
pub fn print(statements: &[Statement], wrong: &[String], compared: bool, json: bool) -> anyhow::Result<()> {
    let mut text = Vec::new();
    if json {
        let verdict = serde_json::json!({
            "valid": wrong.is_empty(), "compared_with_header": compared, "wrong": wrong, "proofs": statements,
        });
        serde_json::to_writer_pretty(&mut text, &verdict)?;
        text.push(b'\n');
    } else {
        for statement in statements {
            for (name, value) in statement.lines() {
                writeln!(text, "{name:<22} {value}")?;
            }
        }
        if wrong.is_empty() {
            let compared = match compared {
                true => "every value that the header fixes agrees",
                false => "not compared with a header, see --header",
            };
            writeln!(text, "proof verified ({compared})")?;
        } else {
            for reason in wrong {
                writeln!(text, "wrong: {reason}")?;
            }
            writeln!(text, "INVALID")?;
        }
    }
    ops::stdout::print(&text)
}
