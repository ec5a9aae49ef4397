//! Gates that are evaluated at several points at once, beside those that plonky2 evaluates so itself
//! (`packed_util.rs`): Poseidon by the kernel for it, and the gates that compute in the extension field with packed
//! coordinates. Constraints and their order are those of each gate's own file.

use std::ops::Range;

use plonky2_field::{
    extension::Extendable,
    fft::lanes::{integers, integers_mut},
    goldilocks_field::GoldilocksField,
    kernels,
    packable::Packable,
    packed::PackedField,
};

use super::{
    arithmetic_extension::ArithmeticExtensionGate, coset_interpolation::CosetInterpolationGate, gate::Gate, multiplication_extension::MulExtensionGate,
    packed_util::PackedEvaluableBase, poseidon::PoseidonGate, reducing::ReducingGate,
    reducing_extension::ReducingExtensionGate, util::StridedConstraintConsumer,
};
use crate::{
    hash::{hash_types::RichField, lanes::CONSTANTS},
    plonk::vars::{EvaluationVarsBaseBatch, EvaluationVarsBasePacked},
    util::strided_view::PackedStridedView,
};

/// Poseidon: by the kernel, where there is one.
pub(super) fn poseidon<F: RichField + Extendable<D>, const D: usize>(
    gate: &PoseidonGate<F, D>,
    vars: EvaluationVarsBaseBatch<'_, F>,
) -> Vec<F> {
    let mut constraints = vec![F::ZERO; vars.len() * gate.num_constraints()];
    if <F as Kernel>::poseidon(vars.local_wires, vars.len(), &mut constraints) {
        return constraints;
    }
    one_by_one(gate, vars)
}

/// A gate of the extension field: packed, where that packs more than one.
pub(super) fn packed<G: PackedEvaluableBase<F, D>, F: RichField + Extendable<D>, const D: usize>(
    gate: &G,
    vars: EvaluationVarsBaseBatch<'_, F>,
) -> Vec<F> {
    match <F as Packable>::Packing::WIDTH {
        1 => one_by_one(gate, vars),
        _ => gate.eval_unfiltered_base_batch_packed(vars),
    }
}

/// As gates do that say nothing of batches.
fn one_by_one<G: Gate<F, D>, F: RichField + Extendable<D>, const D: usize>(
    gate: &G,
    vars: EvaluationVarsBaseBatch<'_, F>,
) -> Vec<F> {
    let mut constraints = vec![F::ZERO; vars.len() * gate.num_constraints()];
    for (at, point) in vars.iter().enumerate() {
        gate.eval_unfiltered_base_one(point, StridedConstraintConsumer::new(&mut constraints, vars.len(), at));
    }
    constraints
}

trait Kernel: Sized {
    fn poseidon(wires: &[Self], points: usize, constraints: &mut [Self]) -> bool;
}

impl<F: RichField> Kernel for F {
    default fn poseidon(_: &[Self], _: usize, _: &mut [Self]) -> bool {
        false
    }
}

impl Kernel for GoldilocksField {
    fn poseidon(wires: &[Self], points: usize, constraints: &mut [Self]) -> bool {
        kernels::poseidon::evaluate_gate(integers(wires), points, integers_mut(constraints), &CONSTANTS)
    }
}

/// An element of the extension field at several points.
#[derive(Clone, Copy)]
struct Ext<P, const D: usize>([P; D]);

impl<P: PackedField, const D: usize> Ext<P, D> {
    fn read(wires: PackedStridedView<'_, P>, range: Range<usize>) -> Self {
        Self(core::array::from_fn(|at| wires[range.start + at]))
    }

    fn add(self, other: Self) -> Self {
        Self(core::array::from_fn(|at| self.0[at] + other.0[at]))
    }

    fn sub(self, other: Self) -> Self {
        Self(core::array::from_fn(|at| self.0[at] - other.0[at]))
    }

    fn scale(self, factor: P) -> Self {
        Self(core::array::from_fn(|at| self.0[at] * factor))
    }

    /// By an element of the base field that is the same at all points.
    fn times(self, factor: P::Scalar) -> Self {
        Self(self.0.map(|coordinate| coordinate * factor))
    }

    /// With `X^D = W`.
    fn mul(self, other: Self) -> Self
    where
        P::Scalar: Extendable<D>,
    {
        let w = <P::Scalar as Extendable<D>>::W;
        let mut product = [P::ZEROS; D];
        for (i, a) in self.0.into_iter().enumerate() {
            for (j, b) in other.0.into_iter().enumerate() {
                match i + j < D {
                    true => product[i + j] += a * b,
                    false => product[i + j - D] += a * b * w,
                }
            }
        }
        Self(product)
    }
}

