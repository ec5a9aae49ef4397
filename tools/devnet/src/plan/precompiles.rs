//! Calls of every precompiled contract of Cancun, with input that it takes and input that it does not.

use alloy::primitives::{Address, B256, Bytes, U256, bytes, keccak256, uint};
use alloy::signers::SignerSync;
use alloy::sol_types::SolValue;

use super::{Planned, shelf, word};
use crate::blob::{GENERATOR, INFINITY, SECRET, versioned_hash};
use crate::contracts::calls::Shelf;
use crate::{BlockSpec, Tx, accounts};

/// The prime of the field that the curve of the precompiles 6 to 8 is over.
const FIELD: U256 = uint!(0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47_U256);
/// The generator of its second group, as precompile 8 wants it (EIP-197).
const G2: [U256; 4] = uint!([
    0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2_U256,
    0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed_U256,
    0x090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b_U256,
    0x12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa_U256
]);

pub(super) fn blocks() -> Vec<Planned> {
    let asked = |first: u64, calls: Vec<(u64, Bytes)>| {
        let ask = |((precompile, data), slot)| {
            let to = Address::from_word(word(precompile).into());
            let call = Shelf::askCall { slot: word(slot), to, data };
            Tx::call(0, shelf(), &call).gas(1_000_000)
        };
        BlockSpec::of(calls.into_iter().zip(first..).map(ask))
    };
    vec![
        Planned::new(
            "hashes",
            "precompiles 1 to 5: ECRECOVER, SHA-256, RIPEMD-160, identity, MODEXP",
            asked(100, hashes()),
        ),
        Planned::new(
            "curves",
            "precompiles 6 to 9: addition, multiplication, pairing on BN254; BLAKE2F",
            asked(120, curves()),
        ),
        Planned::new("point-evaluation", "precompile 10: point evaluation (EIP-4844)", asked(140, evaluations())),
    ]
}

fn hashes() -> Vec<(u64, Bytes)> {
    let hash = keccak256("signed");
    let signature = accounts::signer(0).and_then(|signer| signer.sign_hash_sync(&hash).ok());
    let signed = signature.map(|signature| {
        let v = U256::from(27 + u64::from(signature.v()));
        words(&[hash.into(), v, signature.r(), signature.s()])
    });
    // 3^(p-1) mod p is 1.
    let fermat = [words(&[word(1), word(32), word(32)]), bytes!("03"), words(&[FIELD - word(1), FIELD])].concat();
    vec![
        (1, signed.unwrap_or_default()),
        (1, words(&[hash.into(), word(29), word(1), word(1)])),
        (2, b"sha".into()),
        (3, b"ripemd".into()),
        (4, b"the same again".into()),
        (5, fermat.into()),
        (5, words(&[word(0), word(0), word(0)])),
    ]
}

fn curves() -> Vec<(u64, Bytes)> {
    let (one, two) = (word(1), word(2));
    // e(P, Q) e(-P, Q) is 1.
    let pairs = [&[one, two], &G2[..], &[one, FIELD - two], &G2[..]].concat();
    // The example of EIP-152: "abc", twelve rounds, the last block.
    let mut blake = [
        bytes!("0000000c48c9bdf267e6096a3ba7ca8485ae67bb2bf894fe72f36e3cf1361d5f3af54fa5"),
        bytes!("d182e6ad7f520e511f6c3e2b8c68059b6bbd41fbabd9831f79217e1319cde05b616263"),
    ]
    .concat();
    blake.resize(4 + 64 + 128, 0);
    blake.extend(bytes!("0300000000000000000000000000000001"));
    vec![
        (6, words(&[one, two, one, two])),
        (6, words(&[one, one, one, two])),
        (7, words(&[one, two, FIELD - word(12345)])),
        (8, words(&pairs)),
        (8, Bytes::new()),
        (9, blake.into()),
        (9, b"short".into()),
    ]
}

/// The polynomial `x` has the value 12345 at 12345, and dividing by the difference leaves 1, whose commitment is the
/// generator. The polynomial 0 is 0 everywhere.
fn evaluations() -> Vec<(u64, Bytes)> {
    let z = B256::from(word(12345));
    let input = |commitment, value: B256, proof: &_| {
        let hash = versioned_hash(commitment);
        [hash.as_slice(), z.as_slice(), value.as_slice(), commitment.as_slice(), AsRef::<[u8]>::as_ref(proof)]
            .concat()
            .into()
    };
    vec![
        (10, input(&SECRET, z, &GENERATOR)),
        (10, input(&INFINITY, B256::ZERO, &INFINITY)),
        (10, input(&SECRET, word(12346).into(), &GENERATOR)),
    ]
}

fn words(words: &[U256]) -> Bytes {
    words.to_vec().abi_encode_packed().into()
}
