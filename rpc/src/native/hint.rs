//! What a tracer of the node says a block touches: a hint of what to fetch at once, believed by nobody.

use std::collections::BTreeMap;

use alloy::primitives::{Address, Bytes, U256, keccak256};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::json;
use serde_json::value::RawValue;

use super::state::{State, Wanted};
use crate::node::{FullBlock, Node, NodeError};

/// Gas that touching an account or a slot takes at least (EIP-2930, an entry of the access list).
const CHEAPEST: u64 = 1900;

/// Traces that are asked for at once, where the node traces no whole blocks.
const AT_ONCE: usize = 8;

/// One transaction in `debug_traceBlockByNumber`.
#[derive(Deserialize)]
struct Traced {
    result: Option<Prestate>,
}

type Prestate = BTreeMap<String, Traces>;

/// An account of the prestate tracer.
#[derive(Serialize, Deserialize)]
struct Traces {
    code: Option<String>,
    #[serde(default)]
    storage: BTreeMap<String, Ignored>,
}

/// The value of a slot, which is not believed.
struct Ignored;

impl<'de> Deserialize<'de> for Ignored {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

impl Serialize for Ignored {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

/// What the node's tracer says the block touches, nothing if it has none. Code in it is kept under its own hash.
pub(super) async fn hint(node: &Node, block: &FullBlock, state: &mut State) -> Wanted {
    let mut wanted = Wanted::default();
    if block.transactions.is_empty() {
        return wanted;
    }
    let key = ("hint", json!([block.hash]));
    let parse = |text: &RawValue| {
        serde_json::from_str(text.get()).map_err(|error| NodeError::Nonsense {
            host: node.host().to_owned(),
            method: "prestateTracer".to_owned(),
            reason: error.to_string(),
        })
    };
    let traces = match node.remembered(&key, parse).await {
        Some(traces) => Ok(traces),
        None => traces(node, block).await,
    };
    let traces = match traces {
        Ok(traces) => traces,
        Err(error) => {
            tracing::debug!(%error, "no tracer helps");
            return wanted;
        }
    };
    if let Ok(text) = serde_json::value::to_raw_value(&traces) {
        node.remember(block.header.number, &key, &text).await;
    }
    let most = block.header.gas_used / CHEAPEST + 8 * block.transactions.len() as u64;
    let mut keys = 0;
    for (address, traced) in traces.into_iter().flatten() {
        let Ok(address) = address.parse::<Address>() else { continue };
        keys += 1 + traced.storage.len() as u64;
        if keys > 2 * most + 1000 {
            tracing::debug!("the tracer names more than the block can touch");
            break;
        }
        wanted.account(address);
        for slot in traced.storage.keys() {
            if let Ok(slot) = slot.parse::<U256>() {
                wanted.slot(address, slot);
            }
        }
        if let Some(code) = traced.code.and_then(|code| code.parse::<Bytes>().ok())
            && !code.is_empty()
        {
            state.add_code(keccak256(&code), code);
        }
    }
    wanted
}

async fn traces(node: &Node, block: &FullBlock) -> Result<Vec<Prestate>, NodeError> {
    let config = json!({ "tracer": "prestateTracer", "tracerConfig": { "diffMode": false } });
    let number = format!("{:#x}", block.header.number);
    match node.call::<Vec<Traced>>("debug_traceBlockByNumber", json!([number, config])).await {
        Ok(traces) => return Ok(traces.into_iter().filter_map(|traced| traced.result).collect()),
        Err(error) if !error.is_unsupported() => return Err(error),
        Err(error) => tracing::debug!(%error, "asking for one transaction after another"),
    }
    let mut found = Vec::new();
    for part in block.transactions.chunks(AT_ONCE) {
        let asked = part.iter().map(|one| node.call::<Prestate>("debug_traceTransaction", json!([one.hash(), config])));
        found.extend(futures_util::future::try_join_all(asked).await?);
    }
    Ok(found)
}
