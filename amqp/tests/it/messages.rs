//! Messages: each kind as it is written today, so that a change of format is noticed, and what is refused.

use std::fmt::Debug;
use std::time::Duration;

use amqp::message::{
    BlockState, Control, DeadMessage, FORMAT, LeaderState, MAX_BYTES, MessageError, Presence, ResultMessage,
    RunningTask, Stage, TaskMessage, TaskState, WorkerState, decode, encode,
};
use amqp::topology::{Class, Priority};
use ops::digest::Digest;
use ops::queue::{Cause, Outcome};
use ops::task::{Child, Kind, Work};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::support::{block, message, segment, task};

/// Names of things in the golden texts.
const NAMES: [(&str, &str); 6] = [
    ("INPUTS", "inputs"),
    ("CIRCUITS", "circuits"),
    ("RUN", "run"),
    ("LEFT", "left"),
    ("RIGHT", "right"),
    ("NAME", "name"),
];

/// A golden text with digests for their names.
fn golden(text: &str) -> String {
    let hash = format!("0x{}", "ab".repeat(32));
    let start = text.replace("HASH", &hash).replace('\n', "");
    NAMES.into_iter().fold(start, |text, (name, of)| text.replace(name, &digest(of).to_string()))
}

fn digest(name: &str) -> Digest {
    Digest::of_bytes(name.as_bytes())
}

/// A message is written as this text, which is read as the same message.
#[track_caller]
fn is<T: Serialize + DeserializeOwned + Debug>(message: &T, text: &str) {
    let bytes = encode(message);
    let expected = format!("{{\"format\":{FORMAT},\"message\":{}}}", golden(text));
    assert_eq!(String::from_utf8_lossy(&bytes), expected);
    let read: T = decode(&bytes).expect("it is read");
    assert_eq!(format!("{read:?}"), format!("{message:?}"));
}

fn named(work: Work) -> TaskMessage {
    message(task(block(7), work, b"name"))
}

#[test]
fn tasks_are_written_as_ever() {
    assert_eq!(FORMAT, 1, "the golden texts are of this format");
    let mut segment = message(segment(block(7), 3));
    segment.task.id = digest("name");
    is(
        &segment,
        r#"{"task":{"format":1,"id":"NAME","circuits":"CIRCUITS","block":{"number":7,"hash":"HASH"},
"work":{"segment":{"batch":2,"inputs":"INPUTS","index":3,"max_cpu_len_log":17,"txs":[20,30],"memory_mb":4000}}},
"run":"RUN","group":"default","class":"segment","priority":"normal","failures":1,"lost":2,"sent":1700000000000}"#,
    );
    let child = |name, merged| Child { id: digest(name), merged };
    let (left, right) = (child("left", true), child("right", false));
    let rest = r#","run":"RUN","group":"default","class":"merge","priority":"high","failures":1,"lost":2,
"sent":1700000000000}"#;
    let task = r#"{"task":{"format":1,"id":"NAME","circuits":"CIRCUITS","block":{"number":7,"hash":"HASH"},"work":"#;
    let works = [
        (
            Work::SegmentMerge { batch: 2, segments: (0, 3), left, right: Some(right) },
            r#"{"segment_merge":{"batch":2,"segments":[0,3],"left":{"id":"LEFT","merged":true},
"right":{"id":"RIGHT","merged":false}}}"#,
        ),
        (
            Work::SegmentMerge { batch: 2, segments: (0, 0), left, right: None },
            r#"{"segment_merge":{"batch":2,"segments":[0,0],"left":{"id":"LEFT","merged":true},"right":null}}"#,
        ),
        (
            Work::BatchMerge { batches: (0, 1), left, right },
            r#"{"batch_merge":{"batches":[0,1],"left":{"id":"LEFT","merged":true},"right":{"id":"RIGHT","merged":false}}}"#,
        ),
        (
            Work::Block { batches: digest("left"), previous: Some(digest("right")) },
            r#"{"block":{"batches":"LEFT","previous":"RIGHT"}}"#,
        ),
    ];
    for (work, text) in works {
        let message = TaskMessage { class: Class::Merge, priority: Priority::High, ..named(work) };
        is(&message, &format!("{task}{text}}}{rest}"));
    }
}

