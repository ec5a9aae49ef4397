//! The command line: what is printed, which files are read and written, and that its defaults are those of the chart.

use std::collections::HashMap;
use std::fs;

use serde_json::Value;
use testing::process::Run;
use testing::witness::root;

use crate::support::{USAGE, leader};

fn json(run: &Run) -> Value {
    run.succeeds("--json");
    serde_json::from_str(&run.stdout).expect("JSON")
}

#[test]
fn help_is_there() {
    let home = leader();
    for (subcommand, part) in [("scale", "explain"), ("scale explain", "--work-seconds"), ("scale simulate", "--burst")]
    {
        let run = home.run(&format!("{subcommand} --help"), "");
        run.succeeds(subcommand);
        assert!(run.stdout.contains(part), "{subcommand}: {}", run.stdout);
    }
}

#[test]
fn a_made_up_load_is_simulated() {
    let home = leader();
    let words = "scale simulate --burst 100@60 --task-seconds 200..400 --max-replicas 64 --price-per-worker-hour 2";
    let run = home.run(&format!("{words} --plot plots/burst.svg"), "");
    run.succeeds(words);
    let parts = [
        "segment: 1 to 64 workers, slots 1, waiting + running / 1, down by 25 % in 120 s after 600 s, grace 3600 s",
        "      time   waiting   running    wanted   workers   leaving",
        "100 tasks proved in ",
        "workers: 64 at most; 8.3 hours busy",
        "running proofs killed: 0, and 0.0 hours",
        "cost: ",
        "waiting  ",
    ];
    for part in parts {
        assert!(run.stdout.contains(part), "`{part}` is missing from\n{}", run.stdout);
    }
    let picture = fs::read_to_string(home.path("work/plots/burst.svg")).expect("a picture");
    assert!(picture.starts_with("<svg ") && picture.trim_end().ends_with("</svg>"), "{picture}");
    assert_eq!(picture.matches("<path ").count(), 2 + 5, "two axes and five lines");

    let report = json(&home.run(&format!("{words} --json"), ""));
    assert_eq!(report["summary"]["proved"], 100);
    assert_eq!(report["summary"]["killed"], 0);
    let hours =
        ["busy_seconds", "idle_seconds"].map(|part| report["summary"][part].as_f64().expect("seconds") / 3600.0);
    assert!((report["cost"].as_f64().expect("a cost") - 2.0 * (hours[0] + hours[1])).abs() < 1e-6, "{report}");
    assert!(report["timeline"].as_array().is_some_and(|timeline| timeline.len() > 10), "{report}");

    // A block of 8 segments every 12 s for an hour.
    let report = json(&home.run("scale simulate --every 12 --segments 8 --max-replicas 300 --json", ""));
    assert_eq!(report["summary"]["tasks"], 300 * 8);
    // What is asked for is what is said of it.
    let words = "scale simulate --burst 9@0 --mode prometheus --slots 3 --tasks-per-worker 2 --until 60 --json";
    let report = json(&home.run(words, ""));
    assert_eq!(report["settings"]["mode"], "prometheus");
    assert_eq!((&report["workers"]["slots"], &report["settings"]["tasks_per_worker"]), (&3.into(), &2.into()));
    assert_eq!(report["summary"]["drain_seconds"], Value::Null);
}

#[test]
fn a_recording_is_simulated() {
    let home = leader();
    let text = "# of a quiet hour\nseconds,class,tasks,task_seconds\n600,segment,12,30..60\n0,segment,8,45\n\n630, merge, 3, 9\n";
    home.file("load.csv", text);
    let tasks = |words: &str, stdin: &str| json(&home.run(words, stdin))["summary"]["tasks"].clone();
    assert_eq!(tasks("scale simulate load.csv --json", ""), 20);
    assert_eq!(tasks("scale simulate - --class merge --json", text), 3);

    let header = "seconds,class,tasks,task_seconds";
    let bad = [
        ("".to_owned(), "the first line is not `seconds,class,tasks,task_seconds`"),
        ("0,segment,8,45".to_owned(), "the first line is not"),
        (format!("{header}\n0,segment,8"), "line 2: 3 fields"),
        (format!("{header}\n\n0,segmend,8,45"), "line 3: `segmend` is no class"),
        (format!("{header}\n-1,segment,8,45"), "line 2: `-1` is no number of seconds"),
        (format!("{header}\n0,segment,1.5,45"), "line 2: `1.5` is no number of tasks"),
        (format!("{header}\n0,segment,8,long"), "line 2: `long` is not a number of seconds"),
        (format!("{header}\n0,segment,8,NaN"), "line 2: `NaN` is not a number of seconds"),
        (format!("{header}\n0,segment,8,60..30"), "line 2: `60..30` is not a number of seconds"),
        (format!("{header}\n0,merge,8,45"), "there are no tasks of class segment"),
        (format!("{header}\n0,segment,4000000000,45"), "4000000000 tasks"),
    ];
    for (text, reason) in &bad {
        home.run("scale simulate -", text).fails(text, USAGE, &[reason]);
    }
    home.run("scale simulate absent.csv", "").fails("absent.csv", USAGE, &["absent.csv"]);
}

