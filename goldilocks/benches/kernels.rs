//! Times the kernels at each level of the machine against plonky2's own code.
//!
//!     cargo bench -p goldilocks

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use goldilocks::{
    Level,
    poseidon::{Constants, WIDTH, permute_many_at},
};
use plonky2::{
    field::goldilocks_field::GoldilocksField,
    hash::poseidon::{ALL_ROUND_CONSTANTS, Poseidon},
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

criterion_group!(benches, poseidon);
criterion_main!(benches);