#[test]
fn reports_are_written_as_ever() {
    let report = |outcome| ResultMessage {
        id: digest("name"),
        task: digest("right"),
        block: block(7),
        run: digest("run"),
        worker: "worker".to_owned(),
        outcome,
        output: None,
        signature: None,
    };
    let start =
        r#"{"id":"NAME","task":"RIGHT","block":{"number":7,"hash":"HASH"},"run":"RUN","worker":"worker","outcome":"#;
    let rest = r#","output":null,"signature":null}"#;
    let failed = Outcome::Failed { cause: Cause::Resources, reason: "no memory".to_owned() };
    let outcomes = [
        (None, "null"),
        (Some(Outcome::Cancelled), r#""cancelled""#),
        (Some(failed), r#"{"failed":{"cause":"resources","reason":"no memory"}}"#),
        (
            Some(Outcome::Done { reused: true, time: Duration::from_millis(1500) }),
            r#"{"done":{"reused":true,"time":{"secs":1,"nanos":500000000}}}"#,
        ),
    ];
    for (outcome, text) in outcomes {
        is(&report(outcome), &format!("{start}{text}{rest}"));
    }
    let signed = ResultMessage { output: Some(digest("left")), signature: Some("00ff".to_owned()), ..report(None) };
    is(&signed, &format!(r#"{start}null,"output":"LEFT","signature":"00ff"}}"#));
    // A worker and a leader of different builds must sign and check the same.
    let digest = "cd612688ee1f1e0663783ba7d86c636ddc3c9162a8702352638db8f2382ae838";
    assert_eq!(signed.signed().to_string(), digest);
}

#[test]
fn dead_letters_are_written_as_ever() {
    let mut letter = DeadMessage {
        message: None,
        cause: Cause::Invalid,
        reason: "the message does not parse".to_owned(),
        from: "worker".to_owned(),
        at: 1_700_000_000_000,
    };
    let rest = r#""reason":"the message does not parse","from":"worker","at":1700000000000}"#;
    is(&letter, &format!(r#"{{"message":null,"cause":"invalid",{rest}"#));
    letter.message = Some(named(Work::Block { batches: digest("left"), previous: None }));
    let task = r#"{"task":{"format":1,"id":"NAME","circuits":"CIRCUITS","block":{"number":7,"hash":"HASH"},
"work":{"block":{"batches":"LEFT","previous":null}}},"run":"RUN","group":"default","class":"segment",
"priority":"normal","failures":1,"lost":2,"sent":1700000000000}"#;
    for (cause, name) in [(Cause::Lost, "lost"), (Cause::Transient, "transient")] {
        letter.cause = cause;
        is(&letter, &format!(r#"{{"message":{task},"cause":"{name}",{rest}"#));
    }
}

#[test]
fn words_of_control_are_written_as_ever() {
    let (run, ids) = (digest("run"), vec![digest("left"), digest("right")]);
    let (worker, reason) = ("worker".to_owned(), "no proof".to_owned());
    let words = [
        (Control::Work, r#""work""#),
        (Control::Cancel { first: 3, last: u64::MAX }, r#"{"cancel":{"first":3,"last":18446744073709551615}}"#),
        (Control::Stop { run, ids }, r#"{"stop":{"run":"RUN","ids":["LEFT","RIGHT"]}}"#),
        (Control::Fence { worker, reason }, r#"{"fence":{"worker":"worker","reason":"no proof"}}"#),
        (Control::Purged, r#""purged""#),
        (Control::Ping { reply_to: "queue".to_owned() }, r#"{"ping":{"reply_to":"queue"}}"#),
    ];
    for (word, text) in words {
        is(&word, text);
    }
}

#[test]
fn presences_are_written_as_ever() {
    let running = RunningTask { id: digest("name"), block: 7, what: "block".to_owned(), millis: 1500 };
    let worker = WorkerState {
        name: "worker".to_owned(),
        circuits: digest("circuits"),
        profile: "dev".to_owned(),
        classes: Class::ALL.to_vec(),
        slots: 2,
        draining: false,
        running: vec![running],
        reply_to: "queue".to_owned(),
    };
    is(
        &Presence::Worker(worker),
        r#"{"worker":{"name":"worker","circuits":"CIRCUITS","profile":"dev","classes":["merge","segment","large"],
"slots":2,"draining":false,"running":[{"id":"NAME","block":7,"what":"block","millis":1500}],"reply_to":"queue"}}"#,
    );
    let stages = [Stage::Waiting, Stage::Queued, Stage::Running, Stage::Done];
    let state = |stage| TaskState {
        id: digest("name"),
        kind: Kind::Segment,
        what: "batch 0 segment 0".to_owned(),
        parent: (stage != Stage::Done).then_some(3),
        stage,
        worker: (stage == Stage::Running).then(|| ("worker".to_owned(), 1500)),
    };
    let block = BlockState {
        block: block(7),
        transactions: 30,
        transactions_proved: 10,
        eta: Some(Duration::from_secs(60)),
        elapsed: Duration::from_secs(5),
        tasks: stages.map(state).to_vec(),
    };
    let leader = LeaderState {
        group: "default".to_owned(),
        circuits: digest("circuits"),
        profile: "dev".to_owned(),
        waiting: 1,
        in_flight: 2,
        blocks: vec![block],
    };
    let task = r#"{"id":"NAME","kind":"segment","what":"batch 0 segment 0","parent":"#;
    is(
        &Presence::Leader(leader),
        &format!(
            r#"{{"leader":{{"group":"default","circuits":"CIRCUITS","profile":"dev","waiting":1,"in_flight":2,
"blocks":[{{"block":{{"number":7,"hash":"HASH"}},"transactions":30,"transactions_proved":10,
"eta":{{"secs":60,"nanos":0}},"elapsed":{{"secs":5,"nanos":0}},"tasks":[
{task}3,"stage":"waiting","worker":null}},{task}3,"stage":"queued","worker":null}},
{task}3,"stage":"running","worker":["worker",1500]}},{task}null,"stage":"done","worker":null}}]}}]}}}}"#
        ),
    );
}

