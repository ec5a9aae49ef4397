//! Reading witnesses: every form that people pipe in, block by block, and inputs that fail, end early or never end.

use std::io::{self, Read};

use ops::digest::Digest;
use ops::witness::{self, Witness, WitnessError};
use testing::witness::{blocks, read, shipped, transfer};

use crate::support::parse;

/// Hands out one byte at a time.
struct Trickle<'a>(&'a [u8]);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(&mut buffer[..1])
    }
}

#[test]
fn every_form_of_input_gives_the_same_blocks() {
    let [one, two] = [0, 1].map(|index| blocks("chain.json")[index].to_string());
    let pretty = serde_json::to_string_pretty(&blocks("chain.json")).expect("JSON");
    let forms = [
        ("the file", shipped("chain.json")),
        ("an array", format!("[{one},{two}]")),
        ("an array, indented", pretty),
        ("objects in lines", format!("{one}\n{two}\n")),
        ("objects side by side", format!("{one}{two}")),
        ("objects far apart", format!(" \r\n\t{one} \n\n\t {two}\n \n")),
        ("an array, then an object", format!("[{one}]{two}")),
        ("an object, then an array", format!("{one} [{two}]")),
        ("arrays", format!("[{one}]\n[{two}]")),
        ("an empty array between", format!("{one} [] {two}")),
    ];
    let digests = |blocks: Vec<Witness>| blocks.iter().map(Witness::digest).collect::<Vec<_>>();
    let expected: Vec<Digest> = blocks("chain.json").iter().map(|block| parse(block).digest()).collect();
    for (form, text) in forms {
        assert_eq!(digests(read(&text).expect(form)), expected, "{form}");
        let mut trickled = Vec::new();
        witness::read(Trickle(text.as_bytes()), |block| {
            trickled.push(block);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{form}, byte by byte: {error}"));
        assert_eq!(digests(trickled), expected, "{form}, byte by byte");
    }
    assert_eq!(read(&one).expect("an object").len(), 1);
}

#[test]
fn a_block_is_handed_on_before_the_next_is_read() {
    let [one, two] = [0, 1].map(|index| blocks("chain.json")[index].to_string());
    let mut seen = Vec::new();
    let result = witness::read(format!("{one} {} {two}", &two[..two.len() / 2]).as_bytes(), |block| {
        seen.push(block.number());
        Ok(())
    });
    assert_eq!(seen, [1]);
    assert!(matches!(result, Err(WitnessError::Parse { position: 2, .. })), "{result:?}");
}

#[test]
fn the_receiver_stops_the_reading() {
    let mut seen = 0;
    let result = witness::read(shipped("chain.json").as_bytes(), |_| {
        seen += 1;
        Err(WitnessError::Stopped)
    });
    assert_eq!(seen, 1);
    assert!(matches!(result, Err(WitnessError::Stopped)), "{result:?}");
}

#[test]
fn nothing_is_said_to_be_empty() {
    for text in ["", " ", "\n", " \r\n\t ", "[]", "[ ]\n[]"] {
        let result = read(text);
        assert!(matches!(result, Err(WitnessError::Empty)), "{text:?}: {result:?}");
    }
}

#[test]
fn what_is_no_witness_is_refused() {
    let one = transfer().to_string();
    let cases = [
        ("null".to_owned(), 1),
        ("12".to_owned(), 1),
        ("\"a block\"".to_owned(), 1),
        ("{}".to_owned(), 1),
        ("[1]".to_owned(), 1),
        ("hello".to_owned(), 1),
        ("\u{0}".to_owned(), 1),
        (format!("{one} x"), 2),
        (format!("[{one}] ]"), 2),
        (format!("[{one},]"), 2),
        (format!("[{one} {one}]"), 2),
        (format!("{one} null"), 2),
    ];
    for (text, expected) in cases {
        let name: String = text.chars().rev().take(20).collect();
        match read(&text) {
            Err(WitnessError::Parse { position, message }) => {
                assert_eq!(position, expected, "…{name} (reversed): {message}");
                assert!(!message.is_empty() && !message.contains('\n'), "…{name} (reversed): {message}");
            }
            other => panic!("…{name} (reversed): {other:?}"),
        }
    }
}

/// Wherever the text ends, the error is of the block that is cut, and the blocks before it were handed on.
#[test]
fn truncated_json_names_the_block_that_is_cut() {
    let [one, two] = [0, 1].map(|index| blocks("chain.json")[index].to_string());
    let text = format!("[{one},{two}]");
    let ends = (1..text.len()).step_by(997).chain([one.len(), one.len() + 1, one.len() + 2, text.len() - 1]);
    for end in ends {
        let mut seen = 0;
        let result = witness::read(&text.as_bytes()[..end], |_| {
            seen += 1;
            Ok(())
        });
        assert_eq!(seen, usize::from(end > one.len()) + usize::from(end > one.len() + two.len() + 1), "{end}");
        match result {
            Err(WitnessError::Parse { position, .. }) => assert_eq!(position, seen + 1, "{end}"),
            other => panic!("{end}: {other:?}"),
        }
    }
}

#[test]
fn a_failing_input_is_an_error() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the cable is cut"))
        }
    }
    let one = transfer().to_string();
    for (before, expected) in [("", 1), (one.as_str(), 2), (&one[..100], 1)] {
        match witness::read(before.as_bytes().chain(Broken), |_| Ok(())) {
            Err(WitnessError::Parse { position, message }) => {
                assert_eq!(position, expected);
                assert!(message.contains("the cable is cut"), "{message}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_endless_input_ends_in_an_error() {
    let result = witness::read(io::repeat(b' '), |_| Ok(()));
    assert!(matches!(&result, Err(WitnessError::Parse { message, .. }) if message.contains("larger")), "{result:?}");
}

#[test]
fn accessors_say_what_the_block_says() {
    let chain = read(&shipped("chain.json")).expect("the chain");
    assert_eq!(chain.iter().map(|block| (block.number(), block.transactions())).collect::<Vec<_>>(), [(1, 1), (2, 0)]);
    assert_eq!(chain[1].parent_hash(), chain[0].hash());
}
