//! Building the circuits part by part.
//!
//! `AllRecursiveCircuits::new` builds everything in one call of many minutes: nothing is seen of it, nothing can be
//! kept when it is interrupted, and all of it is in memory at once. Here a chain of one table and size can be built
//! alone, and the upper circuits from chains that come from anywhere. The circuits are the same.

use super::*;

impl<F, C, const D: usize> RecursiveCircuitsForTableSize<F, C, D>
where
    F: RichField + Extendable<D>,
    C: GenericConfig<D, F = F> + 'static,
    C::Hasher: AlgebraicHasher<F>,
{
    /// The chain that shrinks a STARK proof of `table` with 2^`degree_bits` rows. `table` is an index of
    /// `Table::all()`.
    pub fn for_table(all_stark: &AllStark<F, D>, table: usize, degree_bits: usize, config: &RecursionConfig) -> Self {
        macro_rules! chain {
            ($stark:ident) => {
                Self::new(
                    Table::all()[table],
                    &all_stark.$stark,
                    degree_bits,
                    &all_stark.cross_table_lookups,
                    &config.stark_config,
                    &config.shrinking_circuit_config,
                    config.threshold_degree_bits,
                )
            };
        }
        match Table::all()[table] {
            Table::Arithmetic => chain!(arithmetic_stark),
            Table::BytePacking => chain!(byte_packing_stark),
            Table::Cpu => chain!(cpu_stark),
            Table::Keccak => chain!(keccak_stark),
            Table::KeccakSponge => chain!(keccak_sponge_stark),
            Table::Logic => chain!(logic_stark),
            Table::Memory => chain!(memory_stark),
            Table::MemBefore => chain!(mem_before_stark),
            Table::MemAfter => chain!(mem_after_stark),
        }
    }

    /// Logarithms of the rows of each circuit of the chain.
    pub fn degrees(&self) -> Vec<usize> {
        let shrinking = self.shrinking_wrappers.iter().map(|wrapper| wrapper.circuit.common.degree_bits());
        std::iter::once(self.initial_wrapper.circuit.common.degree_bits()).chain(shrinking).collect()
    }
}

impl<F, C, const D: usize> AllRecursiveCircuits<F, C, D>
where
    F: RichField + Extendable<D>,
    C: GenericConfig<D, F = F> + 'static,
    C::Hasher: AlgebraicHasher<F>,
{
    /// Number of steps that `from_tables` announces.
    pub const UPPER_STEPS: usize = 5;

    /// The upper circuits over the chains of every table and size, in the order of `Table::all()`. `step` hears the
    /// name of each step before it starts.
    pub fn from_tables(
        by_table: [RecursiveCircuitsForTable<F, C, D>; NUM_TABLES],
        config: &RecursionConfig,
        mut step: impl FnMut(&'static str),
    ) -> Self {
        assert_eq!(DEFAULT_CAP_LEN, 1 << config.stark_config.fri_config.cap_height);
        step("root");
        let root = Self::create_segment_circuit(&by_table, &config.stark_config, &config.recursion_circuit_config);
        step("segment merge");
        let segment_aggregation = Self::create_segment_aggregation_circuit(&root);
        step("batch merge");
        let batch_aggregation = Self::create_batch_aggregation_circuit(&segment_aggregation, &config.stark_config);
        step("block");
        let block = Self::create_block_circuit(&batch_aggregation);
        step("dummy proofs");
        let table_dummy_proofs = core::array::from_fn(|table| {
            OPTIONAL_TABLE_INDICES.contains(&table).then(|| {
                // The final circuits of a table all have the same shape, that of its smallest size among them.
                let common_circuit_data = by_table[table].final_circuits()[0].common.clone();
                let circuit: CircuitData<F, C, D> = dummy_circuit(&common_circuit_data);
                let proof = dummy_proof(&circuit, HashMap::new()).expect("a dummy circuit proves nothing");
                ShrunkProofData { common_circuit_data, proof }
            })
        });
        Self {
            root,
            segment_aggregation,
            batch_aggregation,
            block,
            block_wrapper: OnceLock::new(),
            two_to_one_block: OnceLock::new(),
            by_table,
            table_dummy_proofs,
        }
    }
}
