//! All kinds of transactions, and many of them.

use super::{Planned, RICH, coin, shelf, word};
use crate::accounts::stranger;
use crate::blob::Blob::{Ones, Twos, Zeros};
use crate::contracts::calls::{Coin, Shelf};
use crate::tx::Kind;
use crate::{ACCOUNTS, BlockSpec, Tx};

pub(super) fn blocks() -> Vec<Planned> {
    let put =
        |from, slot, value| Tx::call(from, shelf(), &Shelf::putCall { slots: vec![word(slot)], value: word(value) });
    let look = Tx::call(5, shelf(), &Shelf::lookCall { slot: word(210), whom: stranger(1) });
    let blobs = Kind::Blobs(vec![Ones, Twos, Zeros, Twos, Ones, Ones]);
    vec![
        Planned::new(
            "kinds",
            "legacy transactions with and without EIP-155, EIP-2930 and EIP-1559 with access lists, used and unused",
            BlockSpec::of([
                Tx::transfer(0, ACCOUNTS[1], 1).kind(Kind::Legacy),
                Tx::transfer(1, stranger(8), 1).kind(Kind::Unprotected),
                Tx::transfer(2, ACCOUNTS[1], 1).kind(Kind::AccessList).gas(50_000),
                put(3, 200, 1)
                    .kind(Kind::AccessList)
                    .access(shelf(), [word(200), word(201)])
                    .access(stranger(62), [word(1)]),
                put(4, 202, 1).access(shelf(), [word(202)]).access(coin(), []),
            ]),
        ),
        Planned::new("blobs", "a transaction with six blobs, whose hashes are read", BlockSpec::of([look.kind(blobs)])),
        Planned::new(
            "blob-gas",
            "a transaction with one blob while blob gas is dearer, and a plain one",
            BlockSpec::of([
                Tx::transfer(5, stranger(1), 1).kind(Kind::Blobs(vec![Ones])),
                Tx::transfer(1, ACCOUNTS[2], 1),
            ]),
        ),
        Planned::new("fifty", "fifty transfers, of ether and of the token", BlockSpec::of(fifty())),
    ]
}

/// Transfers of ether and of the token, from several accounts to several.
pub fn fifty() -> Vec<Tx> {
    let ether = (0..35).map(|i: u64| Tx::transfer(i as usize % 5, stranger(i % 30), u128::from(i) + 1));
    let pay = |i| Tx::call(RICH, coin(), &Coin::transferCall { to: stranger(i), amount: word(10 + i) });
    ether.chain((0..15).map(pay)).collect()
}
