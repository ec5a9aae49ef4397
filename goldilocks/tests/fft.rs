//! The transform against plonky2's own.

use goldilocks::{
    Level,
    fft::{TWO_ADIC_GENERATOR, forward_at},
};
use plonky2::field::{
    fft::fft_root_table,
    goldilocks_field::GoldilocksField,
    types::{Field, PrimeField64},
};

type F = GoldilocksField;

/// The sum of `values[j] w^(ij)` for every `i`, in bit-reversed order, by the definition, split in two as often as there
/// are halves.
fn expected(values: &[F]) -> Vec<F> {
    if values.len() == 1 {
        return values.to_vec();
    }
    let (low, high) = values.split_at(values.len() / 2);
    let root = F::primitive_root_of_unity(values.len().ilog2() as usize);
    let sums: Vec<F> = low.iter().zip(high).map(|(a, b)| *a + *b).collect();
    let differences: Vec<F> = low.iter().zip(high).zip(root.powers()).map(|((a, b), w)| (*a - *b) * w).collect();
    [expected(&sums), expected(&differences)].concat()
}

fn check(values: &[u64]) {
    let expected: Vec<u64> = expected(&values.iter().map(|value| GoldilocksField(*value)).collect::<Vec<_>>())
        .iter()
        .map(F::to_canonical_u64)
        .collect();
    for level in Level::ALL.into_iter().filter(|level| *level <= Level::best()) {
        let mut found = values.to_vec();
        let done = forward_at(level, &mut found);
        assert_eq!(
            done,
            level > Level::Scalar && values.len() >= if level == Level::Avx2 { 16 } else { 64 },
            "{level:?}"
        );
        if done {
            let found: Vec<u64> = found.iter().map(|value| GoldilocksField(*value).to_canonical_u64()).collect();
            assert_eq!(found, expected, "{level:?}, {} values", values.len());
        } else {
            assert_eq!(found, values);
        }
    }
}

#[test]
fn the_generator_is_that_of_plonky2() {
    assert_eq!(TWO_ADIC_GENERATOR, GoldilocksField::POWER_OF_TWO_GENERATOR.to_canonical_u64());
    assert_eq!(fft_root_table::<F>(8)[2][1], F::primitive_root_of_unity(3));
}

#[test]
fn every_size() {
    for log in 0..=17 {
        check(&(0..1_u64 << log).map(|at| at.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect::<Vec<_>>());
    }
}

#[test]
fn values_that_are_not_below_the_order() {
    const VALUES: [u64; 7] = [0, 1, 0xffff_ffff, 0xffff_ffff_0000_0000, 0xffff_ffff_0000_0001, u64::MAX - 1, u64::MAX];
    for seed in 0..VALUES.len() {
        for log in [4, 6, 7, 8, 9, 12, 13] {
            check(&vec![VALUES[seed]; 1 << log]);
            check(&(0..1 << log).map(|at| VALUES[(at * (seed + 1) + at / 7) % VALUES.len()]).collect::<Vec<_>>());
        }
    }
}
