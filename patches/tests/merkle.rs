//! `plonky2`: trees that are hashed in vector lanes are those that are hashed one node after the other.

use plonky2::{
    field::{
        goldilocks_field::GoldilocksField,
        types::{Field, PrimeField64},
    },
    hash::{
        hash_types::HashOut, merkle_proofs::verify_merkle_proof_to_cap, merkle_tree::MerkleTree, poseidon::PoseidonHash,
    },
    plonk::config::Hasher,
};

type F = GoldilocksField;
type Digest = HashOut<F>;

/// The digest of each node of the layers from the leaves to the cap, hashed one by one.
fn layers(leaves: &[Vec<F>], cap_height: usize) -> Vec<Vec<Digest>> {
    let mut layers = vec![leaves.iter().map(|leaf| PoseidonHash::hash_or_noop(leaf)).collect::<Vec<Digest>>()];
    while layers[layers.len() - 1].len() > 1 << cap_height {
        let above = layers[layers.len() - 1].chunks(2);
        layers.push(above.map(|pair| <PoseidonHash as Hasher<F>>::two_to_one(pair[0], pair[1])).collect());
    }
    layers
}

/// A leaf of values that are not all below p.
fn leaf(seed: usize, width: usize) -> Vec<F> {
    (0..width).map(|at| GoldilocksField(u64::MAX - (seed * 1000 + at) as u64 * 0x1234_5678_9abc)).collect()
}

fn check(leaves: Vec<Vec<F>>, cap_height: usize) {
    let layers = layers(&leaves, cap_height);
    let tree = MerkleTree::<F, PoseidonHash>::new(leaves.clone(), cap_height);
    assert_eq!(tree.cap.0, layers[layers.len() - 1]);
    for (index, leaf) in leaves.into_iter().enumerate() {
        let proof = tree.prove(index);
        let siblings: Vec<Digest> =
            layers[..layers.len() - 1].iter().enumerate().map(|(layer, nodes)| nodes[(index >> layer) ^ 1]).collect();
        assert_eq!(proof.siblings, siblings, "leaf {index}");
        verify_merkle_proof_to_cap(leaf, index, &tree.cap, &proof).expect("its own path");
    }
}

#[test]
fn every_shape_of_tree_is_hashed_as_one_by_one() {
    for log_leaves in 0..=10 {
        for cap_height in [0, 1, 4] {
            for width in [1, 4, 5, 8, 9, 20] {
                if cap_height <= log_leaves {
                    check((0..1 << log_leaves).map(|seed| leaf(seed, width)).collect(), cap_height);
                }
            }
        }
    }
}

#[test]
fn wide_leaves_are_hashed_as_one_by_one() {
    for width in [85, 135, 2431] {
        check((0..64).map(|seed| leaf(seed, width)).collect(), 4);
    }
}

#[test]
#[should_panic(expected = "leaves of different widths")]
fn leaves_of_different_widths_are_refused() {
    MerkleTree::<F, PoseidonHash>::new((0..64).map(|seed| leaf(seed, 1 + seed % 11)).collect(), 2);
}

#[test]
fn a_digest_of_a_short_leaf_is_the_leaf() {
    let tree = MerkleTree::<F, PoseidonHash>::new(vec![vec![F::ONE, F::TWO]; 2], 1);
    assert_eq!(tree.cap.0[0].elements.map(|element| element.to_canonical_u64()), [1, 2, 0, 0]);
}
