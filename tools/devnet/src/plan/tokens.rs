//! Tokens: ERC-20 and ERC-721.

use super::{DEED, DEPLOYER, Planned, RICH, coin, contract, word};
use crate::accounts::stranger;
use crate::contracts::calls::{Coin, Deed};
use crate::{ACCOUNTS, BlockSpec, Tx, contracts};

pub(super) fn blocks() -> Vec<Planned> {
    let (coin, deed) = (coin(), contract(DEED));
    let [alice, bob, carol] = [ACCOUNTS[0], ACCOUNTS[1], ACCOUNTS[2]];
    let pay = |from, to, amount| Tx::call(from, coin, &Coin::transferCall { to, amount: word(amount) });
    let mint = |from, to, id| Tx::call(from, deed, &Deed::mintCall { to, id: word(id) });
    vec![
        Planned::new(
            "coin",
            "an ERC-20 token is created",
            BlockSpec::of([Tx::create(RICH, contracts::coin(1_000_000_000))]),
        ),
        Planned::new(
            "coin-transfers",
            "ERC-20: transfers, one of them more than there is (reverts), an allowance given and used up",
            BlockSpec::of([
                pay(RICH, alice, 1000),
                pay(RICH, stranger(6), 1),
                pay(4, alice, 1),
                Tx::call(0, coin, &Coin::approveCall { spender: bob, amount: word(600) }),
                Tx::call(1, coin, &Coin::transferFromCall { from: alice, to: carol, amount: word(600) }),
                pay(2, alice, 600),
            ]),
        )
        .failing(&[2]),
        Planned::new("deed", "an ERC-721 token is created", BlockSpec::of([Tx::create(DEPLOYER, contracts::deed())])),
        Planned::new(
            "deed-transfers",
            "ERC-721: minted, approved, moved by owner and by another, refused by a contract (reverts), burnt",
            BlockSpec::of([
                mint(0, alice, 1),
                mint(0, bob, 2),
                Tx::call(0, deed, &Deed::approveCall { to: carol, id: word(1) }),
                Tx::call(2, deed, &Deed::transferFromCall { from: alice, to: stranger(7), id: word(1) }),
                Tx::call(1, deed, &Deed::safeTransferFromCall { from: bob, to: coin, id: word(2) }),
                Tx::call(1, deed, &Deed::safeTransferFromCall { from: bob, to: carol, id: word(2) }),
                Tx::call(2, deed, &Deed::burnCall { id: word(2) }),
            ]),
        )
        .failing(&[4]),
    ]
}
