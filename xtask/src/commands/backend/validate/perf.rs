//! What operations cost.

use palimpsest_conformance::subject::Subject;
use palimpsest_conformance::timing::{Timing, Work, time, workloads};
use palimpsest_core::Result;
use palimpsest_core::tensor::OpKind;
use serde_json::{Value, json};

use crate::output;

/// The rows as JSON, and the operations that fail.
pub(super) fn run(subject: &mut Subject<'_>, kinds: &[OpKind], as_json: bool) -> (Value, Vec<&'static str>) {
    let timings: Vec<Timing> = workloads()
        .into_iter()
        .filter(|workload| kinds.contains(&workload.op.kind()))
        .map(|workload| time(subject, workload))
        .collect();
    if !as_json {
        print(&timings);
    }
    let failed =
        timings.iter().filter(|timing| timing.forward.is_err() || matches!(timing.both, Some(Err(_))));
    (timings.iter().map(line).collect(), failed.map(|timing| timing.workload.op.kind().name()).collect())
}

fn shapes(timing: &Timing) -> String {
    timing.workload.shapes.iter().map(|shape| format!("{shape:?}")).collect::<Vec<_>>().join(" ")
}

/// Milliseconds and the rate.
fn cells(work: Work, amount: f64, seconds: &Result<f64>) -> [String; 2] {
    let unit = if work == Work::Flops { "GFLOP/s" } else { "GB/s" };
    match seconds {
        Ok(seconds) => [format!("{:.3}", seconds * 1e3), format!("{:.1} {unit}", amount / seconds / 1e9)],
        Err(error) => [error.to_string(), String::new()],
    }
}

fn print(timings: &[Timing]) {
    let heads = ["operation", "inputs", "forward ms", "", "and backward ms", ""];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for timing in timings {
        let workload = &timing.workload;
        let mut row = vec![workload.op.kind().name().to_owned(), shapes(timing)];
        row.extend(cells(workload.work, workload.forward, &timing.forward));
        if let (Some(amount), Some(seconds)) = (workload.both, &timing.both) {
            row.extend(cells(workload.work, amount, seconds));
        }
        rows.push(row);
    }
    output::table(&rows);
}

fn line(timing: &Timing) -> Value {
    let workload = &timing.workload;
    let rate = |amount: f64, seconds: &Result<f64>| seconds.as_ref().ok().map(|s| amount / s / 1e9);
    let both = timing.both.as_ref();
    json!({
        "operation": workload.op.kind().name(),
        "shapes": workload.shapes,
        "unit": if workload.work == Work::Flops { "GFLOP/s" } else { "GB/s" },
        "forward_seconds": timing.forward.as_ref().ok(),
        "forward_rate": rate(workload.forward, &timing.forward),
        "both_seconds": both.and_then(|seconds| seconds.as_ref().ok()),
        "both_rate": workload.both.zip(both).and_then(|(amount, seconds)| rate(amount, seconds)),
    })
}
