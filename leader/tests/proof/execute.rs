//! `execute`, the door to proving: what it refuses, and that it refuses before it proves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use evm_arithmetization::ProofWithPublicValues;
use ops::circuits::Circuits;
use ops::digest::Digest;
use ops::execute::{Failure, Inputs, execute};
use ops::profile::{CPU, Sizes, TABLES};
use ops::task::{FORMAT, Kind, Task, TaskId, Work};
use testing::stack::on_a_large_stack;

use crate::chain::{CHAIN, CIRCUITS, block_on, circuits_dir, heavy, open_circuits};

/// Looking at the public values of two proofs takes less than this, and proving anything more.
const NO_PROOF: Duration = Duration::from_secs(2);

fn inputs(task: &Task) -> Inputs {
    block_on(Inputs::fetch(&CHAIN.store(), task)).expect("its inputs are kept")
}

fn output(id: &TaskId) -> ProofWithPublicValues {
    block_on(CHAIN.store().output(id)).expect("it is readable").expect("it is kept")
}

fn task(block: usize, kind: Kind) -> Task {
    CHAIN.tasks(block).into_iter().find(|task| task.work.kind() == kind).expect("every block has each kind")
}

/// Executes a task that is to fail, and says how long that took.
fn fail(circuits: &Circuits, task: &Task, inputs: Inputs, abort: &Arc<AtomicBool>) -> (Failure, Duration) {
    let _heavy = heavy();
    let start = Instant::now();
    let result = on_a_large_stack(|| execute(circuits, task, inputs, abort));
    (result.map(|_| ()).expect_err("it is to fail"), start.elapsed())
}

#[test]
fn a_task_for_other_circuits_or_of_another_format_is_refused() {
    let (circuits, abort) = (&*CIRCUITS, Arc::new(AtomicBool::new(false)));
    for kind in Kind::ALL {
        let task = task(1, kind);
        let other = Task { circuits: Digest::of_bytes(b"others"), ..task.clone() };
        let (failure, time) = fail(circuits, &other, inputs(&task), &abort);
        assert!(matches!(failure, Failure::OtherCircuits { .. }) && failure.retryable(), "{kind:?}: {failure}");
        assert!(failure.to_string().contains(&other.circuits.short()), "{failure}");
        assert!(failure.to_string().contains(&circuits.digest.short()), "{failure}");
        assert!(time < NO_PROOF, "{kind:?}: {time:?}");

        let other = Task { format: FORMAT + 1, ..task.clone() };
        let (failure, time) = fail(circuits, &other, inputs(&task), &abort);
        assert!(matches!(failure, Failure::OtherFormat { found } if found == FORMAT + 1), "{kind:?}: {failure}");
        assert!(!failure.retryable() && time < NO_PROOF, "{kind:?}: {time:?}");
    }
}

#[test]
fn inputs_of_another_kind_than_the_task_are_refused() {
    let abort = Arc::new(AtomicBool::new(false));
    let (segment, block) = (task(1, Kind::Segment), task(1, Kind::Block));
    for (task, other) in [(&segment, &block), (&block, &segment)] {
        let (failure, time) = fail(&CIRCUITS, task, inputs(other), &abort);
        assert!(matches!(failure, Failure::Invalid(_)) && time < NO_PROOF, "{failure}, {time:?}");
    }
}

#[test]
fn two_threads_prove_with_the_same_circuits() {
    let circuits = &*CIRCUITS;
    let abort = Arc::new(AtomicBool::new(false));
    let tasks = [0, 1].map(|block| task(block, Kind::BatchMerge));
    let _heavy = heavy();
    let proofs = std::thread::scope(|scope| {
        let threads = tasks.each_ref().map(|task| {
            let (inputs, abort) = (inputs(task), &abort);
            scope.spawn(move || on_a_large_stack(|| execute(circuits, task, inputs, abort).unwrap()))
        });
        threads.map(|thread| thread.join().unwrap())
    });
    for (task, proof) in tasks.iter().zip(proofs) {
        assert_eq!(proof.public_values, output(&task.id).public_values);
        assert_eq!(proof.intern.public_inputs, output(&task.id).intern.public_inputs);
    }
}

