//! The traces of the tables are generated side by side: each from what the simulation left for it.

use plonky2_maybe_rayon::rayon;

use super::*;

impl<T: RichField> Traces<T> {
    /// As `into_tables`: the traces, and how many values the memory has after the segment.
    pub(crate) fn into_tables_side_by_side<const D: usize>(
        self,
        starks: &AllStark<T, D>,
        mem_before_values: &MemBeforeValues,
        stale_contexts: Vec<usize>,
        config: &StarkConfig,
    ) -> ([Vec<PolynomialValues<T>>; NUM_TABLES], usize)
    where
        T: Extendable<D>,
    {
        let rows = config.fri_config.num_cap_elements();
        let timing = TimingTree::default;
        let [mut arithmetic, mut byte_packing, mut cpu, mut keccak] = [const { Vec::new() }; 4];
        let [mut keccak_sponge, mut logic, mut memory, mut mem_before, mut mem_after] = [const { Vec::new() }; 5];
        let mut values_after = 0;

        rayon::scope(|scope| {
            // Last in, first taken by the thread that is here; the first is taken by another. These two are the longest.
            scope.spawn(|_| {
                let ops = self.memory_ops;
                let (trace, after, _) =
                    starks.memory_stark.generate_trace(ops, mem_before_values, stale_contexts, &mut timing());
                (memory, values_after) = (trace, after.len());
                mem_after = starks.mem_after_stark.generate_trace(after);
            });
            scope.spawn(|_| arithmetic = starks.arithmetic_stark.generate_trace(self.arithmetic_ops));
            scope.spawn(|_| {
                byte_packing = starks.byte_packing_stark.generate_trace(self.byte_packing_ops, rows, &mut timing());
            });
            scope.spawn(|_| {
                keccak_sponge = starks.keccak_sponge_stark.generate_trace(self.keccak_sponge_ops, rows, &mut timing());
            });
            scope.spawn(|_| logic = starks.logic_stark.generate_trace(self.logic_ops, rows, &mut timing()));
            scope.spawn(|_| {
                mem_before = starks.mem_before_stark.generate_trace(mem_before_values_to_rows(mem_before_values));
            });
            scope.spawn(|_| cpu = trace_rows_to_poly_values(self.cpu.into_iter().map(Into::into).collect()));
            scope.spawn(|_| keccak = starks.keccak_stark.generate_trace(self.keccak_inputs, rows, &mut timing()));
        });

        let traces =
            [arithmetic, byte_packing, cpu, keccak, keccak_sponge, logic, memory, mem_before, mem_after];
        (traces, values_after)
    }
}
