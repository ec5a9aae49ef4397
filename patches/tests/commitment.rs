//! `plonky2`: leaves of a commitment that are extended in vector lanes are the values of the polynomials, and rows become columns.

use plonky2::{
    field::{
        goldilocks_field::GoldilocksField,
        polynomial::{PolynomialCoeffs, PolynomialValues},
        types::{Field, Sample},
    },
    fri::oracle::PolynomialBatch,
    plonk::config::PoseidonGoldilocksConfig,
    util::timing::TimingTree,
};

type F = GoldilocksField;
type Batch = PolynomialBatch<F, PoseidonGoldilocksConfig, 2>;

/// The lowest `bits` of `at`, backwards.
fn reversed(at: usize, bits: usize) -> u64 {
    (0..bits).fold(0, |reversed, bit| reversed << 1 | (at as u64 >> bit & 1))
}

fn check(log_length: usize, rate_bits: usize, polynomials: usize) {
    let values: Vec<PolynomialValues<F>> =
        (0..polynomials).map(|_| PolynomialValues::new(F::rand_vec(1 << log_length))).collect();
    let batch = Batch::from_values(values.clone(), rate_bits, false, 1, &mut TimingTree::default(), None);

    let inner = F::primitive_root_of_unity(log_length);
    let outer = F::primitive_root_of_unity(log_length + rate_bits);
    // Polynomials of some size are looked at in some places only: each costs a pass over all coefficients.
    let places = |length: usize| (0..length).step_by((length / 64).max(1)).chain([length - 1]).collect::<Vec<_>>();
    for (coefficients, values) in batch.polynomials.iter().zip(&values) {
        for at in places(values.len()) {
            assert_eq!(coefficients.eval(inner.exp_u64(at as u64)), values.values[at]);
        }
    }
    let leaves = &batch.merkle_tree.leaves;
    assert_eq!(leaves.len(), 1 << (log_length + rate_bits));
    for at in places(leaves.len()) {
        let point = F::coset_shift() * outer.exp_u64(reversed(at, log_length + rate_bits));
        let expected: Vec<F> = batch.polynomials.iter().map(|polynomial| polynomial.eval(point)).collect();
        assert_eq!(leaves[at], expected, "leaf {at} of 2^{log_length}, rate {rate_bits}");
    }
}

#[test]
fn leaves_are_values_at_every_size_and_rate() {
    for log_length in 1..=12 {
        for rate_bits in 0..=3 {
            check(log_length, rate_bits, 3);
        }
    }
}

#[test]
fn wide_commitments() {
    check(8, 1, 135);
    check(6, 3, 2431);
}

#[test]
fn openings_are_values_of_the_polynomials() {
    type E = plonky2::field::extension::quadratic::QuadraticExtension<F>;
    for log_length in 0..=12 {
        let values = (0..5).map(|_| PolynomialValues::new(F::rand_vec(1 << log_length))).collect();
        let batch = Batch::from_values(values, 1, false, 0, &mut TimingTree::default(), None);
        let point = E::rand();
        let expected: Vec<E> = batch.polynomials.iter().map(|p| p.to_extension::<2>().eval(point)).collect();
        assert_eq!(batch.evaluate(point), expected, "polynomials of 2^{log_length} coefficients");
    }
}

#[test]
fn transforms_of_the_extension_field_are_values() {
    type E = plonky2::field::extension::quadratic::QuadraticExtension<F>;
    for log_length in 0..=10 {
        let polynomial = PolynomialCoeffs::new(E::rand_vec(1 << log_length));
        let values = polynomial.clone().fft().values;
        let root = E::primitive_root_of_unity(log_length);
        for (at, value) in values.iter().enumerate() {
            assert_eq!(polynomial.eval(root.exp_u64(at as u64)), *value);
        }
        assert_eq!(PolynomialValues::new(values).ifft(), polynomial);
    }
}

#[test]
fn columns_of_rows_of_every_size() {
    for (rows, width) in [(1, 1), (1, 9), (5, 3), (127, 8), (128, 17), (129, 16), (1000, 26)] {
        let matrix: Vec<Vec<usize>> = (0..rows).map(|row| (0..width).map(|at| row * width + at).collect()).collect();
        let columns: Vec<Vec<usize>> = (0..width).map(|at| matrix.iter().map(|row| row[at]).collect()).collect();
        assert_eq!(plonky2::util::transpose(&matrix), columns, "{rows} rows of {width}");
        assert_eq!(plonky2::util::transpose(&columns), matrix, "{width} rows of {rows}");
    }
    let rows = [[1, 2, 3], [4, 5, 6]];
    assert_eq!(plonky2::util::transpose::in_blocks(&rows), [[1, 4], [2, 5], [3, 6]]);
}
