//! The contracts of the development chain: their sources are in `contracts/`, compiled by `contracts/compile.sh`.

use alloy::primitives::{Address, Bytes, U256, hex, keccak256};
use alloy::sol_types::SolValue;

/// Calls of the contracts, made of their sources.
pub mod calls {
    alloy::sol!("contracts/Coin.sol");
    alloy::sol!("contracts/Deed.sol");
    alloy::sol!("contracts/Nursery.sol");
    alloy::sol!("contracts/Shelf.sol");
}

/// A fungible token.
const COIN: &str = include_str!("../contracts/Coin.bin");
/// A non-fungible token.
const DEED: &str = include_str!("../contracts/Deed.bin");
/// A contract that can end itself.
const MAYFLY: &str = include_str!("../contracts/Mayfly.bin");
/// What makes such contracts.
const NURSERY: &str = include_str!("../contracts/Nursery.bin");
/// Slots, loops, failures, calls.
const SHELF: &str = include_str!("../contracts/Shelf.bin");

/// Writes slots, and does nothing else: calldata is pairs of slot and value, and the code so short that it takes few
/// steps to prove. In words: `i = 0; while i < size { sstore(load(i), load(i + 32)); i += 64 }`.
const DRAWER: &str = "60198060095f395ff3\
                      5f5b36811015601757\
                      80602001358135556040016001565b00";

/// The code that creates a [`calls::Coin`] whose whole supply is the creator's.
pub fn coin(supply: u128) -> Bytes {
    [code(COIN).as_ref(), &U256::from(supply).abi_encode()].concat().into()
}

/// The code that creates a [`calls::Deed`].
pub fn deed() -> Bytes {
    code(DEED)
}

/// The code that creates a [`calls::Mayfly`].
pub fn mayfly() -> Bytes {
    code(MAYFLY)
}

/// The code that creates a [`calls::Nursery`].
pub fn nursery() -> Bytes {
    code(NURSERY)
}

/// The code that creates a [`calls::Shelf`].
pub fn shelf() -> Bytes {
    code(SHELF)
}

/// The code that creates a contract which writes the slots that it is told to.
pub fn drawer() -> Bytes {
    code(DRAWER)
}

/// What a drawer is told: slots and their new values.
pub fn pairs(entries: &[(U256, u64)]) -> Bytes {
    entries.iter().flat_map(|&(slot, value)| [slot, U256::from(value)]).collect::<Vec<_>>().abi_encode_packed().into()
}

/// The first slots, from 1 on, whose keys in the storage trie begin with these hexadecimal digits.
pub fn slots<const COUNT: usize>(digits: &str) -> [U256; COUNT] {
    let starts = |slot: &U256| hex::encode(keccak256(slot.to_be_bytes::<32>())).starts_with(digits);
    let mut found = (1..u64::MAX).map(U256::from).filter(starts);
    std::array::from_fn(|_| found.next().unwrap_or_default())
}

/// The first salt, from 0 on, by which CREATE2 of a [`calls::Nursery`] makes a mayfly whose key in the state trie
/// begins with the first `digits` of another account's.
pub fn salt_beside(nursery: Address, other: Address, digits: usize) -> U256 {
    let key = |address: Address| hex::encode(keccak256(address));
    let beside = &key(other)[..digits];
    let hash = keccak256(mayfly());
    let fits = |salt: &U256| key(nursery.create2(salt.to_be_bytes::<32>(), hash)).starts_with(beside);
    (0..u64::MAX).map(U256::from).find(fits).unwrap_or_default()
}

fn code(hexadecimal: &str) -> Bytes {
    hex::decode(hexadecimal.trim()).expect("checked in by the compiler").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_code_is_there() {
        for (code, beginning) in [(coin(1), "60"), (deed(), "60"), (mayfly(), "60"), (nursery(), "60"), (shelf(), "60")]
        {
            assert!(code.len() > 100 && hex::encode(&code).starts_with(beginning), "{code}");
        }
    }

    #[test]
    fn slots_begin_as_wanted() {
        for slot in slots::<3>("50") {
            assert_eq!(keccak256(slot.to_be_bytes::<32>())[0], 0x50);
        }
    }
}
