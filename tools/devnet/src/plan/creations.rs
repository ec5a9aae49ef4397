//! Contracts that come and go: CREATE, CREATE2, SELFDESTRUCT as of EIP-6780.

use super::{DEPLOYER, NURSERY, Planned, contract, word};
use crate::accounts::stranger;
use crate::contracts::calls::{Mayfly, Nursery};
use crate::contracts::{mayfly, nursery, salt_beside, shelf};
use crate::{BlockSpec, Tx};
use alloy::primitives::keccak256;

pub(super) fn blocks() -> Vec<Planned> {
    let at = contract(NURSERY);
    // Beside an account of block 3 in the state trie, with nobody else there: without it that branch collapses.
    let salt = salt_beside(at, stranger(1), 3).into();
    let promised = at.create2(salt, keccak256(mayfly()));
    let flash = |from| Tx::call(from, at, &Nursery::flashCall { salt });
    let end = |heir| Tx::call(4, at.create(1), &Mayfly::endCall { heir });
    vec![
        Planned::new(
            "nursery",
            "larger contracts are created",
            BlockSpec::of([Tx::create(DEPLOYER, nursery()), Tx::create(DEPLOYER, shelf())]),
        ),
        Planned::new(
            "creations",
            "CREATE twice in a call, with ether; CREATE2",
            BlockSpec::of([
                Tx::call(1, at, &Nursery::hatchCall { count: word(2) }).value(2_000_000),
                Tx::call(1, at, &Nursery::hatchAtCall { salt: word(1).into() }).value(7),
            ]),
        ),
        Planned::new(
            "short-lived",
            "CREATE2 and SELFDESTRUCT in one transaction, the heir the caller, then the contract itself",
            BlockSpec::of([
                Tx::call(1, at, &Nursery::flashCall { salt: word(2).into() }).value(8),
                Tx::call(1, at, &Nursery::burnCall { salt: word(3).into() }).value(9),
            ]),
        ),
        Planned::new(
            "promised",
            "ether for an address that CREATE2 will take",
            BlockSpec::of([Tx::transfer(2, promised, 1_000_000)]),
        ),
        Planned::new(
            "vanished",
            "CREATE2 and SELFDESTRUCT there: an account leaves the state trie, and a branch collapses",
            BlockSpec::of([flash(1)]),
        ),
        Planned::new(
            "back-and-gone",
            "the same account comes and goes inside one block, and comes again",
            BlockSpec::of([Tx::transfer(2, promised, 1_000_000), flash(1), Tx::transfer(3, promised, 2_000_000)]),
        ),
        Planned::new(
            "old-selfdestruct",
            "SELFDESTRUCT of an older contract: only its ether moves; again without ether, to a missing heir",
            BlockSpec::of([end(stranger(1)), end(stranger(61))]),
        ),
    ]
}
