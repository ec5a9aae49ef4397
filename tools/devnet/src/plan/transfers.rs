//! Ether that moves: by transactions and by withdrawals.

use super::Planned;
use crate::accounts::stranger;
use crate::tx::GWEI;
use crate::{ACCOUNTS, BlockSpec, Tx};

pub(super) fn blocks() -> Vec<Planned> {
    let new = (1..=4).map(|i| Tx::transfer(i as usize, stranger(i), 1_000_000 * GWEI));
    let odd = [
        Tx::transfer(1, ACCOUNTS[1], 5),
        Tx::transfer(2, stranger(60), 0),
        Tx::data(3, ACCOUNTS[2], b"a transfer may say something".as_slice()).value(7).gas(30_000),
    ];
    vec![
        Planned::new("transfer", "one plain transfer", BlockSpec::of([Tx::transfer(0, ACCOUNTS[1], 1_000_000 * GWEI)])),
        Planned::new("empty", "nothing but the call of the beacon roots contract", BlockSpec::default()),
        Planned::new(
            "new-accounts",
            "transfers to new accounts, to the sender itself, of zero to a missing account, with calldata",
            BlockSpec::of(new.chain(odd)),
        ),
        Planned::new(
            "withdrawals",
            "withdrawals only: to a new account twice, to one that exists",
            BlockSpec {
                withdrawals: vec![(stranger(5), 1), (ACCOUNTS[0], 32_000_000_000), (stranger(5), 2)],
                ..BlockSpec::default()
            },
        ),
    ]
}
