//! Table heights of a segment, found by running its CPU only.
//!
//! Building the tables of a segment just to see whether their circuits exist costs gigabytes; counting the operations
//! that the CPU run records costs little more than the run itself. The counts follow what `Traces::into_tables`
//! does with the same operations, and a test of the project compares the two.

use std::collections::HashSet;

use anyhow::anyhow;
use plonky2::field::extension::Extendable;
use plonky2::field::polynomial::PolynomialValues;
use plonky2::field::types::Field;
use plonky2::hash::hash_types::RichField;

use super::{
    apply_metadata_and_tries_memops, get_all_memory_address_and_values, initialize_kernel_code_and_shift_table,
    simulate_cpu, GenerationSegmentData, GenerationState, RegistersData, TrimmedGenerationInputs,
    PREINITIALIZED_SEGMENTS_INDICES,
};
use crate::all_stark::{Table, NUM_TABLES};
use crate::arithmetic::{BinaryOperator, Operation};
use crate::cpu::columns::COL_MAP;
use crate::keccak_sponge::columns::KECCAK_RATE_BYTES;
use crate::witness::memory::{MemoryOp, MemoryOpKind};

/// Rows that each table has at least: the sizes of the range checks and caps that it carries.
const MIN_ARITHMETIC: usize = 1 << 16;
const MIN_BYTES: usize = 1 << 8;
const MIN_CAP: usize = 1 << 4;
const MIN_CONTINUATION: usize = 1 << 7;
const KECCAK_ROUNDS: usize = 24;

/// The registers before and after a segment, as its proof states them.
pub fn registers(segment_data: &GenerationSegmentData) -> (RegistersData, RegistersData) {
    (segment_data.registers_before.into(), segment_data.registers_after.into())
}

/// Cycles until the CPU of a segment halts or hands over to the next one: the rows of its table before the padding, which
/// executes nothing.
pub fn cpu_cycles<F: Field>(cpu: &[PolynomialValues<F>]) -> usize {
    let flags: Vec<_> = COL_MAP.op.iter().map(|&column| &cpu[column].values).collect();
    let rows = cpu[0].values.len();
    (0..rows).rev().find(|&row| flags.iter().any(|flag| flag[row] != F::ZERO)).map_or(0, |last| last + 1)
}

/// Logarithm of the rows of every table of a segment, `None` for a table that the segment does not use, in the order
/// of `Table`. Like `generate_traces`, it loads the kernel into the memory of `segment_data`.
pub fn table_heights<F: RichField + Extendable<D>, const D: usize>(
    inputs: &TrimmedGenerationInputs<F>,
    segment_data: &mut GenerationSegmentData,
) -> anyhow::Result<[Option<usize>; NUM_TABLES]> {
    let mut state = GenerationState::<F>::new_with_segment_data(inputs, segment_data)
        .map_err(|error| anyhow!("prover inputs of the segment do not parse: {error:?}"))?;
    initialize_kernel_code_and_shift_table(&mut segment_data.memory);
    let before = get_all_memory_address_and_values(&segment_data.memory);
    for &(address, value) in &before {
        state.memory.set(address, value);
    }
    let registers_before = RegistersData::from(segment_data.registers_before);
    let registers_after = RegistersData::from(segment_data.registers_after);
    apply_metadata_and_tries_memops::<F, D>(&mut state, inputs, &registers_before, &registers_after);
    simulate_cpu(&mut state, segment_data.max_cpu_len_log)?;

    let traces = state.traces;
    let mut ops = traces.memory_ops;
    ops.extend(before.iter().map(|&(address, value)| MemoryOp {
        filter: true,
        timestamp: 0,
        address,
        kind: MemoryOpKind::Write,
        value,
    }));
    ops.sort_by_key(MemoryOp::sorting_key);

    let stale: HashSet<usize> = state.stale_contexts.into_iter().collect();
    let after = rows_after(&ops, &stale);
    let arithmetic = traces.arithmetic_ops.iter().map(arithmetic_rows).sum::<usize>();
    let sponge = traces.keccak_sponge_ops.iter().map(|op| op.input.len() / KECCAK_RATE_BYTES + 1).sum::<usize>();
    let keccak = traces.keccak_inputs.len() * KECCAK_ROUNDS;

    let mut heights = [None; NUM_TABLES];
    let mut set = |table: Table, used: bool, rows: usize, least: usize| {
        heights[*table] = used.then(|| rows.max(least).next_power_of_two().trailing_zeros() as usize);
    };
    set(Table::Arithmetic, true, arithmetic, MIN_ARITHMETIC);
    set(Table::BytePacking, !traces.byte_packing_ops.is_empty(), traces.byte_packing_ops.len(), MIN_BYTES);
    set(Table::Cpu, true, traces.cpu.len(), 1);
    set(Table::Keccak, keccak > 0, keccak, MIN_CAP);
    set(Table::KeccakSponge, keccak > 0, sponge, MIN_BYTES);
    set(Table::Logic, !traces.logic_ops.is_empty(), traces.logic_ops.len(), MIN_CAP);
    // One padding row at least, so that the flags of the last operation can be set.
    set(Table::Memory, true, rows_with_gaps_filled(&ops) + 1, 1);
    set(Table::MemBefore, true, before.len(), MIN_CONTINUATION);
    set(Table::MemAfter, after > 0, after, MIN_CONTINUATION);
    Ok(heights)
}

fn arithmetic_rows(op: &Operation) -> usize {
    use BinaryOperator::{AddFp254, Div, Mod, MulFp254, Shr, SubFp254};
    match op {
        Operation::TernaryOperation { .. } => 2,
        Operation::BinaryOperation { operator: Div | Mod | Shr | AddFp254 | SubFp254 | MulFp254, .. } => 2,
        _ => 1,
    }
}

/// Rows of the memory table before padding: the operations, and dummies wherever two neighbours are further apart
/// than the table's range check (its own height) reaches.
fn rows_with_gaps_filled(sorted: &[MemoryOp]) -> usize {
    let leading = usize::from(sorted[0].address.virt != 0);
    let reach = (sorted.len() + leading).next_power_of_two() - 1;
    // Dummies needed so that what remains of `distance` fits, when each covers `step`.
    let fillers = |distance: usize, step: usize| distance.saturating_sub(reach).div_ceil(step);
    let first = if leading == 1 {
        let address = sorted[0].address;
        match address.context == 0 && address.segment == 0 {
            true => fillers(address.virt - 1, reach + 1),
            false => fillers(address.virt, reach),
        }
    } else {
        0
    };
    let between: usize = sorted
        .windows(2)
        .map(|pair| {
            let (a, b) = (&pair[0].address, &pair[1].address);
            if a.context != b.context || a.segment != b.segment {
                fillers(b.virt, reach)
            } else if a.virt != b.virt {
                fillers(b.virt - a.virt - 1, reach + 1)
            } else {
                fillers(pair[1].timestamp - pair[0].timestamp, reach)
            }
        })
        .sum();
    sorted.len() + leading + first + between
}

/// Rows that the next segment starts from: the last value at each address of a live context, where zeros count in
/// pre-initialized segments only.
fn rows_after(sorted: &[MemoryOp], stale: &HashSet<usize>) -> usize {
    let last_of_address = |i: usize| sorted.get(i + 1).map_or(true, |next| next.address != sorted[i].address);
    (0..sorted.len())
        .filter(|&i| {
            let op = &sorted[i];
            last_of_address(i)
                && op.filter
                && !stale.contains(&op.address.context)
                && (!op.value.is_zero() || PREINITIALIZED_SEGMENTS_INDICES.contains(&op.address.segment))
        })
        .count()
}
