//! The list of scenarios: complete, without doubles, and what is printed of results.

use std::collections::BTreeSet;
use std::path::Path;

use scenarios::report::{Outcome, Verdict, json, list, table};
use scenarios::scenario::{Figures, Tier};
use scenarios::scenarios::ALL;

#[test]
fn every_file_is_in_the_list_by_its_name() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/scenarios");
    let files = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let stem = |path: std::path::PathBuf| path.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
    let mut files: BTreeSet<_> = files.map(stem).collect();
    files.remove("mod");
    let names: BTreeSet<_> = ALL.iter().map(|scenario| scenario.name.to_owned()).collect();
    assert_eq!(names, files);
    assert_eq!(names.len(), ALL.len(), "a name that is there twice");
    assert_eq!(list(ALL).lines().count(), ALL.len());
    assert!(ALL.iter().any(|scenario| scenario.tier == Tier::Smoke));
}

#[test]
fn results_are_printed_for_people_and_for_programs() {
    let verdict = |name, outcome| Verdict { name, seconds: 1.25, outcome };
    let figures = Figures::default().count("executed", 29).time("recovered", std::time::Duration::from_millis(1500));
    let verdicts = [
        verdict("one", Outcome::Ok(figures)),
        verdict("two", Outcome::Failed("a reason".to_owned())),
        verdict("three", Outcome::Skipped("not here".to_owned())),
    ];
    let text = table(&verdicts);
    assert!(text.contains("executed 29, recovered 1.5 s"), "{text}");
    assert!(text.lines().any(|line| line.starts_with("two") && line.contains("FAILED") && line.ends_with("a reason")));
    assert!(text.ends_with("3 scenarios, 1 failed, 1 skipped, 4 s\n"), "{text}");
    let rows: serde_json::Value = serde_json::from_str(&json(&verdicts).expect("it serializes")).expect("JSON");
    assert_eq!(rows[0]["figures"], serde_json::json!({"executed": 29, "recovered": 1.5}));
    assert_eq!((&rows[1]["result"], &rows[1]["reason"]), (&"failed".into(), &"a reason".into()));
    assert_eq!(rows[2]["result"], "skipped");
}
