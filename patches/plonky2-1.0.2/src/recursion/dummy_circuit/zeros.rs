//! A proof that consists of zeros, in the shape of a circuit's proofs: for places where a proof is looked at but not
//! verified. To make one takes no circuit and no proving.

use std::iter;

use plonky2_field::{extension::Extendable, polynomial::PolynomialCoeffs, types::Field};

use crate::{
    fri::proof::{FriInitialTreeProof, FriProof, FriQueryRound, FriQueryStep},
    hash::{
        hash_types::{HashOut, RichField},
        merkle_proofs::MerkleProof,
        merkle_tree::MerkleCap,
    },
    plonk::{
        circuit_data::CommonCircuitData,
        config::{AlgebraicHasher, GenericConfig},
        proof::{OpeningSet, Proof, ProofWithPublicInputs},
    },
};

/// Zeros and these public inputs.
pub(super) fn proof<F, C, const D: usize>(
    common: &CommonCircuitData<F, D>,
    public_inputs: Vec<F>,
) -> ProofWithPublicInputs<F, C, D>
where
    F: RichField + Extendable<D>,
    C: GenericConfig<D, F = F>,
    C::Hasher: AlgebraicHasher<F>,
{
    let (config, params) = (&common.config, &common.fri_params);
    let lookups = common.num_all_lookup_polys();
    let values = |length: usize| vec![F::Extension::ZERO; length];
    let cap = || MerkleCap(vec![HashOut::ZERO; config.fri_config.num_cap_elements()]);
    let path = |length: usize| MerkleProof { siblings: vec![HashOut::ZERO; length] };

    // Leaves of the four oracles, without salt: `dummy_circuit` refuses zero knowledge too.
    assert!(!config.zero_knowledge, "zeros hide nothing");
    let leaves = [
        common.num_preprocessed_polys(),
        config.num_wires,
        common.num_zs_partial_products_polys() + lookups,
        common.num_quotient_polys(),
    ];
    let height = params.lde_bits() - params.config.cap_height;
    let round = || {
        let steps = params.reduction_arity_bits.iter().scan(height, |height, arity_bits| {
            *height -= arity_bits;
            Some(FriQueryStep { evals: values(1 << arity_bits), merkle_proof: path(*height) })
        });
        let evals_proofs = leaves.iter().map(|length| (vec![F::ZERO; *length], path(height))).collect();
        FriQueryRound { initial_trees_proof: FriInitialTreeProof { evals_proofs }, steps: steps.collect() }
    };

    let proof = Proof {
        wires_cap: cap(),
        plonk_zs_partial_products_cap: cap(),
        quotient_polys_cap: cap(),
        openings: OpeningSet {
            constants: values(common.num_constants),
            plonk_sigmas: values(config.num_routed_wires),
            wires: values(config.num_wires),
            plonk_zs: values(config.num_challenges),
            plonk_zs_next: values(config.num_challenges),
            partial_products: values(config.num_challenges * common.num_partial_products),
            quotient_polys: values(common.num_quotient_polys()),
            lookup_zs: values(lookups),
            lookup_zs_next: values(lookups),
        },
        opening_proof: FriProof {
            commit_phase_merkle_caps: iter::repeat_with(cap).take(params.reduction_arity_bits.len()).collect(),
            query_round_proofs: iter::repeat_with(round).take(params.config.num_query_rounds).collect(),
            final_poly: PolynomialCoeffs::new(values(params.final_poly_len())),
            pow_witness: F::ZERO,
        },
    };
    ProofWithPublicInputs { proof, public_inputs }
}
