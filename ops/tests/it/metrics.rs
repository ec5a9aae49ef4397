//! Metrics: whatever happens, the series of single blocks are bounded, and they go after their time.

use std::time::Duration;

use ethereum_types::H256;
use ops::metrics::recent::{Limits, limit};
use ops::metrics::tasks::{Outcome, families};
use ops::metrics::{self, PREFIX};
use ops::queue::Cause;
use ops::task::{BlockId, Kind};

use crate::queue::task;

/// Lines of series whose family begins with this.
fn series(of: &str) -> usize {
    let prefix = format!("{PREFIX}{of}");
    metrics::render().lines().filter(|line| line.starts_with(&prefix)).count()
}

/// One test, since the registry is the process's.
#[test]
fn a_year_of_blocks_does_not_fill_prometheus() {
    let limits = Limits::default();
    let mut sizes = Vec::new();
    for number in 0..100_000u64 {
        let block = BlockId { number, hash: H256::from_low_u64_be(number) };
        for index in 0..2 {
            let task = task(block, Kind::Segment, index);
            families().cycles(&task, 1000, 1024);
            families().ended(&task, Outcome::Proved, Duration::from_secs(40));
        }
        let merge = task(block, Kind::SegmentMerge, 0);
        families().ended(&merge, Outcome::Failed, Duration::from_secs(1));
        families().failed(&merge, Cause::Transient);
        if number % 20_000 == 19_999 {
            sizes.push((series("recent_segment"), metrics::render().len()));
        }
    }
    for (series, bytes) in &sizes {
        assert_eq!(*series, limits.series, "{sizes:?}");
        // What does not depend on the number of blocks: the same at the end as after the first fifth.
        assert!(bytes.abs_diff(sizes[0].1) < 10_000, "{sizes:?}");
    }
    let text = metrics::render();
    let newest = format!(
        "{PREFIX}recent_segment_seconds{{block_hash=\"{:#x}\",block_number=\"99999\"",
        H256::from_low_u64_be(99_999)
    );
    assert!(text.contains(&newest), "the newest block is not there: {newest}");
    assert!(text.contains("blockproof_tasks_total{kind=\"segment\",outcome=\"proved\"} 200000"), "{text}");

    limit(Limits { age: Duration::ZERO, ..limits });
    std::thread::sleep(Duration::from_millis(2));
    assert_eq!(series("recent_segment"), 0, "what is too old is there");
    assert_eq!(series("recent_series "), 1);
    limit(limits);
}
