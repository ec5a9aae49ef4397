//! Times the kernels at each level of the machine, and Merkle trees at its best, against plonky2's own code: on one thread.
//!
//!     cargo bench -p goldilocks
//!     GOLDILOCKS_LEVEL=avx2 cargo bench -p goldilocks -- merkle
//!     GOLDILOCKS_LEVEL=scalar cargo bench -p goldilocks -- fft     (which is plonky2's own)

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use goldilocks::{
    Level,
    poseidon::{Constants, WIDTH, permute_many_at},
};
use plonky2::{
    field::{goldilocks_field::GoldilocksField, polynomial::PolynomialCoeffs, types::Sample},
    hash::{
        hash_types::HashOut,
        merkle_tree::{MerkleTree, leaves::Leaves},
        poseidon::{ALL_ROUND_CONSTANTS, Poseidon, PoseidonHash},
    },
    plonk::config::Hasher,
};

const CONSTANTS: Constants = Constants::new(
    &ALL_ROUND_CONSTANTS,
    GoldilocksField::FAST_PARTIAL_FIRST_ROUND_CONSTANT,
    GoldilocksField::FAST_PARTIAL_ROUND_CONSTANTS,
);

fn poseidon(criterion: &mut Criterion) {
    const COUNT: usize = 256;
    let mut group = criterion.benchmark_group("poseidon");
    group.throughput(Throughput::Elements(COUNT as u64));
    let states: Vec<[u64; WIDTH]> =
        (0..COUNT as u64).map(|at| std::array::from_fn(|element| at << 32 | element as u64)).collect();
    group.bench_function(BenchmarkId::from_parameter("plonky2"), |bencher| {
        let mut states: Vec<_> = states.iter().map(|state| state.map(GoldilocksField)).collect();
        bencher.iter(|| {
            for state in &mut states {
                *state = GoldilocksField::poseidon(*state);
            }
            black_box(&mut states);
        });
    });
    for level in Level::ALL.into_iter().filter(|level| (Level::Avx2..=Level::best()).contains(level)) {
        let mut states = states.clone();
        group.bench_function(BenchmarkId::from_parameter(level.name()), |bencher| {
            bencher.iter(|| permute_many_at(level, black_box(&mut states), &CONSTANTS));
        });
    }
    group.finish();
}

/// Transforms of a circuit's wire, of a small table's column and of a large one's.
fn fft(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fft");
    for log_length in [13, 16, 19] {
        let polynomial = PolynomialCoeffs::new(GoldilocksField::rand_vec(1 << log_length));
        group.bench_function(BenchmarkId::new(Level::current().name(), format!("2^{log_length}")), |bencher| {
            bencher.iter_batched(|| polynomial.clone(), PolynomialCoeffs::fft, BatchSize::LargeInput);
        });
    }
    group.finish();
}

/// Trees of the shapes that proofs have: wires of a circuit, traces of the CPU and of memory, Keccak's, and of a quotient.
fn merkle(criterion: &mut Criterion) {
    const CAP_HEIGHT: usize = 4;
    let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    let mut group = criterion.benchmark_group("merkle");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    for (log_leaves, width) in [(14, 135), (14, 85), (14, 30), (11, 2431), (14, 4)] {
        let shape = format!("2^{log_leaves} x {width}");
        let rows: Vec<_> = (0..1 << log_leaves).map(|_| GoldilocksField::rand_vec(width)).collect();
        group.bench_function(BenchmarkId::new("plonky2", &shape), |bencher| {
            bencher.iter(|| one_by_one(black_box(&rows), CAP_HEIGHT));
        });
        let leaves = Leaves::from(rows);
        group.bench_function(BenchmarkId::new("in lanes", &shape), |bencher| {
            let tree = |leaves| one_thread.install(|| MerkleTree::<_, PoseidonHash>::of(leaves, CAP_HEIGHT));
            bencher.iter_batched(|| leaves.clone(), tree, BatchSize::LargeInput);
        });
    }
    group.finish();
}

/// A cap from one hash after the other, which is how plonky2 makes it on each thread.
fn one_by_one(rows: &[Vec<GoldilocksField>], cap_height: usize) -> Vec<HashOut<GoldilocksField>> {
    let mut layer: Vec<_> = rows.iter().map(|row| PoseidonHash::hash_or_noop(row)).collect();
    while layer.len() > 1 << cap_height {
        layer = layer.chunks(2).map(|pair| PoseidonHash::two_to_one(pair[0], pair[1])).collect();
    }
    layer
}

criterion_group!(benches, poseidon, merkle, fft);
criterion_main!(benches);
