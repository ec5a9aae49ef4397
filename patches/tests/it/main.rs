//! The patched dependencies, tried on a toy workspace with real cargo builds.

#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its toy has failed")]

mod toy;

use std::{fs, os::unix::fs::PermissionsExt};

use toy::{PATCH, Said, Toy};

/// The command in `…; run: COMMAND`.
#[track_caller]
fn advice(line: &str) -> &str {
    line.split_once("; run: ").unwrap_or_else(|| panic!("no command in {line:?}")).1
}

/// The arguments that select each kind of profile: cargo's two, and one of the user's own.
const PROFILES: [&[&str]; 3] = [&[], &["--release"], &["--profile", "own"]];

#[test]
fn a_fresh_build_has_the_patch_and_the_new_file() {
    let toy = Toy::new("new");
    toy.expect_word("new", &[], &[]);
    let again = toy.expect_word("new", &[], &[]);
    assert_eq!(again.compiled(), 0, "{}", again.stderr);
    let release = toy.expect_word("new", &["--release"], &[]);
    assert_eq!(release.compiled(), 3, "{}", release.stderr);
}

#[test]
fn a_patch_that_does_not_apply_names_itself() {
    let toy = Toy::new("new");
    toy.write_series("0002-late.patch", PATCH);
    let said = toy.cargo(&["build"], &[]);
    said.expect_failure("patches/greeter-0.1.0/0002-late.patch does not apply to greeter-0.1.0");

    fs::remove_file(toy.path("patches/greeter-0.1.0/0002-late.patch")).unwrap();
    toy.expect_word("new", &[], &[]);

    // After a build that succeeded, too; and text that is no patch at all.
    toy.write_series("0003-empty.patch", "Says what it does, and does nothing.\n");
    toy.cargo(&["build"], &[]).expect_failure("patches/greeter-0.1.0/0003-empty.patch does not apply");
}

#[test]
fn a_changed_series_is_compiled_again() {
    let toy = Toy::new("first");
    let third = "--- a/src/lib.rs
+++ b/src/lib.rs
@@ -3,3 +3,3 @@
 pub fn greeting() -> &'static str {
-    word::WORD
+    \"third\"
 }
";
    for profile in PROFILES {
        toy.write_word("first");
        toy.expect_word("first", profile, &[]);
        toy.write_word("second");
        toy.expect_word("second", profile, &[]);
        toy.write_series("0002-third.patch", third);
        toy.expect_word("third", profile, &[]);
        fs::remove_file(toy.path("patches/greeter-0.1.0/0002-third.patch")).unwrap();
        toy.expect_word("second", profile, &[]);
    }
}

/// Two checkouts that share a target folder: cargo compares the files of the one that was built, not of the other.
#[test]
fn other_patches_than_those_compiled_stop_the_build_with_the_command_that_helps() {
    let ours = Toy::new("ours");
    let theirs = Toy::new("theirs");
    theirs.share_sources(&ours);
    let shared = ours.path("shared target");
    let environment = [("CARGO_TARGET_DIR", shared.to_str().unwrap())];
    let host = host(&ours);
    let triple = ["--target", host.as_str()];
    for arguments in PROFILES.into_iter().chain([&triple[..]]) {
        ours.expect_word("ours", arguments, &environment);
        let said = theirs.cargo(&[&["build"], arguments].concat(), &environment);
        let command = advice(said.expect_failure("greeter-0.1.0 was compiled with other patches"));
        // As it stands, in a shell that does not know of the shared folder.
        theirs.run("sh", &["-c", command], &[]).expect_success();
        theirs.expect_word("theirs", arguments, &environment);
    }
}

#[test]
fn a_crate_compiled_without_its_patches_stops_the_build_with_the_command_that_helps() {
    for profile in PROFILES {
        let toy = Toy::new("new");
        // As the crate alone, before anything that looks at the wrapper.
        let alone = [&["build", "-p", "greeter"], profile].concat();
        toy.cargo(&alone, &[("RUSTC_WRAPPER", "")]).expect_success();
        let said = toy.cargo(&[&["build"], profile].concat(), &[]);
        let command = advice(said.expect_failure("greeter-0.1.0 was compiled without the patches"));
        assert!(!command.contains("--target"), "{command}");
        toy.run("sh", &["-c", command], &[]).expect_success();
        toy.expect_word("new", profile, &[]);
    }
}

