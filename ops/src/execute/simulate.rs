//! Running a batch without proving it: its segments, and how high their tables are.

use evm_arithmetization::generation::heights::{registers, table_heights};
use evm_arithmetization::proof::RegistersData;
use evm_arithmetization::{
    EXTENSION_DEGREE, Field, GenerationInputs, GenerationSegmentData, SegmentDataIterator, TrimmedGenerationInputs,
};

use super::Failure;
use crate::panics;
use crate::profile::Heights;

/// A segment's inputs, as the prover takes them.
pub type SegmentInputs = (TrimmedGenerationInputs, GenerationSegmentData);

/// Runs a batch from its start and hands over one segment after another, each of at most 2^`max_cpu_len_log` cycles.
/// Ends after the first failure. The run is the same in every process.
pub fn segments(
    inputs: &GenerationInputs,
    max_cpu_len_log: u8,
) -> impl Iterator<Item = Result<SegmentInputs, Failure>> + use<> {
    let mut run = Some(SegmentDataIterator::<Field>::new(inputs, Some(usize::from(max_cpu_len_log))));
    std::iter::from_fn(move || {
        let next = run.as_mut()?.next();
        // Asked again after a failure, the iterator would run the same segment again.
        if !matches!(next, Some(Ok(_))) {
            run = None;
        }
        // The crate writes a backtrace into the text of its error when backtraces are on.
        Some(next?.map_err(|error| Failure::Execution {
            reason: short(&error.to_string()).to_owned(),
            tries: error.tries.map(Box::new),
        }))
    })
}

/// What the kernel says of a failure, without its memory and a backtrace.
fn short(text: &str) -> &str {
    let line = text.lines().next().unwrap_or_default();
    line.split(", memory=").next().unwrap_or_default()
}

/// The registers before and after a segment.
pub type Registers = (RegistersData, RegistersData);

/// The heights of the tables of every segment of a batch, and its registers. A panic of the simulation is a failure of
/// the batch.
pub fn measure(inputs: &GenerationInputs, max_cpu_len_log: u8) -> Result<Vec<(Heights, Registers)>, Failure> {
    let measure = || {
        segments(inputs, max_cpu_len_log)
            .map(|segment| {
                let (inputs, mut data) = segment?;
                let heights = table_heights::<Field, EXTENSION_DEGREE>(&inputs, &mut data)
                    .map_err(|error| Failure::Invalid(format!("segment {}: {error:#}", data.segment_index())))?;
                Ok((heights, registers(&data)))
            })
            .collect()
    };
    panics::catch(measure).unwrap_or_else(|panic| Err(Failure::Invalid(format!("the simulation panicked: {panic}"))))
}
