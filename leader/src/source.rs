//! Where witnesses come from: a file or stdin, read on a thread of its own, one block ahead of whoever takes them.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use ops::witness::{self, Link, Witness, WitnessError};
use tokio::sync::mpsc;

/// Blocks of a witness as they are read. After an error comes nothing more.
pub type Blocks = mpsc::Receiver<anyhow::Result<Witness>>;

/// Starts reading. Checks that each block follows the one before it.
pub fn open(file: Option<PathBuf>) -> Blocks {
    let (sender, receiver) = mpsc::channel(1);
    let read = move || {
        let result = read(file, &sender);
        if let Err(error) = result
            && sender.blocking_send(Err(error)).is_err()
        {
            tracing::debug!("nobody takes blocks any more");
        }
    };
    std::thread::Builder::new()
        .name("witness".to_owned())
        .stack_size(ops::stack::BYTES)
        .spawn(read)
        .expect("the system gives a thread");
    receiver
}

fn read(file: Option<PathBuf>, sender: &mpsc::Sender<anyhow::Result<Witness>>) -> anyhow::Result<()> {
    let mut last: Option<Link> = None;
    let each = |witness: Witness| {
        if let Some(last) = &last {
            last.check_next(&witness)?;
        }
        last = Some(witness.link());
        sender.blocking_send(Ok(witness)).map_err(|_| WitnessError::Stopped)
    };
    let result = match &file {
        Some(path) => witness::read(ops::fs::open(path)?, each),
        None => {
            if io::stdin().is_terminal() {
                tracing::info!("reading a witness from the terminal; `leader stdio FILE` reads a file");
            }
            witness::read(io::stdin().lock(), each)
        }
    };
    let name = file.map_or_else(|| "stdin".to_owned(), |path| path.display().to_string());
    match result {
        Ok(_) | Err(WitnessError::Stopped) => Ok(()),
        Err(error) => Err(anyhow::Error::new(error).context(name)),
    }
}
