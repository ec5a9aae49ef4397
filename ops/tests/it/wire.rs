//! What is written into queues and names artifacts: a change here is a change of format, and needs a new number.

use ethereum_types::H256;
use ops::digest::Digest;
use ops::task::{BlockId, Child, FORMAT, Kind, Scope, SegmentWork, Task, Work};
use serde_json::{Value, json};

fn digest(byte: u8) -> Digest {
    format!("{byte:02x}").repeat(32).parse().expect("a digest")
}

fn task(work: Work) -> Task {
    let block = BlockId { number: 19_807_080, hash: H256::repeat_byte(0xbb) };
    Task { format: FORMAT, id: digest(1), circuits: digest(2), block, work }
}

/// Every kind of task, with its text but for the fields that all have in common; `<05>` stands for 32 such bytes.
fn golden() -> [(Task, &'static str); 6] {
    let [left, right] = [(3, false), (4, true)].map(|(byte, merged)| Child { id: digest(byte), merged });
    let segment =
        SegmentWork { batch: 7, inputs: digest(5), index: 11, max_cpu_len_log: 17, txs: (70, 80), memory_mb: 6900 };
    [
        (
            task(Work::Segment(segment)),
            r#"{"segment":{"batch":7,"inputs":"<05>","index":11,"max_cpu_len_log":17,"txs":[70,80],"memory_mb":6900}}"#,
        ),
        (
            task(Work::SegmentMerge { batch: 7, segments: (0, 3), left, right: Some(right) }),
            concat!(
                r#"{"segment_merge":{"batch":7,"segments":[0,3],"left":{"id":"<03>","merged":false},"#,
                r#""right":{"id":"<04>","merged":true}}}"#
            ),
        ),
        (
            task(Work::SegmentMerge { batch: 7, segments: (0, 0), left, right: None }),
            r#"{"segment_merge":{"batch":7,"segments":[0,0],"left":{"id":"<03>","merged":false},"right":null}}"#,
        ),
        (
            task(Work::BatchMerge { batches: (0, 2), left, right }),
            concat!(
                r#"{"batch_merge":{"batches":[0,2],"left":{"id":"<03>","merged":false},"#,
                r#""right":{"id":"<04>","merged":true}}}"#
            ),
        ),
        (
            task(Work::Block { batches: digest(6), previous: Some(digest(7)) }),
            r#"{"block":{"batches":"<06>","previous":"<07>"}}"#,
        ),
        (task(Work::Block { batches: digest(6), previous: None }), r#"{"block":{"batches":"<06>","previous":null}}"#),
    ]
}

/// The whole text of a task, from that of its work.
fn text(work: &str) -> String {
    let short = format!("{HEAD}{work}}}");
    ["01", "02", "03", "04", "05", "06", "07", "bb"]
        .into_iter()
        .fold(short, |text, byte| text.replace(&format!("<{byte}>"), &byte.repeat(32)))
}

const HEAD: &str = r#"{"format":1,"id":"<01>","circuits":"<02>","block":{"number":19807080,"hash":"0x<bb>"},"work":"#;

#[test]
fn tasks_are_written_in_one_way() {
    assert_eq!(FORMAT, 1, "the texts here are of format 1");
    for (task, work) in golden() {
        let text = text(work);
        assert_eq!(serde_json::to_string(&task).expect("JSON"), text);
        assert_eq!(serde_json::from_str::<Task>(&text).expect(&text), task);
        assert!(text.len() < 1000, "a task has some hundred bytes, not {}", text.len());
    }
    let kinds: Vec<Kind> = golden().iter().map(|(task, _)| task.work.kind()).collect();
    assert!(Kind::ALL.iter().all(|kind| kinds.contains(kind)), "every kind has a text here");
}

/// A field that this version does not know may change what a task means, wherever it is.
#[test]
fn unknown_fields_are_refused() {
    let mut accepted = Vec::new();
    for (task, _) in golden() {
        let value = serde_json::to_value(&task).expect("JSON");
        let mut objects = Vec::new();
        find_objects(&value, String::new(), &mut objects);
        assert!(objects.len() >= 4, "{objects:?}");
        for pointer in objects {
            let mut changed = value.clone();
            let object = changed.pointer_mut(&pointer).and_then(Value::as_object_mut).expect(&pointer);
            object.insert("later".to_owned(), json!(1));
            if serde_json::from_value::<Task>(changed).is_ok() {
                accepted.push(pointer);
            }
        }
    }
    accepted.dedup();
    assert!(accepted.is_empty(), "an unknown field is accepted in {accepted:?}");
}

fn find_objects(value: &Value, pointer: String, found: &mut Vec<String>) {
    if let Value::Object(fields) = value {
        found.push(pointer.clone());
        for (key, value) in fields {
            find_objects(value, format!("{pointer}/{key}"), found);
        }
    }
}

#[test]
fn tasks_that_are_not_understood_are_refused() {
    let cases = [
        r#"{"chain":{"first":1,"last":2}}"#,
        r#"{"Segment":{}}"#,
        r#""block""#,
        r#"{"block":{"batches":"06","previous":null}}"#,
        r#"{"block":{"previous":null}}"#,
        r#"{"batch_merge":{"batches":[0],"left":{},"right":{}}}"#,
        "null",
    ];
    for work in cases {
        let text = text(work);
        assert!(serde_json::from_str::<Task>(&text).is_err(), "{text}");
    }
}

#[test]
fn names_of_kinds() {
    let names = Kind::ALL.map(|kind| (kind.name(), serde_json::to_string(&kind).expect("JSON")));
    let expected = [
        ("segment", "\"segment\""),
        ("segment merge", "\"segment_merge\""),
        ("batch merge", "\"batch_merge\""),
        ("block", "\"block\""),
    ];
    assert_eq!(names, expected.map(|(name, json)| (name, json.to_owned())));
}

/// Ids of one scope. Another id for the same work means that what is stored under the former one is never found again:
/// then `FORMAT` must go up, too.
#[test]
fn ids_do_not_change_by_accident() {
    let scope = Scope { circuits: digest(2), witness: digest(8), batch_size: 10, max_cpu_len_log: 17 };
    let head = format!(
        r#"{{"circuits":"{}","witness":"{}","batch_size":10,"max_cpu_len_log":17}}"#,
        "02".repeat(32),
        "08".repeat(32)
    );
    let witness = "08".repeat(32);
    let previous = "07".repeat(32);
    let cases = [
        (
            scope.inputs(3),
            format!("batch inputs\n[1,\"{witness}\",10,3]"),
            "de7022bc88bc1a1fcf7d82e2c5c79b28e20c295df65b8b6dc16bc01c62d33ce3",
        ),
        (
            scope.segment(3, 11),
            format!("segment\n[1,{head},3,11]"),
            "80287d0c449ed026e4e4206b85ef9c588fc926f47b2d23ba1960f94831655c28",
        ),
        (
            scope.segment_merge(3, (4, 7)),
            format!("segment merge\n[1,{head},3,[4,7]]"),
            "05182b322cb6451181a1b1a10186825ccf2d4e8708f2fbf543e14b5ad4b7bedd",
        ),
        (
            scope.batch_merge((0, 3)),
            format!("batch merge\n[1,{head},[0,3]]"),
            "3145828cd1c55171abe262b5caf1513f146a5265d6c9e84de6f9b705a1bf3d35",
        ),
        (
            scope.block(None),
            format!("block\n[1,{head},null]"),
            "44efdf5a1a1fc93c0f5dbdee286da78ffe0a92582c284ef0fe6c33b00fc400c4",
        ),
        (
            scope.block(Some(digest(7))),
            format!("block\n[1,{head},\"{previous}\"]"),
            "845777442f01acbbe71943a0fe71e19658aa7cc65b9fa84aabb092471f41550e",
        ),
    ];
    for (id, text, expected) in cases {
        assert_eq!(id, Digest::of_bytes(text.as_bytes()), "{text}");
        assert_eq!(id.to_string(), expected, "{text}");
    }
}

/// Everything that a scope holds has a part in every id; the circuits have none in the name of a batch's inputs.
#[test]
fn ids_are_of_everything_that_determines_the_result() {
    let scope = Scope { circuits: digest(2), witness: digest(8), batch_size: 10, max_cpu_len_log: 17 };
    let others = [
        Scope { circuits: digest(3), ..scope.clone() },
        Scope { witness: digest(9), ..scope.clone() },
        Scope { batch_size: 11, ..scope.clone() },
        Scope { max_cpu_len_log: 18, ..scope.clone() },
    ];
    let ids = |scope: &Scope| {
        [
            scope.segment(0, 0),
            scope.segment(0, 1),
            scope.segment(1, 0),
            scope.segment_merge(0, (0, 0)),
            scope.segment_merge(0, (0, 1)),
            scope.segment_merge(1, (0, 1)),
            scope.batch_merge((0, 1)),
            scope.batch_merge((1, 2)),
            scope.block(None),
            scope.block(Some(digest(7))),
        ]
    };
    let mut all: Vec<Digest> = others.iter().chain([&scope]).flat_map(ids).collect();
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count, "some ids are the same");
    let inputs: Vec<Digest> = others.iter().map(|other| other.inputs(0)).collect();
    assert_eq!(inputs[0], scope.inputs(0), "the circuits have a part in the inputs");
    assert_ne!(inputs[1], scope.inputs(0), "the witness has no part in the inputs");
    assert_ne!(inputs[2], scope.inputs(0), "the batch size has no part in the inputs");
    assert_ne!(scope.inputs(0), scope.inputs(1));
}

#[test]
fn digests_are_hexadecimal_text() {
    let text = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
    let digest = Digest::of_bytes(b"");
    assert_eq!(
        (digest.to_string(), format!("{digest:?}"), digest.short()),
        (text.into(), text.into(), text[..12].into())
    );
    assert_eq!(text.parse::<Digest>().expect("a digest"), digest);
    assert_eq!(serde_json::to_string(&digest).expect("JSON"), format!("\"{text}\""));
    for wrong in ["", "af", &text[1..], &format!("{text}00"), &text.replace('a', "g"), &format!("0x{}", &text[2..])] {
        assert!(wrong.parse::<Digest>().is_err(), "{wrong}");
        assert!(serde_json::from_value::<Digest>(json!(wrong)).is_err(), "{wrong}");
    }
}
