//! The kernel against plonky2's own permutation, one state after the other.

use goldilocks::{
    Level,
    poseidon::{CIRCULANT, Constants, DIAGONAL, WIDTH, permute_many_at},
};
use plonky2::{
    field::{goldilocks_field::GoldilocksField, types::PrimeField64},
    hash::poseidon::{ALL_ROUND_CONSTANTS, Poseidon},
};
use proptest::prelude::*;

const CONSTANTS: Constants = Constants::new(
    &ALL_ROUND_CONSTANTS,
    GoldilocksField::FAST_PARTIAL_FIRST_ROUND_CONSTANT,
    GoldilocksField::FAST_PARTIAL_ROUND_CONSTANTS,
);

/// p, in whose neighbourhood reductions go wrong first.
const P: u64 = 0xffff_ffff_0000_0001;

fn one_by_one(state: [u64; WIDTH]) -> [u64; WIDTH] {
    GoldilocksField::poseidon(state.map(GoldilocksField)).map(|element| element.to_canonical_u64())
}

/// Checks every level that this machine has on `states`: values, and that what was not done was not touched.
fn check(states: &[[u64; WIDTH]]) {
    let expected: Vec<_> = states.iter().map(|state| one_by_one(*state)).collect();
    for level in Level::ALL.into_iter().filter(|level| *level <= Level::best()) {
        let mut found = states.to_vec();
        let done = permute_many_at(level, &mut found, &CONSTANTS);
        assert!(level != Level::Scalar || done == 0);
        assert!(
            level == Level::Scalar || states.len() - done < 3,
            "{level:?} left {} of {}",
            states.len() - done,
            states.len()
        );
        for (at, (found, expected)) in found[..done].iter().zip(&expected).enumerate() {
            assert_eq!(found.map(|value| value % P), *expected, "{level:?}, state {at}: {:x?}", states[at]);
        }
        assert_eq!(found[done..], states[done..]);
    }
}

#[test]
fn the_matrix_is_that_of_plonky2() {
    assert_eq!(CIRCULANT, GoldilocksField::MDS_MATRIX_CIRC);
    assert_eq!(DIAGONAL, GoldilocksField::MDS_MATRIX_DIAG);
}

#[test]
fn extremes_in_every_place() {
    const VALUES: [u64; 9] = [0, 1, 0xffff_ffff, 1 << 32, P - 1, P, P + 1, u64::MAX - 1, u64::MAX];
    let mut states: Vec<_> = VALUES.map(|value| [value; WIDTH]).to_vec();
    for value in VALUES {
        for other in VALUES {
            for at in 0..WIDTH {
                let mut state = [other; WIDTH];
                state[at] = value;
                states.push(state);
            }
        }
    }
    check(&states);
}

#[test]
fn every_number_of_states() {
    for count in 0..=33 {
        let states: Vec<_> = (0..count).map(|at| std::array::from_fn(|element| at * 31 + element as u64)).collect();
        check(&states);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_states(states in prop::collection::vec(prop::array::uniform12(element()), 1..40)) {
        check(&states);
    }
}

/// Any `u64`, and often one near a power of two or p.
fn element() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => any::<u64>(),
        1 => (0_u32..64, 0_u64..4).prop_map(|(shift, more)| (1_u64 << shift).wrapping_sub(more)),
        1 => (0_u64..1 << 33).prop_map(|more| u64::MAX - more),
    ]
}
