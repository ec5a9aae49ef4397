//! From a proof file to the verdict.

use anyhow::{Context, bail};
use evm_arithmetization::PublicValues;
use ops::circuits::progress::{self, Absent};
use ops::circuits::store::{self, Store};
use ops::circuits::verifier::Verifier;
use ops::exit;
use ops::header::{self, Header};
use ops::log::Screen;
use ops::profile::Security;
use ops::proof::{self, AnyProof};

use crate::cli::Cli;
use crate::statement::{self, Statement};

/// Checks every proof of the file and what connects them; prints what they state and the verdict.
pub fn run(cli: &Cli, screen: &Screen) -> anyhow::Result<u8> {
    let file = cli.file.as_deref().context("no proof file is given")?;
    let proofs = proof::read(file)?;
    let headers = cli.header.as_deref().map(header::read).transpose()?;
    let verifier = find_verifier(cli, &proofs, screen)?;
    if verifier.profile.security == Security::Test && !cli.allow_insecure {
        bail!(
            "profile {} has {} bit of security, its proofs prove nothing; --allow-insecure checks them all the same",
            verifier.profile.name,
            verifier.profile.security.bits()
        );
    }
    let mut statements = Vec::new();
    let mut wrong = Vec::new();
    let mut before: Option<PublicValues> = None;
    for proof in &proofs {
        let block = format!("block {}", proof.height());
        match proof::verify(proof, &verifier.profile, verifier.digest, &verifier.data) {
            Ok(proved) => {
                let comparison = compare(cli, headers.as_deref(), before.as_ref(), &proved)?;
                wrong.extend(comparison.into_iter().map(|reason| format!("{block}: {reason}")));
                statements.push(Statement::new(proof, &proved, &verifier));
                before = Some(proved);
            }
            Err(rejected) => wrong.push(format!("{block}: {rejected}")),
        }
    }
    statement::print(&statements, &wrong, headers.is_some(), cli.json)?;
    Ok(if wrong.is_empty() { exit::OK } else { exit::FAILED })
}

/// The verifier file that was named, or the one in the circuit store that the proof was made with.
fn find_verifier(cli: &Cli, proofs: &[AnyProof], screen: &Screen) -> anyhow::Result<Verifier> {
    if let Some(path) = &cli.verifier_circuit {
        return Verifier::read(path).with_context(|| format!("verifier file {}", path.display()));
    }
    let root = cli.circuits_dir.clone().unwrap_or_else(|| ops::artifacts::cache_dir().join("circuits"));
    if let Some(AnyProof::Known(proof)) = proofs.first()
        && let Some(path) = store::find_verifier(&root, proof.circuits)
    {
        return Verifier::read(&path).with_context(|| format!("verifier file {}", path.display()));
    }
    let store = Store::new(&root, cli.profile.resolve()?);
    if store.digest().is_none() {
        if !cli.build_circuits {
            bail!(
                "there is no verifier file for this proof in {}; name one with --verifier-circuit (`leader circuits \
                 export-verifier` writes it), or build the circuits with --build-circuits",
                root.display()
            );
        }
        progress::open(&store, Absent::Build, screen)?;
    }
    Ok(store.verifier()?)
}

/// What a valid proof states otherwise than it should.
fn compare(
    cli: &Cli,
    headers: Option<&[Header]>,
    before: Option<&PublicValues>,
    proved: &PublicValues,
) -> anyhow::Result<Vec<String>> {
    let mut wrong = Vec::new();
    let number = proved.block_metadata.block_number;
    if let Some(headers) = headers {
        let header = headers.iter().find(|header| header.number == number);
        let header = header.with_context(|| format!("the header file has no header of block {number}"))?;
        wrong.extend(header.compare(proved).into_iter().map(|mismatch| {
            format!("{}: the header has {}, and the proof states {}", mismatch.field, mismatch.header, mismatch.proof)
        }));
    }
    let checkpoint = proved.extra_block_data.checkpoint_state_trie_root;
    if let Some(wanted) = cli.checkpoint_state_root.filter(|wanted| *wanted != checkpoint) {
        wrong.push(format!("it starts from checkpoint state root {checkpoint:?}, not from {wanted:?}"));
    }
    if let Some(before) = before {
        let last = before.block_metadata.block_number;
        if last + 1 != number || proved.block_hashes.prev_hashes.last() != Some(&before.block_hashes.cur_hash) {
            wrong.push(format!("it does not follow the proof before it in the file, which is of block {last}"));
        }
        if before.extra_block_data.checkpoint_state_trie_root != checkpoint {
            wrong.push("its checkpoint is not that of the proof before it in the file".to_owned());
        }
    }
    Ok(wrong)
}