#[test]
fn a_series_added_for_a_crate_already_compiled_is_noticed() {
    let toy = Toy::new("new");
    let series = toy.path("patches/greeter-0.1.0");
    let aside = toy.path("aside");
    fs::rename(&series, &aside).unwrap();
    toy.write("app/src/main.rs", "fn main() {\n    println!(\"{} {}\", greeter::greeting(), patches::digest());\n}\n");
    assert_eq!(toy.cargo(&["run"], &[]).expect_success().stdout.trim(), "published none");

    fs::rename(&aside, &series).unwrap();
    let said = toy.cargo(&["run"], &[]);
    let command = advice(said.expect_failure("greeter-0.1.0 was compiled without the patches"));
    toy.run("sh", &["-c", command], &[]).expect_success();
    let said = toy.cargo(&["run"], &[]).expect_success();
    assert_eq!(said.stdout.trim(), format!("new {}", &toy.digest()[..12]));
}

/// A wrapper that writes the name of each crate it is called for to `log`.
fn logging_wrapper(toy: &Toy) -> String {
    let script = "#!/bin/sh\nfor word; do [ \"${last-}\" != --crate-name ] || echo \"$word\"; last=$word; done \
                  >>\"${0%/*}/log\"\nexec \"$@\"\n";
    toy.write("bin/wrap", script);
    let path = toy.path("bin/wrap");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_wrapper_in_place_of_ours_is_refused_in_a_sentence() {
    let toy = Toy::new("new");
    let wrapper = logging_wrapper(&toy);
    // On nothing, and on a finished build.
    for _ in 0..2 {
        for variable in ["RUSTC_WRAPPER", "CARGO_BUILD_RUSTC_WRAPPER"] {
            let said = toy.cargo(&["build"], &[(variable, &wrapper)]);
            let line = said.expect_failure("INNER_RUSTC_WRAPPER=");
            assert!(line.starts_with("error: ") && line.contains(&wrapper), "{line}");
            toy.cargo(&["build"], &[(variable, "")]).expect_failure("INNER_RUSTC_WRAPPER=...");
        }
        let said = toy.cargo(&["build"], &[]);
        // What the refused builds compiled on the way does not pass for patched.
        if !said.success {
            let command = advice(said.expect_failure("was compiled without the patches"));
            toy.run("sh", &["-c", command], &[]).expect_success();
        }
        toy.expect_word("new", &[], &[]);
    }
}

#[test]
fn an_inner_wrapper_is_called_for_the_patched_crate() {
    let toy = Toy::new("new");
    let wrapper = logging_wrapper(&toy);
    toy.expect_word("new", &[], &[("INNER_RUSTC_WRAPPER", &wrapper)]);
    let log = fs::read_to_string(toy.path("bin/log")).unwrap();
    for name in ["greeter", "patches", "app"] {
        assert!(log.lines().any(|line| line == name), "{name} is not in:\n{log}");
    }
    // The list of files read is still extended behind the other wrapper.
    toy.write_word("newer");
    toy.expect_word("newer", &[], &[("INNER_RUSTC_WRAPPER", &wrapper)]);
}

#[test]
fn a_repository_that_ignores_the_target_folder_does_not_hinder() {
    let toy = Toy::new("new");
    toy.write(".gitignore", "/target\n");
    toy.run("git", &["init", "--quiet"], &[]).expect_success();
    toy.run("git", &["add", "."], &[]).expect_success();
    let repository = toy.path(".git");
    // As a hook of that repository sees it.
    let hook = [("GIT_DIR", repository.to_str().unwrap()), ("GIT_INDEX_FILE", "index"), ("GIT_PREFIX", "app/")];
    toy.expect_word("new", &[], &[]);
    toy.write_word("hook");
    toy.expect_word("hook", &[], &hook);
}

#[test]
fn check_clippy_and_doc_work() {
    let toy = Toy::new("new");
    toy.cargo(&["check"], &[]).expect_success();
    // Not every toolchain brings clippy along.
    if toy.cargo(&["clippy", "--version"], &[]).success {
        let said = toy.cargo(&["clippy", "--all-targets", "--", "-D", "warnings"], &[]);
        said.expect_success();
    }
    toy.cargo(&["doc", "--no-deps"], &[]).expect_success();

    toy.write_word("newer");
    toy.cargo(&["check"], &[]).expect_success();
    let digest = toy.digest();
    assert!(toy.path(&format!("target/patched/greeter-0.1.0-{digest}/src/word.rs")).exists());
}

/// The triple of the machine, as `--target` takes it.
fn host(toy: &Toy) -> String {
    let Said { stdout, .. } = toy.run("rustc", &["-vV"], &[]).expect_success();
    stdout.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host").to_owned()
}
