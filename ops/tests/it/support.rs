//! What several subjects need beside what other crates need as well.

use ops::witness::Witness;
use serde::Deserialize;
use serde_json::Value;
use testing::witness::elsewhere;

/// The text of a witness of several blocks that a node recorded, if it is there.
pub(crate) fn recorded() -> Option<String> {
    elsewhere("witness_b3_b6.json").map(|path| std::fs::read_to_string(path).expect("a readable file"))
}

/// The one block of a JSON value, without the checks of a reader.
pub(crate) fn parse(block: &Value) -> Witness {
    Witness::deserialize(block).expect("it has the form of a witness")
}