#[test]
fn what_is_no_message_is_refused() {
    let good = String::from_utf8(encode(&Control::Work)).expect("text");
    assert!(matches!(decode(good.as_bytes()), Ok(Control::Work)));
    let refused = |bytes: &[u8]| decode::<Control>(bytes).expect_err("it is to be refused");

    let later = refused(good.replacen('1', "2", 1).as_bytes());
    assert!(matches!(later, MessageError::Version(2)), "{later:?}");
    assert!(later.to_string().contains("format 2") && later.to_string().contains("format 1"), "{later}");
    // Whatever a later format holds, it is the format that is said.
    let later = refused(br#"{"format":9,"message":{"new":[1,2,3]}}"#);
    assert!(matches!(later, MessageError::Version(9)), "{later:?}");

    let mut padded = good.clone().into_bytes();
    padded.resize(MAX_BYTES, b' ');
    assert!(matches!(decode(&padded), Ok(Control::Work)), "as large as may be");
    padded.push(b' ');
    assert!(matches!(refused(&padded), MessageError::TooLarge(size) if size == MAX_BYTES + 1));

    let deep = format!(r#"{{"format":1,"message":{}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let garbage = [
        "",
        "hello",
        "null",
        "[]",
        "{}",
        "\u{feff}{}",
        &good[..good.len() - 1],
        r#"{"format":1}"#,
        r#"{"format":"1","message":"work"}"#,
        r#"{"format":-1,"message":"work"}"#,
        r#"{"format":1,"message":"play"}"#,
        r#"{"format":1,"message":{"cancel":{"first":3}}}"#,
        r#"{"format":1,"message":{"cancel":{"first":3,"last":-1}}}"#,
        r#"{"format":1,"message":{"cancel":{"first":3,"last":4,"force":true}}}"#,
        &deep,
    ];
    for text in garbage {
        let error = refused(text.as_bytes());
        assert!(matches!(error, MessageError::Parse(_)), "{text:.60}: {error:?}");
        assert!(error.to_string().starts_with("the message does not parse: "), "{error}");
    }
    assert!(matches!(refused(&[0xff, 0xfe, 0x00]), MessageError::Parse(_)));
    // One kind is not taken for another.
    assert!(matches!(decode::<TaskMessage>(good.as_bytes()), Err(MessageError::Parse(_))));
}
