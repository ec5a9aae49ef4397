//! The constraints of a Poseidon gate against plonky2's own evaluation.

use goldilocks::{
    Level,
    poseidon::{Constants, evaluate_gate_at},
};
use plonky2::{
    field::{
        goldilocks_field::GoldilocksField,
        types::{Field, PrimeField64, Sample},
    },
    gates::{gate::Gate, poseidon::PoseidonGate},
    hash::{
        hash_types::HashOut,
        poseidon::{ALL_ROUND_CONSTANTS, Poseidon},
    },
    plonk::vars::EvaluationVars,
};

type F = GoldilocksField;
type E = plonky2::field::extension::quadratic::QuadraticExtension<F>;

const CONSTANTS: Constants =
    Constants::new(&ALL_ROUND_CONSTANTS, F::FAST_PARTIAL_FIRST_ROUND_CONSTANT, F::FAST_PARTIAL_ROUND_CONSTANTS);

fn check(wires: &[u64], points: usize) {
    let gate = PoseidonGate::<F, 2>::new();
    // Over the extension, where plonky2 evaluates with code of its own, one point after the other.
    let mut expected = vec![0; gate.num_constraints() * points];
    for point in 0..points {
        let at_point: Vec<E> =
            (0..gate.num_wires()).map(|wire| E::from(GoldilocksField(wires[wire * points + point]))).collect();
        let vars = EvaluationVars {
            local_constants: &[],
            local_wires: &at_point,
            public_inputs_hash: &HashOut { elements: [F::ZERO; 4] },
        };
        for (constraint, value) in gate.eval_unfiltered(vars).iter().enumerate() {
            expected[constraint * points + point] = value.0[0].to_canonical_u64();
        }
    }
    for level in Level::ALL.into_iter().filter(|level| *level <= Level::best()) {
        let mut found = vec![7; expected.len()];
        let done = evaluate_gate_at(level, wires, points, &mut found, &CONSTANTS);
        let lanes = [0, 4, 8][level as usize];
        assert_eq!(done, lanes > 0 && points % lanes == 0, "{level:?} at {points} points");
        if done {
            let found: Vec<u64> = found.iter().map(|value| GoldilocksField(*value).to_canonical_u64()).collect();
            assert_eq!(found, expected, "{level:?}");
        }
    }
}

#[test]
fn random_wires_at_every_number_of_points() {
    let wires = PoseidonGate::<F, 2>::new().num_wires();
    for points in [1, 4, 5, 8, 12, 16, 32] {
        check(&F::rand_vec(wires * points).iter().map(|value| value.0).collect::<Vec<_>>(), points);
    }
}

#[test]
fn wires_at_the_edges_of_the_field() {
    const VALUES: [u64; 7] = [0, 1, 0xffff_ffff, 0xffff_ffff_0000_0000, 0xffff_ffff_0000_0001, u64::MAX - 1, u64::MAX];
    let wires = PoseidonGate::<F, 2>::new().num_wires();
    for step in 0..VALUES.len() {
        check(&(0..wires * 8).map(|at| VALUES[(at * step + at / 8 + at / 60) % VALUES.len()]).collect::<Vec<_>>(), 8);
    }
}
