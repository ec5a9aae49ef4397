//! Storage that comes and goes, so that its tries grow and collapse.
//!
//! Three contracts have the same code and different tries. Where a trie collapses, what is left of it is a node that
//! the block itself never reads.

use alloy::primitives::U256;

use super::{DEPLOYER, DRAWERS, Planned, drawers, word};
use crate::contracts::{drawer, pairs, slots};
use crate::{BlockSpec, Tx};

pub(super) fn blocks() -> Vec<Planned> {
    let [a, b, c] = drawers();
    // A branch of two at the root; a branch of two below it; one two levels below.
    let ([a1], [a2]) = (slots("1"), slots("2"));
    let ([b1], [b2], [b3]) = (slots("30"), slots("31"), slots("4"));
    let ([c1], [c2], [c3, c4]) = (slots("500"), slots("501"), slots("6"));
    let row: Vec<U256> = (1000..1020).map(word).collect();
    let put = |from: usize, to, slots: &[U256], value| {
        let entries: Vec<_> = slots.iter().map(|&slot| (slot, value)).collect();
        Tx::data(from, to, pairs(&entries)).gas(100_000 + 25_000 * slots.len() as u64)
    };
    let deploy = DRAWERS.map(|_| Tx::create(DEPLOYER, drawer()).gas(200_000));
    vec![
        Planned::new("drawers", "three small contracts are created", BlockSpec::of(deploy)),
        Planned::new(
            "storage-written",
            "slots are written",
            BlockSpec::of([put(0, a, &[a1, a2], 1), put(1, b, &[b1, b2, b3], 2), put(2, c, &[c1, c2, c3], 3)]),
        ),
        Planned::new(
            "storage-cleared",
            "storage tries collapse: the root branch becomes a leaf, an extension, a longer extension",
            BlockSpec::of([put(0, a, &[a2], 0), put(1, b, &[b3], 0), put(2, c, &[c3], 0)]),
        ),
        Planned::new(
            "storage-grows-back",
            "the same tries grow back",
            BlockSpec::of([put(0, a, &[a2], 4), put(1, b, &[b3], 4), put(2, c, &[c3], 4)]),
        ),
        Planned::new(
            "storage-flickers",
            "tries collapse in one transaction and grow back in the next: the block's net effect hides it",
            BlockSpec::of([
                put(0, a, &[a2], 0),
                put(0, a, &[a2], 5),
                put(1, b, &[b3], 0),
                put(1, b, &[b3], 5),
                put(2, c, &[c3], 0),
                put(2, c, &[c4], 5),
            ]),
        ),
        Planned::new("storage-row", "twenty slots of one contract", BlockSpec::of([put(3, c, &row, 6)])),
        Planned::new(
            "storage-emptied",
            "a slot is written and cleared in one block; a trie is emptied; many slots are cleared at once",
            BlockSpec::of([
                put(0, a, &[word(77)], 1),
                put(0, a, &[word(77)], 0),
                put(0, a, &[a1, a2], 0),
                put(3, c, &row, 0),
            ]),
        ),
    ]
}
