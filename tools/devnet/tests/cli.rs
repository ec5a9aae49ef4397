//! The program: what it prints, how it ends, and that it never leaves a node behind.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use devnet::testing::have_geth;

fn devnet(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_devnet"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn output(arguments: &[&str]) -> Output {
    devnet(arguments).output().expect("a program")
}

/// A running program, and the address of its node.
fn served(arguments: &[&str]) -> (Child, String) {
    let mut child = devnet(arguments).stderr(Stdio::null()).spawn().expect("a program");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    let address = line.trim().strip_prefix("http://").expect("a URL").to_owned();
    TcpStream::connect(&address).expect("a node");
    (child, address)
}

fn signal(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().is_ok_and(|status| status.success()));
}

fn goes_away(address: &str) {
    let end = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(address).is_ok() {
        assert!(Instant::now() < end, "the node still runs");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn an_interrupted_program_takes_its_node_along() {
    if !have_geth() {
        return;
    }
    for by in ["-INT", "-TERM"] {
        let (mut child, address) = served(&["run", "--blocks", "2"]);
        signal(&child, by);
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert!(TcpStream::connect(address).is_err());
    }
}

#[test]
fn a_killed_program_takes_its_node_along() {
    if !have_geth() {
        return;
    }
    let (mut child, address) = served(&["run", "--blocks", "1"]);
    child.kill().unwrap();
    child.wait().unwrap();
    goes_away(&address);
}

#[test]
fn a_chain_in_a_folder_goes_on() {
    if !have_geth() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let (mut child, _) = served(&["run", "--blocks", "2", "--data", data]);
    signal(&child, "-INT");
    child.wait().unwrap();
    let mut again = devnet(&["run", "--blocks", "3", "--data", data, "--interval", "0.2"]).spawn().unwrap();
    let lines = BufReader::new(again.stderr.take().unwrap()).lines().map_while(Result::ok);
    let blocks: Vec<_> = lines.filter(|line| line.contains(" transactions, ")).take(3).collect();
    signal(&again, "-INT");
    again.wait().unwrap();
    let number = |line: &str| line.split(" block ").nth(1)?.split(' ').next()?.parse::<u64>().ok();
    assert_eq!(blocks.iter().map(|line| number(line)).collect::<Vec<_>>(), [Some(3), Some(4), Some(5)], "{blocks:?}");
}

#[test]
fn exit_codes() {
    let code = |command: &mut Command| command.output().unwrap().status.code();
    assert_eq!(output(&["--help"]).status.code(), Some(0));
    assert_eq!(output(&["plan"]).status.code(), Some(0));
    assert_eq!(output(&["run", "--interval", "0"]).status.code(), Some(2));
    assert_eq!(output(&["run", "--blocks", "1000"]).status.code(), Some(2));
    assert_eq!(output(&["record", "here", "--start-block", "0"]).status.code(), Some(2));
    assert_eq!(code(devnet(&["run"]).env_remove("GETH").env("PATH", "/nowhere")), Some(3));
    assert_eq!(code(devnet(&["run"]).env("GETH", "/bin/echo")), Some(3));
    assert_eq!(code(devnet(&["run"]).env("GETH", "/nowhere/geth")), Some(2));
}

#[test]
fn the_docs_list_the_plan() {
    let docs = include_str!("../../../docs/devnet.md");
    let table = String::from_utf8(output(&["plan"]).stdout).unwrap();
    assert!(docs.contains(table.trim()), "docs/devnet.md has another table than `devnet plan` prints");
}