/// The two proofs that a merge takes.
fn pair(task: &Task) -> (ProofWithPublicValues, ProofWithPublicValues) {
    match inputs(task) {
        Inputs::Proofs(left, Some(right)) => (*left, *right),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn refused(task: &Task, left: ProofWithPublicValues, right: Option<ProofWithPublicValues>, word: &str) {
    let abort = Arc::new(AtomicBool::new(false));
    let (failure, time) = fail(&CIRCUITS, task, Inputs::Proofs(Box::new(left), right.map(Box::new)), &abort);
    assert!(matches!(failure, Failure::Invalid(_)), "{failure:?}");
    assert!(failure.to_string().contains(word), "{failure}");
    assert!(time < NO_PROOF, "{time:?}: {failure}");
}

#[test]
fn segments_that_do_not_follow_each_other_are_not_merged() {
    // Both batches of the block are of one segment, so each is merged with nothing; here they are given to each other.
    let mut merge = task(1, Kind::SegmentMerge);
    let Work::SegmentMerge { left, right, .. } = &mut merge.work else { panic!("{merge:?}") };
    *right = Some(*left);
    let (first, second) = (output(&left.id), output(&task(0, Kind::Segment).id));
    refused(&merge, first.clone(), Some(second), "do not follow each other");
    refused(&merge, first.clone(), Some(first.clone()), "do not follow each other");
    // The registers may agree by chance, the memory cannot.
    let mut after = first.clone();
    after.public_values.registers_before = first.public_values.registers_after.clone();
    refused(&merge, first, Some(after), "do not follow each other");
}

#[test]
fn batches_that_do_not_follow_each_other_are_not_merged() {
    let merge = task(1, Kind::BatchMerge);
    let (left, right) = pair(&merge);
    refused(&merge, left.clone(), Some(left.clone()), "do not follow each other");
    refused(&merge, right.clone(), Some(left.clone()), "do not follow each other");
    // Batches of two blocks: the state may be the same, the block is not.
    let mut of_another = right;
    of_another.public_values.block_metadata.block_number += 1.into();
    refused(&merge, left, Some(of_another), "do not follow each other");
}

#[test]
fn a_block_is_proved_on_the_block_before_it_only() {
    let block = task(1, Kind::Block);
    let (batches, previous) = pair(&block);
    let with = |change: fn(&mut ProofWithPublicValues)| {
        let mut previous = previous.clone();
        change(&mut previous);
        Some(previous)
    };
    let number = with(|previous| previous.public_values.block_metadata.block_number += 1.into());
    refused(&block, batches.clone(), number, "not the block before");
    let state = with(|previous| previous.public_values.trie_roots_after.state_root.0[0] ^= 1);
    refused(&block, batches.clone(), state, "do not follow each other");
    let hash = with(|previous| previous.public_values.block_hashes.cur_hash.0[0] ^= 1);
    refused(&block, batches.clone(), hash, "do not follow each other");
    let checkpoint = with(|previous| previous.public_values.extra_block_data.checkpoint_state_trie_root.0[0] ^= 1);
    refused(&block, batches, checkpoint, "do not follow each other");
}

#[test]
fn a_segment_with_tables_larger_than_any_circuit_fails_before_its_starks_are_proved() {
    let (plan, _) = CHAIN.plan(1);
    let cpu = plan.batches[0].segments[0][CPU].unwrap();
    let mut circuits = open_circuits(&circuits_dir());
    circuits.profile.sizes[CPU] = format!("10..{cpu}").parse::<Sizes>().unwrap();
    let says = [
        format!("the {} table has 2^{cpu} rows", TABLES[CPU].name),
        format!("circuits for 10..{cpu} only"),
        format!("--cpu=10..{}", cpu + 1),
        "CPU_CIRCUIT_SIZE".to_owned(),
    ];

    // The plan tells first.
    let error = ops::plan::check(&plan, &circuits.profile, u64::MAX).unwrap_err();
    assert_eq!(ops::exit::code_of(&error), ops::exit::FAILED);
    let place = format!("block {}, batch 0, segment 0", CHAIN.blocks[1].number());
    for word in says.iter().chain([&place]) {
        assert!(format!("{error:#}").contains(word.as_str()), "`{word}` is missing from {error:#}");
    }
    // A worker does not depend on it.
    let task = task(1, Kind::Segment);
    let (failure, time) = fail(&circuits, &task, inputs(&task), &Arc::new(AtomicBool::new(false)));
    assert!(matches!(failure, Failure::Size(_)) && !failure.retryable(), "{failure}");
    for word in &says {
        assert!(failure.to_string().contains(word.as_str()), "`{word}` is missing from {failure}");
    }
    let proving = seconds_of_the_slowest_segment();
    assert!(time < proving / 2, "it took {time:?}, and proving it {proving:?}");
}

/// How long this machine took for a segment.
fn seconds_of_the_slowest_segment() -> Duration {
    let lines = CHAIN.runs.iter().flat_map(|run| run.stderr.lines()).filter(|line| line.ends_with("reused=false"));
    let seconds = lines.filter_map(|line| {
        let (_, rest) = line.split_once("proved segment seconds=")?;
        rest.split_whitespace().next()?.parse().ok()
    });
    Duration::from_secs_f64(seconds.fold(0.0, f64::max))
}

#[test]
fn a_task_that_is_not_wanted_any_more_is_given_up_in_the_middle() {
    let circuits = &*CIRCUITS;
    let segment = task(1, Kind::Segment);
    let abort = Arc::new(AtomicBool::new(false));
    let (failure, time) = std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_secs(3));
            abort.store(true, Ordering::Relaxed);
        });
        fail(circuits, &segment, inputs(&segment), &abort)
    });
    assert!(matches!(failure, Failure::Aborted) && !failure.retryable(), "{failure}");
    let proving = seconds_of_the_slowest_segment();
    assert!(time < proving, "it took {time:?} to stop, and proving it {proving:?}");
}

