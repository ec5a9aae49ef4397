//! The permutation argument and the quotient of a circuit's constraints, at several points at once. What is computed, in
//! which order and with which challenges, is as in `prover.rs` and `vanishing_poly.rs`; circuits with lookups are left to
//! these.

use plonky2_field::{packable::Packable, packed::PackedField, types::Field, zero_poly_coset::ZeroPolyOnCoset};
use plonky2_maybe_rayon::*;

use crate::{
    field::{
        extension::Extendable,
        polynomial::{PolynomialCoeffs, PolynomialValues},
    },
    fri::oracle::PolynomialBatch,
    hash::hash_types::{HashOut, RichField},
    iop::witness::MatrixWitness,
    plonk::{
        circuit_data::{CommonCircuitData, ProverOnlyCircuitData},
        config::GenericConfig,
        vanishing_poly::evaluate_gate_constraints_base_batch,
        vars::EvaluationVarsBaseBatch,
    },
    util::{log2_ceil, reverse_bits},
};

/// Points whose constraints are evaluated together.
const POINTS: usize = 32;

/// The partial products of the permutation argument, and last its `Z`, for one challenge.
pub(super) fn partial_products_and_zs<F: RichField + Extendable<D>, C: GenericConfig<D, F = F>, const D: usize>(
    witness: &MatrixWitness<F>,
    beta: F,
    gamma: F,
    prover: &ProverOnlyCircuitData<F, C, D>,
    common: &CommonCircuitData<F, D>,
) -> Vec<PolynomialValues<F>> {
    match common.degree() % <F as Packable>::Packing::WIDTH {
        0 => products::<F, C, D, <F as Packable>::Packing>(witness, beta, gamma, prover, common),
        _ => products::<F, C, D, F>(witness, beta, gamma, prover, common),
    }
}

fn products<F: RichField + Extendable<D>, C: GenericConfig<D, F = F>, const D: usize, P: PackedField<Scalar = F>>(
    witness: &MatrixWitness<F>,
    beta: F,
    gamma: F,
    prover: &ProverOnlyCircuitData<F, C, D>,
    common: &CommonCircuitData<F, D>,
) -> Vec<PolynomialValues<F>> {
    let wires = &witness.wire_values[..common.config.num_routed_wires];
    // The products of the first chunk of a row's wires, of the first two, and so on.
    let prefixes = |(at, x): (usize, &[F])| {
        let x = *P::from_slice(x) * beta;
        let (mut numerators, mut denominators) = (Vec::new(), Vec::new());
        for (wire, (values, shift)) in wires.iter().zip(&common.k_is).enumerate() {
            if wire % common.quotient_degree_factor == 0 {
                numerators.push(P::ONES);
                denominators.push(P::ONES);
            }
            let value = *P::from_slice(&values[at * P::WIDTH..][..P::WIDTH]) + gamma;
            let sigma: P = gather(|lane| prover.sigmas[at * P::WIDTH + lane][wire]);
            if let (Some(numerator), Some(denominator)) = (numerators.last_mut(), denominators.last_mut()) {
                *numerator *= value + x * *shift;
                *denominator *= value + sigma * beta;
            }
        }
        let inverses = F::batch_multiplicative_inverse(&unpack(&denominators));
        let mut product = P::ONES;
        for (numerator, inverse) in numerators.iter_mut().zip(P::pack_slice(&inverses)) {
            product *= *numerator * *inverse;
            *numerator = product;
        }
        numerators
    };
    let rows: Vec<Vec<P>> = prover.subgroup.par_chunks_exact(P::WIDTH).enumerate().map(prefixes).collect();

    // `Z` of a row is the product of all rows before it.
    let mut z = F::ONE;
    let mut zs = Vec::with_capacity(common.degree());
    for product in rows.iter().flat_map(|prefixes| prefixes[common.num_partial_products].as_slice()) {
        zs.push(z);
        z *= *product;
    }
    let partial_products = (0..common.num_partial_products).into_par_iter().map(|at| {
        let values: Vec<P> = rows.iter().zip(P::pack_slice(&zs)).map(|(prefixes, z)| prefixes[at] * *z).collect();
        PolynomialValues::new(unpack(&values))
    });
    let mut polynomials: Vec<_> = partial_products.collect();
    polynomials.push(PolynomialValues::new(zs));
    polynomials
}

