//! Executions are counted by what workers log: these are such lines.

use std::path::Path;

use scenarios::log::{executed, failed, line, read, stopped, taken, times};

const LINES: [&str; 7] = [
    r#"{"level":"DEBUG","message":"taken: batch 0 segment 3","block_number":1,"deliveries":1}"#,
    r#"{"level":"DEBUG","message":"MOCK, nothing proved: segment","seconds":0.5,"reused":false,"span":{"batch":0,"block_hash":"0x81","block_number":1,"segment":3,"tx_first":0,"tx_last":0,"name":"task"}}"#,
    r#"{"level":"DEBUG","message":"MOCK, nothing proved: segment","seconds":0.0,"reused":true,"span":{"batch":0,"block_number":1,"segment":3,"name":"task"}}"#,
    r#"{"level":"INFO","message":"proved segment merge","seconds":9.5,"reused":false,"span":{"batch":0,"block_number":1,"segment_first":0,"segment_last":3,"name":"task"}}"#,
    r#"{"level":"INFO","message":"batch merge stopped","span":{"block_number":1,"batch_first":0,"batch_last":1,"name":"task"}}"#,
    r#"{"level":"WARN","message":"block failed: a panic","delivery":1,"span":{"block_number":2,"name":"task"}}"#,
    "thread 'main' panicked",
];

#[test]
fn deeds_are_told_from_log_lines() {
    let lines = LINES.map(line);
    let words = |deeds: Vec<scenarios::log::Deed>| {
        deeds
            .into_iter()
            .map(|deed| format!("{} {} {}", deed.worker, deed.part.block, deed.part.what))
            .collect::<Vec<_>>()
    };
    assert_eq!(words(taken("w", &lines)), ["w 1 batch 0 segment 3"]);
    assert_eq!(words(executed("w", &lines)), ["w 1 batch 0 segment 3", "w 1 batch 0 segments 0..3"]);
    assert_eq!(words(stopped("w", &lines)), ["w 1 batches 0..1"]);
    assert_eq!(words(failed("w", &lines)), ["w 2 block"]);
    // What a task is called when it is taken is what it is called when it is done.
    assert_eq!(taken("w", &lines)[0].part, executed("w", &lines)[0].part);
    let both = [executed("w", &lines), executed("v", &lines)].concat();
    assert!(times(&both).into_values().eq([2, 2]));
}

#[test]
fn what_is_not_json_is_an_error() {
    let panic = line(LINES[6]);
    assert_eq!((panic.level.as_str(), panic.message.as_str()), ("ERROR", LINES[6]));
    assert_eq!(line(LINES[0]).field("deliveries").as_deref(), Some("1"));
}

#[test]
fn a_line_that_is_half_written_does_not_count() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    std::fs::write(&log, format!("{}\n\n{}", LINES[0], &LINES[1][..40])).expect("it is written");
    assert_eq!(read(&log).len(), 1);
    assert!(read(Path::new("absent")).is_empty());
}
