//! What fails, outside and inside.

use alloy::primitives::bytes;

use super::{NURSERY, Planned, contract, shelf, word};
use crate::contracts::calls::{Nursery, Shelf};
use crate::{BlockSpec, Tx};

pub(super) fn blocks() -> Vec<Planned> {
    let (nursery, shelf) = (contract(NURSERY), shelf());
    let taken = word(1).into();
    vec![
        Planned::new(
            "failures",
            "REVERT of a transaction and of a call inside one, out of gas outside and inside",
            BlockSpec::of([
                Tx::call(0, shelf, &Shelf::failCall { slot: word(1) }),
                Tx::call(0, shelf, &Shelf::surviveCall { slot: word(2) }),
                Tx::call(1, shelf, &Shelf::exhaustCall {}).gas(70_000),
            ]),
        )
        .failing(&[0, 2]),
        Planned::new(
            "failed-creations",
            "creations that fail: by REVERT, an invalid opcode, code that begins with 0xef, an address that is taken; \
             and one of no code, with ether",
            BlockSpec::of([
                Tx::call(1, nursery, &Nursery::miscarryCall { taken }).gas(600_000),
                Tx::create(1, bytes!("5f5ffd")).gas(100_000),
                Tx::create(2, bytes!("fe")).gas(100_000),
                Tx::create(3, bytes!("60ef5f5360015ff3")).gas(100_000),
                Tx::create(4, bytes!("")).value(3).gas(100_000),
            ]),
        )
        .failing(&[1, 2, 3]),
    ]
}