/// The coefficients of the quotient for each of the challenges `alphas`; none for a circuit with lookups.
pub(super) fn quotient_polys<F: RichField + Extendable<D>, C: GenericConfig<D, F = F>, const D: usize>(
    common: &CommonCircuitData<F, D>,
    prover: &ProverOnlyCircuitData<F, C, D>,
    public_inputs_hash: &HashOut<F>,
    wires: &PolynomialBatch<F, C, D>,
    zs: &PolynomialBatch<F, C, D>,
    [betas, gammas, alphas]: [&[F]; 3],
) -> Option<Vec<PolynomialCoeffs<F>>> {
    let log_rate = log2_ceil(common.quotient_degree_factor);
    let log_points = common.degree_bits() + log_rate;
    if common.num_lookup_polys != 0 || 1 << log_points < POINTS {
        return None;
    }
    let xs: Vec<F> =
        F::primitive_root_of_unity(log_points).shifted_powers(F::coset_shift()).take(1 << log_points).collect();
    let constraints = Constraints {
        common,
        prover,
        public_inputs_hash,
        wires,
        zs,
        betas,
        gammas,
        alphas,
        log_points,
        next: 1 << log_rate,
        xs,
        vanishing: ZeroPolyOnCoset::new(common.degree_bits(), log_rate),
    };
    // The points are those of the first leaves, whatever the rate of the commitments is.
    let batches: Vec<Vec<F>> = (0..(1 << log_points) / POINTS)
        .into_par_iter()
        .map(|batch| match POINTS % <F as Packable>::Packing::WIDTH {
            0 => constraints.quotients::<<F as Packable>::Packing>(batch * POINTS),
            _ => constraints.quotients::<F>(batch * POINTS),
        })
        .collect();
    let polynomials = (0..alphas.len()).into_par_iter().map(|challenge| {
        let value = |point| {
            let row = reverse_bits(point, log_points);
            batches[row / POINTS][challenge * POINTS + row % POINTS]
        };
        PolynomialValues::new((0..1 << log_points).map(value).collect()).coset_ifft(F::coset_shift())
    });
    Some(polynomials.collect())
}

/// What the constraints are evaluated with.
struct Constraints<'a, F: RichField + Extendable<D>, C: GenericConfig<D, F = F>, const D: usize> {
    common: &'a CommonCircuitData<F, D>,
    prover: &'a ProverOnlyCircuitData<F, C, D>,
    public_inputs_hash: &'a HashOut<F>,
    wires: &'a PolynomialBatch<F, C, D>,
    zs: &'a PolynomialBatch<F, C, D>,
    betas: &'a [F],
    gammas: &'a [F],
    alphas: &'a [F],
    log_points: usize,
    /// Points from one row of the circuit to the next.
    next: usize,
    xs: Vec<F>,
    vanishing: ZeroPolyOnCoset<F>,
}

