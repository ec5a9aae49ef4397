//! A program in a home of its own: what people and scripts get when they call it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::folder;
use crate::process::{Run, clean, run};

/// A program, and a home where nothing of the user's is read or written.
#[derive(Debug)]
pub struct Home {
    folder: TempDir,
    program: PathBuf,
}

impl Home {
    /// An empty one.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("work")).expect("a folder");
        Self { folder, program: program.into() }
    }

    /// A path in it: `work` is the folder that runs start in, `cache` that of the user's caches.
    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Writes a file to the folder that runs start in.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path("work").join(name);
        fs::write(&path, text).expect("it is written");
        path
    }

    /// All files in it, sorted.
    pub fn files(&self) -> Vec<PathBuf> {
        folder::files(self.folder.path())
    }

    /// The program with words, separated by spaces.
    pub fn command(&self, words: &str) -> Command {
        let mut command = clean(&self.program, self.folder.path());
        command.args(words.split_whitespace()).current_dir(self.path("work"));
        command
    }

    /// Runs the program with words, separated by spaces, and a text on stdin.
    pub fn run(&self, words: &str, stdin: &str) -> Run {
        run(&mut self.command(words), stdin)
    }
}