#[test]
fn bad_usage_is_refused() {
    let home = leader();
    home.file("file", "not a folder");
    let cases: [(&str, &[&str]); 15] = [
        ("scale simulate", &["no tasks of class segment", "--burst"]),
        ("scale simulate --burst 0@0", &["no tasks of class segment"]),
        ("scale simulate --burst many", &["--burst", "TASKS@SECONDS"]),
        ("scale simulate --every 12", &["--segments"]),
        ("scale simulate --every 0 --segments 8", &["--every"]),
        ("scale simulate load.csv --burst 1@0", &["--burst"]),
        ("scale simulate --burst 1@0 --min-replicas 11", &["--min-replicas 11", "--max-replicas 10"]),
        ("scale simulate --burst 1@0 --max-replicas 0", &["--max-replicas"]),
        ("scale simulate --burst 1@0 --slots 0", &["--slots"]),
        ("scale simulate --burst 1@0 --scale-down-percent 0", &["--scale-down-percent"]),
        ("scale simulate --burst 1@0 --no-statistics 9..3", &["--no-statistics", "FROM..TO"]),
        ("scale simulate --burst 1@0 --price-per-worker-hour=-1", &["--price-per-worker-hour"]),
        ("scale simulate --burst 1@0 --plot file/below.svg", &["file"]),
        ("scale explain --current 3", &["--class"]),
        ("scale explain", &["--amqp-uri"]),
    ];
    for (words, parts) in cases {
        let run = home.run(words, "");
        run.expect(USAGE, parts);
        assert_eq!(run.stdout, "", "{words}");
    }
}

/// The scalars of a YAML file of nested maps, by their path. It reads no more of YAML than the chart's values need.
fn values(text: &str) -> HashMap<String, String> {
    let mut path: Vec<(usize, &str)> = Vec::new();
    let mut values = HashMap::new();
    for line in text.lines() {
        let trimmed = line.trim_start();
        let Some((name, value)) = trimmed.split_once(':').filter(|_| !trimmed.starts_with(['#', '-'])) else {
            continue;
        };
        let depth = line.len() - trimmed.len();
        path.retain(|(of, _)| *of < depth);
        path.push((depth, name));
        let value = value.split(" #").next().unwrap_or_default().trim().trim_matches('"');
        if !value.is_empty() {
            let names: Vec<_> = path.iter().map(|(_, name)| *name).collect();
            values.insert(names.join("."), value.to_owned());
        }
    }
    values
}

/// `leader scale` without flags speaks of the chart as it is installed.
#[test]
fn defaults_are_those_of_the_chart() {
    let chart = values(&fs::read_to_string(root("helm/values.yaml")).expect("the chart"));
    let value = |name: &str| chart.get(name).unwrap_or_else(|| panic!("{name} is not in the chart")).as_str();
    let home = leader();
    for class in ["segment", "merge", "large"] {
        let report = json(&home.run(&format!("scale simulate --burst 1@0 --class {class} --json"), ""));
        let of_class = |name: &str| match value(&format!("worker.classes.{class}.{name}")) {
            "null" => value(&format!("autoscaling.{name}")),
            own => own,
        };
        let pairs = [
            (&report["settings"]["mode"], value("autoscaling.mode")),
            (&report["settings"]["min"], of_class("minReplicas")),
            (&report["settings"]["max"], of_class("maxReplicas")),
            (&report["settings"]["tasks_per_worker"], of_class("slots")),
            (&report["workers"]["slots"], of_class("slots")),
            (&report["settings"]["drain_target_seconds"], value("autoscaling.drainTargetSeconds")),
            (&report["pace"]["polling"], value("autoscaling.pollingIntervalSeconds")),
            (&report["pace"]["cooldown"], value("autoscaling.cooldownSeconds")),
            (&report["pace"]["window"], value("autoscaling.stabilizationWindowSeconds")),
            (&report["pace"]["percent"], value("autoscaling.scaleDownPercent")),
            (&report["pace"]["period"], value("autoscaling.scaleDownPeriodSeconds")),
            (&report["workers"]["grace"], value("worker.graceSeconds")),
            (&report["workers"]["in_flight"], value("leader.maxInFlight")),
        ];
        for (place, (ours, charts)) in pairs.into_iter().enumerate() {
            let ours = ours.as_str().map_or_else(|| ours.to_string(), str::to_owned);
            assert_eq!(ours, charts, "{class}, place {place} of the list");
        }
    }
}