#[test]
fn a_task_that_is_not_wanted_any_more_is_not_begun() {
    let abort = Arc::new(AtomicBool::new(true));
    for kind in Kind::ALL {
        let task = task(1, kind);
        let (failure, time) = fail(&CIRCUITS, &task, inputs(&task), &abort);
        assert!(matches!(failure, Failure::Aborted) && time < NO_PROOF, "{kind:?}: {failure}, {time:?}");
    }
}

/// What no mock can show: the stages of proving, by table.
#[test]
fn a_proof_tells_what_each_stage_and_table_took() {
    let segment = task(1, Kind::Segment);
    let abort = Arc::new(AtomicBool::new(false));
    // Before the lock, which opening them takes, too.
    let circuits = &*CIRCUITS;
    let _heavy = heavy();
    for task in [&segment, &task(1, Kind::SegmentMerge)] {
        on_a_large_stack(|| execute(circuits, task, inputs(task), &abort).unwrap());
    }
    let text = ops::metrics::render();
    let count = |series: &str| -> f64 {
        let line = text.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
        let line = line.unwrap_or_else(|| panic!("{series} is missing from\n{text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    for stage in ["simulate", "traces", "starks", "recursion", "segment_merge"] {
        assert!(count(&format!("blockproof_stage_seconds_sum{{stage=\"{stage}\"}}")) > 0.0, "{stage}");
    }
    let (plan, _) = CHAIN.plan(1);
    let mut by_table = 0.0;
    for (table, height) in TABLES.iter().zip(plan.batches[0].segments[0]) {
        if height.is_none() {
            continue;
        }
        let name = table.name.replace([' ', '-'], "_");
        assert!(count(&format!("blockproof_table_rows_sum{{table=\"{name}\"}}")) > 0.0, "{name}");
        for stage in ["stark", "recursion"] {
            let series = format!("blockproof_table_seconds_sum{{stage=\"{stage}\",table=\"{name}\"}}");
            assert!(count(&series) > 0.0, "{series}");
            by_table += count(&series);
        }
    }
    // The tables are most of these two stages, and no more than all of them.
    let stages =
        ["starks", "recursion"].map(|stage| count(&format!("blockproof_stage_seconds_sum{{stage=\"{stage}\"}}")));
    let all: f64 = stages.iter().sum();
    assert!(by_table > 0.4 * all && by_table <= all, "{by_table} s by table of {all} s");
    let (halt, padding) = (count("blockproof_cpu_halt_cycles_sum"), count("blockproof_cpu_padding_cycles_sum"));
    let segments = count("blockproof_cpu_halt_cycles_count");
    let rows = count("blockproof_table_rows_sum{table=\"cpu\"}");
    assert!(halt > 0.0 && halt + padding == rows, "{halt} + {padding} of {rows} rows in {segments} segments");
    assert!(count("blockproof_circuits_seconds_count{step=\"load_table\"}") > 0.0);
    let hash = format!("{:#x}", CHAIN.blocks[1].hash());
    assert!(text.contains("blockproof_recent_segment_cpu_halt_cycles{") && text.contains(&hash), "{text}");
}