impl<F: RichField + Extendable<D>, const D: usize> PackedEvaluableBase<F, D> for ArithmeticExtensionGate<D> {
    fn eval_unfiltered_base_packed<P: PackedField<Scalar = F>>(
        &self,
        vars: EvaluationVarsBasePacked<'_, P>,
        mut yield_constr: StridedConstraintConsumer<'_, P>,
    ) {
        let wires = vars.local_wires;
        for op in 0..self.num_ops {
            let a = Ext::<P, D>::read(wires, Self::wires_ith_multiplicand_0(op));
            let b = Ext::read(wires, Self::wires_ith_multiplicand_1(op));
            let addend = Ext::read(wires, Self::wires_ith_addend(op)).scale(vars.local_constants[1]);
            let output = Ext::read(wires, Self::wires_ith_output(op));
            yield_constr.many(output.sub(a.mul(b).scale(vars.local_constants[0]).add(addend)).0);
        }
    }
}

impl<F: RichField + Extendable<D>, const D: usize> PackedEvaluableBase<F, D> for MulExtensionGate<D> {
    fn eval_unfiltered_base_packed<P: PackedField<Scalar = F>>(
        &self,
        vars: EvaluationVarsBasePacked<'_, P>,
        mut yield_constr: StridedConstraintConsumer<'_, P>,
    ) {
        let wires = vars.local_wires;
        for op in 0..self.num_ops {
            let a = Ext::<P, D>::read(wires, Self::wires_ith_multiplicand_0(op));
            let b = Ext::read(wires, Self::wires_ith_multiplicand_1(op));
            let output = Ext::read(wires, Self::wires_ith_output(op));
            yield_constr.many(output.sub(a.mul(b).scale(vars.local_constants[0])).0);
        }
    }
}

impl<F: RichField + Extendable<D>, const D: usize> PackedEvaluableBase<F, D> for ReducingGate<D> {
    fn eval_unfiltered_base_packed<P: PackedField<Scalar = F>>(
        &self,
        vars: EvaluationVarsBasePacked<'_, P>,
        mut yield_constr: StridedConstraintConsumer<'_, P>,
    ) {
        let wires = vars.local_wires;
        let alpha = Ext::<P, D>::read(wires, Self::wires_alpha());
        let mut sum = Ext::read(wires, Self::wires_old_acc());
        for at in 0..self.num_coeffs {
            let mut next = sum.mul(alpha);
            next.0[0] += wires[self.wires_coeffs().start + at];
            sum = Ext::read(wires, self.wires_accs(at));
            yield_constr.many(next.sub(sum).0);
        }
    }
}

impl<F: RichField + Extendable<D>, const D: usize> PackedEvaluableBase<F, D> for ReducingExtensionGate<D> {
    fn eval_unfiltered_base_packed<P: PackedField<Scalar = F>>(
        &self,
        vars: EvaluationVarsBasePacked<'_, P>,
        mut yield_constr: StridedConstraintConsumer<'_, P>,
    ) {
        let wires = vars.local_wires;
        let alpha = Ext::<P, D>::read(wires, Self::wires_alpha());
        let mut sum = Ext::read(wires, Self::wires_old_acc());
        for at in 0..self.num_coeffs {
            let next = sum.mul(alpha).add(Ext::read(wires, Self::wires_coeff(at)));
            sum = Ext::read(wires, self.wires_accs(at));
            yield_constr.many(next.sub(sum).0);
        }
    }
}

impl<F: RichField + Extendable<D>, const D: usize> PackedEvaluableBase<F, D> for CosetInterpolationGate<F, D> {
    fn eval_unfiltered_base_packed<P: PackedField<Scalar = F>>(
        &self,
        vars: EvaluationVarsBasePacked<'_, P>,
        mut yield_constr: StridedConstraintConsumer<'_, P>,
    ) {
        let wires = vars.local_wires;
        let point = Ext::<P, D>::read(wires, self.wires_evaluation_point());
        let shifted = Ext::read(wires, self.wires_shifted_evaluation_point());
        yield_constr.many(point.sub(shifted.scale(wires[self.wire_shift()])).0);

        let (mut sum, mut product) = (Ext([P::ZEROS; D]), Ext([P::ZEROS; D]));
        product.0[0] = P::ONES;
        let mut intermediate = 0;
        let domain = F::two_adic_subgroup(self.subgroup_bits);
        for (at, (x, weight)) in domain.into_iter().zip(&self.barycentric_weights).enumerate() {
            // The first part has one more than those that follow, each of which begins with the wires that take what
            // was summed up before.
            if at > 1 && (at - 1) % (self.degree() - 1) == 0 {
                let wired = Ext::read(wires, self.wires_intermediate_eval(intermediate));
                yield_constr.many(wired.sub(sum).0);
                sum = wired;
                let wired = Ext::read(wires, self.wires_intermediate_prod(intermediate));
                yield_constr.many(wired.sub(product).0);
                product = wired;
                intermediate += 1;
            }
            let value = Ext::read(wires, self.wires_value(at)).times(*weight);
            let mut factor = shifted;
            factor.0[0] -= P::from(x);
            sum = sum.mul(factor).add(value.mul(product));
            product = product.mul(factor);
        }
        yield_constr.many(Ext::read(wires, self.wires_evaluation_value()).sub(sum).0);
    }
}
