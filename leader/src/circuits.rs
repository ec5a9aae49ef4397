//! `leader circuits …`: what is done with circuits beside proving.

use std::fmt::Write;

use anyhow::Context;
use ops::circuits::progress::{self, Absent};
use ops::circuits::store::{self, Store};
use ops::exit;
use ops::log::Screen;
use ops::profile::Profile;

use ops::cli::Dirs;

use crate::cli::CircuitsCommand;

/// Runs a subcommand.
pub fn run(command: CircuitsCommand, profile: Profile, dirs: &Dirs, screen: &Screen) -> anyhow::Result<u8> {
    match command {
        CircuitsCommand::Build => {
            let circuits = progress::open(&Store::new(&dirs.circuits(), profile), Absent::Build, screen)?;
            tracing::info!(circuits = %circuits.digest, profile = circuits.profile.name, "circuits are ready");
            Ok(exit::OK)
        }
        CircuitsCommand::List { json } => list(dirs, json),
        CircuitsCommand::ExportVerifier { file } => {
            let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
            ops::fs::check_writable(folder.unwrap_or(".".as_ref())).context("verifier file")?;
            let store = Store::new(&dirs.circuits(), profile);
            if store.digest().is_none() || store.verifier().is_err() {
                // Writes it anew, too, when it is there and damaged.
                progress::open(&store, Absent::Build, screen)?;
            }
            store.verifier()?.write(&file)?;
            tracing::info!(file = %file.display(), "verifier file written");
            Ok(exit::OK)
        }
        CircuitsCommand::Clean { stale } => clean(dirs, stale),
    }
}

fn list(dirs: &Dirs, json: bool) -> anyhow::Result<u8> {
    let entries = store::list(&dirs.circuits())?;
    let mut text = String::new();
    if json {
        text = serde_json::to_string_pretty(&entries)?;
        text.push('\n');
    } else if entries.is_empty() {
        writeln!(text, "no circuits in {}", dirs.circuits().display())?;
    }
    for entry in entries.iter().filter(|_| !json) {
        let digest = entry.digest.map_or_else(|| "-".to_owned(), |digest| digest.short());
        let state = match (entry.complete, entry.current) {
            (true, true) => "ready",
            (true, false) => "of another version",
            (false, _) => "incomplete",
        };
        let profile = entry.profile.as_deref().unwrap_or("?");
        writeln!(
            text,
            "{profile:<16} {digest:<12} {:>6.2} GB  {state:<18} {}",
            entry.bytes as f64 / 1e9,
            entry.path.display()
        )?;
    }
    ops::stdout::print(text.as_bytes())?;
    Ok(exit::OK)
}

/// Removes all circuits, or those that this version would not use.
pub fn clean(dirs: &Dirs, only_stale: bool) -> anyhow::Result<u8> {
    for entry in store::list(&dirs.circuits())? {
        if !(only_stale && entry.current) {
            ops::fs::remove_dir_all(&entry.path)?;
            tracing::info!(folder = %entry.path.display(), gb = format!("{:.2}", entry.bytes as f64 / 1e9), "removed");
        }
    }
    Ok(exit::OK)
}
