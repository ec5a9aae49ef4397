//! What a block says of itself, who gets its fees, and withdrawals that meet something.

use alloy::primitives::Address;

use super::{Planned, coin, drawers, shelf, word};
use crate::accounts::stranger;
use crate::contracts::calls::Shelf;
use crate::contracts::pairs;
use crate::genesis::{BEACON_ROOTS, SLOT, TIME};
use crate::{ACCOUNTS, BlockSpec, FEES, Tx};

pub(super) fn blocks() -> Vec<Planned> {
    let (shelf, drawer) = (shelf(), drawers()[1]);
    let look = |slot, whom| Tx::call(0, shelf, &Shelf::lookCall { slot: word(slot), whom });
    vec![
        Planned::new(
            "environment",
            "all that a contract can see of block, transaction and others; BLOCKHASH; transient storage",
            BlockSpec::of([look(300, coin()), look(301, stranger(63)), look(302, ACCOUNTS[0])]),
        ),
        Planned::new(
            "beacon-roots",
            "the beacon root of an earlier block is asked for, and one that there is not; code borrowed by \
             DELEGATECALL",
            BlockSpec::of([
                asked(310, TIME + 5 * SLOT),
                asked(311, TIME + 1),
                Tx::call(2, shelf, &Shelf::borrowCall { to: drawer, data: pairs(&[(word(312), 9)]) }),
            ]),
        ),
        Planned::new(
            "loop",
            "a hundred rounds of Keccak",
            BlockSpec::of([Tx::call(3, shelf, &Shelf::spinCall { slot: word(320), rounds: word(100) })]),
        ),
        Planned::new(
            "own-fees",
            "the fee recipient is the sender",
            BlockSpec { fees: ACCOUNTS[1], ..BlockSpec::of([Tx::transfer(1, stranger(9), 1)]) },
        ),
        Planned::new(
            "fees-of-a-contract",
            "the fee recipient is a contract that is called",
            BlockSpec { fees: drawer, ..BlockSpec::of([Tx::data(2, drawer, pairs(&[(word(330), 1)]))]) },
        ),
        Planned::new(
            "no-fees",
            "a missing fee recipient and no tip: it stays missing",
            BlockSpec { fees: stranger(64), ..BlockSpec::of([Tx::transfer(1, stranger(10), 1).tip(0)]) },
        ),
        Planned::new(
            "odd-withdrawals",
            "withdrawals of zero to a missing account and to one that exists, to contracts, to the fee recipient, \
             to the recipient of a transaction",
            BlockSpec {
                withdrawals: vec![
                    (stranger(65), 0),
                    (stranger(1), 0),
                    (coin(), 5),
                    (BEACON_ROOTS, 8),
                    (FEES, 6),
                    (stranger(11), 7),
                ],
                ..BlockSpec::of([Tx::transfer(0, stranger(11), 1)])
            },
        ),
        Planned::new(
            "nobody",
            "empty, with the zero address as fee recipient",
            BlockSpec { fees: Address::ZERO, ..BlockSpec::default() },
        ),
    ]
}

/// Asks the contract of EIP-4788 for the root of a time.
fn asked(slot: u64, time: u64) -> Tx {
    let data = word(time).to_be_bytes::<32>().into();
    Tx::call(1, shelf(), &Shelf::askCall { slot: word(slot), to: BEACON_ROOTS, data })
}
