//! A workspace of its own to try the mechanism on: this workspace's wrapper, configuration and `patches` crate, over
//! one small dependency with a series.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

/// The series of the toy's dependency, whose source is `GREETER`.
pub(crate) const SERIES: &str = "greeter-0.1.0";

const GREETER: &str = "pub fn greeting() -> &'static str {\n    \"published\"\n}\n";

/// As `git diff` writes it: with the header that makes git look for the surrounding repository's prefix.
pub(crate) const PATCH: &str = "\
Greets with a word from a file of its own.

diff --git a/src/lib.rs b/src/lib.rs
--- a/src/lib.rs
+++ b/src/lib.rs
@@ -1,3 +1,5 @@
+mod word;
+
 pub fn greeting() -> &'static str {
-    \"published\"
+    word::WORD
 }
";

const APP: &str = "\
fn main() {
    let (name, digest) = patches::SERIES[0];
    println!(\"{} {name} {digest} {}\", greeter::greeting(), patches::digest());
}
";

const LICENSE: &str = "license = \"MIT\"\nedition = \"2024\"\nversion = \"0.1.0\"\n";

pub(crate) struct Toy {
    root: PathBuf,
    /// Goes away, with all that is in it, when the toy does.
    _folder: TempDir,
}

/// What a cargo call said and whether it succeeded.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    #[track_caller]
    pub(crate) fn expect_success(self) -> Self {
        assert!(self.success, "cargo failed:\n{}", self.stderr);
        self
    }

    /// The one line of the errors that holds `part`, of a call that has to fail.
    #[track_caller]
    pub(crate) fn expect_failure(&self, part: &str) -> &str {
        assert!(!self.success, "cargo did not fail:\n{}", self.stderr);
        let line = self.stderr.lines().find(|line| line.contains(part));
        line.unwrap_or_else(|| panic!("no line with {part:?} in:\n{}", self.stderr))
    }

    /// How many crates were compiled.
    pub(crate) fn compiled(&self) -> usize {
        self.stderr.lines().filter(|line| line.trim_start().starts_with("Compiling ")).count()
    }
}

impl Toy {
    /// A toy whose series makes its dependency say `word`.
    pub(crate) fn new(word: &str) -> Self {
        // A space in the path, because paths have them.
        let folder = tempfile::Builder::new().prefix("patches toy ").tempdir().unwrap();
        let toy = Self { root: folder.path().canonicalize().unwrap(), _folder: folder };
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for file in ["tools/rustc-patched", "patches/build.rs", "patches/series.rs", "patches/src/lib.rs"] {
            toy.write(file, "");
            fs::copy(workspace.join(file), toy.path(file)).unwrap();
        }
        // A folder of sources in place of the registry: cargo treats them like any it has downloaded.
        let config = fs::read_to_string(workspace.join(".cargo/config.toml")).unwrap();
        let vendor = "\n[source.crates-io]\nreplace-with = \"vendor\"\n\n[source.vendor]\ndirectory = \"vendor\"\n";
        toy.write(".cargo/config.toml", &(config + vendor));
        toy.write("vendor/greeter/.cargo-checksum.json", "{\"files\":{}}");
        toy.write("vendor/greeter/Cargo.toml", &format!("[package]\nname = \"greeter\"\n{LICENSE}"));
        toy.write("vendor/greeter/src/lib.rs", GREETER);

        let depends = "\n[dependencies]\ngreeter = \"0.1.0\"\n";
        toy.write(
            "Cargo.toml",
            "[workspace]\nresolver = \"3\"\nmembers = [\"app\", \"patches\"]\n\n\
             [profile.own]\ninherits = \"release\"\n",
        );
        toy.write("patches/Cargo.toml", &format!("[package]\nname = \"patches\"\n{LICENSE}{depends}"));
        let app = format!("[package]\nname = \"app\"\n{LICENSE}{depends}patches = {{ path = \"../patches\" }}\n");
        toy.write("app/Cargo.toml", &app);
        toy.write("app/src/main.rs", APP);

        toy.write_series("0001-word.patch", PATCH);
        toy.write_word(word);
        toy
    }

    /// Takes its dependency from the same folder as `other`, so that cargo sees one crate.
    pub(crate) fn share_sources(&self, other: &Self) {
        let config = fs::read_to_string(self.path(".cargo/config.toml")).unwrap();
        let vendor = format!("directory = \"{}\"", other.path("vendor").display());
        self.write(".cargo/config.toml", &config.replace("directory = \"vendor\"", &vendor));
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.root.join(file)
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn write_series(&self, file: &str, text: &str) {
        self.write(&format!("patches/{SERIES}/{file}"), text);
    }

    pub(crate) fn write_word(&self, word: &str) {
        self.write_series("src/word.rs", &format!("pub const WORD: &str = \"{word}\";\n"));
    }

    /// A command in the toy's folder, without what this test's own cargo has set.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            let cargo = text.starts_with("CARGO") && text != "CARGO_HOME";
            if cargo || text.starts_with("RUSTC") || text == "INNER_RUSTC_WRAPPER" || text.starts_with("GIT_") {
                command.env_remove(&name);
            }
        }
        // The lock file is written by the first build; nothing is to be asked of a network.
        command.env("CARGO_NET_OFFLINE", "true").env("CARGO_TERM_COLOR", "never");
        command
    }

    pub(crate) fn run(&self, program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Said {
        let output = self.command(program).args(arguments).envs(environment.iter().copied()).output().unwrap();
        Said {
            success: output.status.success(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub(crate) fn cargo(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Said {
        self.run(env!("CARGO"), arguments, environment)
    }

    /// The digest of the series on disk.
    pub(crate) fn digest(&self) -> String {
        let wrapper = self.path("tools/rustc-patched");
        self.run(wrapper.to_str().unwrap(), &["--digest", SERIES], &[]).expect_success().stdout.trim().to_owned()
    }

    /// Builds and runs the program, and requires it to say `word` and to name the series on disk.
    #[track_caller]
    pub(crate) fn expect_word(&self, word: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Said {
        let said = self.cargo(&[&["run"], arguments].concat(), environment).expect_success();
        let digest = self.digest();
        assert_eq!(said.stdout.trim(), format!("{word} {SERIES} {digest} {}", &digest[..12]));
        said
    }
}