impl<F: RichField + Extendable<D>, C: GenericConfig<D, F = F>, const D: usize> Constraints<'_, F, C, D> {
    /// The sum of the constraints, divided, at the points of the leaves from number `first`: `POINTS` values for each
    /// challenge.
    fn quotients<P: PackedField<Scalar = F>>(&self, first: usize) -> Vec<F> {
        let common = self.common;
        let points: [usize; POINTS] = core::array::from_fn(|at| reverse_bits(first + at, self.log_points));
        let constants = columns::<F>(|at| self.prover.constants_sigmas_commitment.leaf(first + at));
        let wires = columns::<F>(|at| self.wires.leaf(first + at));
        let zs = columns::<F>(|at| self.zs.leaf(first + at));
        let next_row = |at: usize| {
            let next = (points[at] + self.next) % (1 << self.log_points);
            &self.zs.leaf(reverse_bits(next, self.log_points))[common.zs_range()]
        };
        let next_zs = columns::<F>(next_row);
        let part = |range: core::ops::Range<usize>| range.start * POINTS..range.end * POINTS;

        let terms = self.permutation_terms::<P>(
            &points,
            &wires,
            &constants[part(common.sigmas_range())],
            &zs[part(common.zs_range())],
            &next_zs,
            &zs[part(common.partial_products_range())],
        );
        let gates = evaluate_gate_constraints_base_batch::<F, D>(
            common,
            EvaluationVarsBaseBatch::new(
                POINTS,
                &constants[part(common.constants_range())],
                &wires,
                self.public_inputs_hash,
            ),
        );

        // The terms before those of the gates, and times powers of alpha, by Horner's rule.
        let lanes = POINTS / P::WIDTH;
        let mut sums = vec![P::ZEROS; self.alphas.len() * lanes];
        for terms in gates.chunks_exact(POINTS).rev().map(P::pack_slice).chain(terms.chunks_exact(lanes).rev()) {
            for (sums, alpha) in sums.chunks_exact_mut(lanes).zip(self.alphas) {
                for (sum, term) in sums.iter_mut().zip(terms) {
                    *sum = *sum * *alpha + *term;
                }
            }
        }
        for (at, sum) in sums.iter_mut().enumerate() {
            let points = &points[at % lanes * P::WIDTH..];
            *sum *= gather::<P>(|lane| self.vanishing.eval_inverse(points[lane]));
        }
        unpack(&sums)
    }

    /// The terms of the permutation argument, `POINTS` values each: where it starts, for each challenge, and then for each
    /// challenge its partial products.
    fn permutation_terms<P: PackedField<Scalar = F>>(
        &self,
        points: &[usize; POINTS],
        wires: &[F],
        sigmas: &[F],
        zs: &[F],
        next_zs: &[F],
        partial_products: &[F],
    ) -> Vec<P> {
        let lanes = POINTS / P::WIDTH;
        let (routed, degree) = (self.common.config.num_routed_wires, self.common.quotient_degree_factor);
        let products = self.common.num_partial_products;
        let challenges = self.betas.len();
        // `L_0(x) = Z_H(x) / (n (x - 1))`.
        let degree_of_circuit = F::from_canonical_usize(self.common.degree());
        let divisors = points.map(|point| degree_of_circuit * (self.xs[point] - F::ONE));
        let inverses = F::batch_multiplicative_inverse(&divisors);

        let mut terms = vec![P::ZEROS; challenges * (products + 2) * lanes];
        for lane in 0..lanes {
            let start = lane * P::WIDTH;
            let load = |columns: &[F], column: usize| *P::from_slice(&columns[column * POINTS + start..][..P::WIDTH]);
            let x: P = gather(|at| self.xs[points[start + at]]);
            let first: P = gather(|at| self.vanishing.eval(points[start + at]) * inverses[start + at]);
            for challenge in 0..challenges {
                let (beta, gamma) = (self.betas[challenge], self.gammas[challenge]);
                let (x, z) = (x * beta, load(zs, challenge));
                terms[challenge * lanes + lane] = first * (z - P::ONES);
                let mut before = z;
                for (product, wire) in (0..routed).step_by(degree).enumerate() {
                    let (mut numerator, mut denominator) = (P::ONES, P::ONES);
                    for wire in wire..routed.min(wire + degree) {
                        let value = load(wires, wire) + gamma;
                        numerator *= value + x * self.common.k_is[wire];
                        denominator *= value + load(sigmas, wire) * beta;
                    }
                    let after = match product == products {
                        true => load(next_zs, challenge),
                        false => load(partial_products, challenge * products + product),
                    };
                    let term = challenges + challenge * (products + 1) + product;
                    terms[term * lanes + lane] = before * numerator - after * denominator;
                    before = after;
                }
            }
        }
        terms
    }
}

/// `POINTS` rows, column after column.
fn columns<'a, F: Field>(row: impl Fn(usize) -> &'a [F]) -> Vec<F> {
    let mut columns = vec![F::ZERO; row(0).len() * POINTS];
    for at in 0..POINTS {
        for (place, value) in columns[at..].iter_mut().step_by(POINTS).zip(row(at)) {
            *place = *value;
        }
    }
    columns
}

/// A value for each lane.
fn gather<P: PackedField>(value: impl Fn(usize) -> P::Scalar) -> P {
    let mut packed = P::ZEROS;
    for (lane, place) in packed.as_slice_mut().iter_mut().enumerate() {
        *place = value(lane);
    }
    packed
}

/// The values of all lanes.
fn unpack<P: PackedField>(packed: &[P]) -> Vec<P::Scalar> {
    packed.iter().flat_map(|packed| packed.as_slice()).copied().collect()
}
