//! The example of an environment names every variable that the programs read, with its default.

use std::collections::BTreeSet;

use ops::profile::{Profile, TABLES};
use testing::witness::root;

/// Names and values of the example, each of which has a line above that says what it is.
fn example() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(root(".env.example")).expect("the example");
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some((name, value)) = line.trim_start_matches('#').split_once('=') else { continue };
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_') {
            continue;
        }
        let above = index.checked_sub(1).map_or("", |above| lines[above]);
        assert!(above.starts_with("# ") && above.len() > 10, "nothing is said of {name}");
        found.push((name.to_owned(), value.to_owned()));
    }
    found
}

/// The variables of `ops::env`, from its source: the constants have no list of themselves.
fn variables() -> BTreeSet<String> {
    let source = include_str!("../../src/env.rs");
    let values = source.lines().filter_map(|line| line.trim().strip_prefix("pub const ")?.split_once(" = \""));
    values.map(|(_, value)| value.trim_end_matches("\";").to_owned()).collect()
}

#[test]
fn the_example_lists_exactly_the_variables_that_are_read() {
    let listed: Vec<String> = example().into_iter().map(|(name, _)| name).collect();
    let unique: BTreeSet<String> = listed.iter().cloned().collect();
    assert_eq!(listed.len(), unique.len(), "a variable is listed twice: {listed:?}");
    assert_eq!(unique, variables());
    assert!(unique.len() > 10, "{unique:?}");
}

/// Uncommented as it is, a line changes nothing.
#[test]
fn the_values_of_the_example_are_the_defaults() {
    let example = example();
    let value = |name: &str| example.iter().find(|(listed, _)| listed == name).map(|(_, value)| value.as_str());
    let default = Profile::named("dev").expect("the default");
    assert_eq!(value("PROVER_PROFILE"), Some(default.name.as_str()));
    for (table, sizes) in TABLES.iter().zip(&default.sizes) {
        assert_eq!(value(table.env_key), Some(sizes.to_string().as_str()), "{}", table.name);
    }
    assert_eq!(value("LOG_FORMAT"), Some("text"));
    assert_eq!(value("ZERO_BIN_KEEP_INTERMEDIATE_PROOFS"), Some("false"));
}
