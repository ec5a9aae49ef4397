//! What is printed: the list of scenarios, and what became of them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::scenario::{Figure, Figures, Scenario, Tier};

/// What became of a scenario.
#[derive(Debug)]
pub struct Verdict {
    /// Its name.
    pub name: &'static str,
    /// How long it took, with its broker.
    pub seconds: f64,
    /// Whether it went well.
    pub outcome: Outcome,
}

/// Whether a scenario went well.
#[derive(Debug)]
pub enum Outcome {
    /// It did.
    Ok(Figures),
    /// It cannot be run here, and why.
    Skipped(String),
    /// It did not, and why.
    Failed(String),
}

/// All scenarios, a line each.
pub fn list(scenarios: &[Scenario]) -> String {
    let line = |scenario: &Scenario| {
        let tier = match scenario.tier {
            Tier::Smoke => "smoke",
            Tier::Full => "full",
        };
        format!("{:<26} {tier:<6} {}\n", scenario.name, scenario.pins_down)
    };
    scenarios.iter().map(line).collect()
}

/// One result.
pub fn line(Verdict { name, seconds, outcome }: &Verdict) -> String {
    let (word, rest) = match outcome {
        Outcome::Ok(figures) => {
            let figure = |(name, figure): &(&str, Figure)| match figure {
                Figure::Count(count) => format!("{name} {count}"),
                Figure::Time(time) => format!("{name} {:.1} s", time.as_secs_f64()),
            };
            ("ok", figures.values.iter().map(figure).collect::<Vec<_>>().join(", "))
        }
        Outcome::Skipped(reason) => ("skipped", reason.clone()),
        Outcome::Failed(error) => ("FAILED", error.clone()),
    };
    format!("{name:<26} {word:<8} {seconds:>6.1} s  {rest}")
}

/// All results and their sum.
pub fn table(verdicts: &[Verdict]) -> String {
    let count = |which: fn(&Outcome) -> bool| verdicts.iter().filter(|verdict| which(&verdict.outcome)).count();
    let (failed, skipped) = (
        count(|outcome| matches!(outcome, Outcome::Failed(_))),
        count(|outcome| matches!(outcome, Outcome::Skipped(_))),
    );
    let seconds: f64 = verdicts.iter().map(|verdict| verdict.seconds).sum();
    let lines: String = verdicts.iter().map(|verdict| line(verdict) + "\n").collect();
    format!("{lines}{} scenarios, {failed} failed, {skipped} skipped, {seconds:.0} s\n", verdicts.len())
}

/// All results as JSON.
pub fn json(verdicts: &[Verdict]) -> anyhow::Result<String> {
    #[derive(Serialize)]
    struct Row<'a> {
        name: &'a str,
        result: &'a str,
        seconds: f64,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
        figures: BTreeMap<&'a str, Value>,
    }
    let row = |verdict: &'_ Verdict| {
        let (result, reason) = match &verdict.outcome {
            Outcome::Ok(_) => ("ok", None),
            Outcome::Skipped(reason) => ("skipped", Some(reason.clone())),
            Outcome::Failed(error) => ("failed", Some(error.clone())),
        };
        let figures = match &verdict.outcome {
            Outcome::Ok(figures) => figures.values.as_slice(),
            _ => &[],
        };
        let value = |figure: &Figure| match figure {
            Figure::Count(count) => json!(count),
            Figure::Time(time) => json!(rounded(time.as_secs_f64())),
        };
        let figures: BTreeMap<_, _> = figures.iter().map(|(name, figure)| (*name, value(figure))).collect();
        let seconds = rounded(verdict.seconds);
        let row = Row { name: verdict.name, result, seconds, reason: reason.as_deref(), figures };
        serde_json::to_value(&row)
    };
    let rows: Vec<Value> = verdicts.iter().map(row).collect::<Result<_, _>>()?;
    Ok(serde_json::to_string_pretty(&rows)? + "\n")
}

fn rounded(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}
