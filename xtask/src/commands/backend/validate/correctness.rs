//! Values and gradients: a row an operation, and the failed cases.

use palimpsest_conformance::outcome::Outcome;
use palimpsest_conformance::subject::Subject;
use palimpsest_conformance::{autograd, forward, gradient};
use palimpsest_core::tensor::OpKind;
use serde_json::{Value, json};

use crate::cli::{ValidateBackend, ValidateMode};
use crate::output;

/// Failed cases that are told of one operation; JSON has them all.
const TOLD: usize = 3;

/// The rows as JSON, and the names of the operations that fail.
pub(super) fn run(
    subject: &mut Subject<'_>,
    kinds: &[OpKind],
    args: &ValidateBackend,
) -> (Value, Vec<&'static str>) {
    let mut groups: Vec<(&'static str, Vec<Outcome>)> = Vec::new();
    for &kind in kinds {
        let outcomes = match args.mode {
            ValidateMode::Grad => gradient::test(subject, kind),
            _ => forward::test(subject, kind),
        };
        groups.push((kind.name(), outcomes));
    }
    if args.mode == ValidateMode::Grad && args.op.is_none() {
        groups.push((autograd::NAME, autograd::test(subject)));
    }
    groups.retain(|(_, outcomes)| !outcomes.is_empty());
    if !args.result.json {
        print(&groups);
    }
    let failed = groups.iter().filter(|(_, outcomes)| !outcomes.iter().all(Outcome::passed));
    (groups.iter().map(as_json).collect(), failed.map(|(name, _)| *name).collect())
}

fn worst(outcomes: &[Outcome]) -> Option<&Outcome> {
    outcomes.iter().max_by(|a, b| a.badness().total_cmp(&b.badness()))
}

fn number(value: f64) -> String {
    if value == 0.0 { "0".to_owned() } else { format!("{value:.1e}") }
}

fn print(groups: &[(&'static str, Vec<Outcome>)]) {
    let heads = ["operation", "cases", "worst error", "limit", "type", "verdict"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for (name, outcomes) in groups {
        let Some(worst) = worst(outcomes) else { continue };
        let failed = outcomes.iter().filter(|outcome| !outcome.passed()).count();
        let error = if worst.failure.is_some() { "-".to_owned() } else { number(worst.error) };
        let verdict = if failed == 0 { "pass".to_owned() } else { format!("{failed} FAILED") };
        let cells =
            [outcomes.len().to_string(), error, number(worst.limit), worst.dtype.to_string(), verdict];
        rows.push([vec![(*name).to_owned()], cells.to_vec()].concat());
    }
    output::table(&rows);
    for (name, outcomes) in groups {
        let failed: Vec<&Outcome> = outcomes.iter().filter(|outcome| !outcome.passed()).collect();
        for outcome in failed.iter().take(TOLD) {
            output::line(&format!("FAILED {outcome}"));
        }
        if failed.len() > TOLD {
            output::line(&format!("FAILED {name}: {} more", failed.len() - TOLD));
        }
    }
    let cases: usize = groups.iter().map(|(_, outcomes)| outcomes.len()).sum();
    output::line(&format!("{cases} cases of {} operations", groups.len()));
}

fn as_json((name, outcomes): &(&'static str, Vec<Outcome>)) -> Value {
    let case = |outcome: &Outcome| {
        // JSON has no infinity: where there is no error there is a failure.
        json!({
            "type": outcome.dtype.name(),
            "case": outcome.case,
            "error": outcome.error.is_finite().then_some(outcome.error),
            "limit": outcome.limit,
            "failure": outcome.failure,
        })
    };
    let failed = outcomes.iter().filter(|outcome| !outcome.passed());
    json!({
        "operation": name,
        "cases": outcomes.len(),
        "worst": worst(outcomes).map(case),
        "failed": failed.map(case).collect::<Value>(),
    })
}
