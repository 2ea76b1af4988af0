//! The results of a comparison as tables: raw.csv, env.json, report.md and the terminal's.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use palimpsest_core::recipe::Recipe;
use palimpsest_core::{Error, Result};
use serde_json::{Value, json};

use super::{Outcome, Step, gist};

/// What a contender's steps amount to.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Figures {
    pub(crate) name: String,
    /// Median of forward, backward and optimiser, in milliseconds.
    pub(crate) step_ms: f64,
    /// The quartiles of the same.
    pub(crate) quartiles_ms: [f64; 2],
    /// Of the median; the batch divided by it.
    pub(crate) ratio: f64,
    pub(crate) forward_ms: f64,
    pub(crate) backward_ms: f64,
    pub(crate) optimiser_ms: f64,
    /// Median of data and corruption, in milliseconds.
    pub(crate) preparing_ms: f64,
    pub(crate) startup_s: f64,
    pub(crate) host_peak_mib: Option<f64>,
    pub(crate) device_peak_mib: Option<f64>,
    /// The largest relative difference of the loss from the first contender's at the same step.
    pub(crate) loss_difference: f64,
    pub(crate) last_loss: f64,
}

/// The value at a share of the sorted values.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (sorted.len().saturating_sub(1)) as f64 * share;
    sorted.get(place.round() as usize).copied().unwrap_or(f64::NAN)
}

/// The relative difference of losses by step.
pub(crate) fn differences(first: &Outcome, other: &Outcome) -> Vec<f64> {
    let pairs = first.steps.iter().zip(&other.steps);
    pairs.map(|(a, b)| (a.loss - b.loss).abs() / a.loss.abs().max(1e-12)).collect()
}

/// Figures of each contender; ratios and differences are to the first.
pub(crate) fn summary(outcomes: &[Outcome], warm_up: usize) -> Vec<Figures> {
    let timed = |outcome: &Outcome, pick: &dyn Fn(&Step) -> f64| -> Vec<f64> {
        let skip = warm_up.min(outcome.steps.len().saturating_sub(1));
        outcome.steps.iter().skip(skip).map(|step| 1e3 * pick(step)).collect()
    };
    let step = |outcome: &Outcome| timed(outcome, &|s| s.phases.computing());
    let Some(first) = outcomes.first() else { return vec![] };
    let base = quantile(&step(first), 0.5);
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    outcomes
        .iter()
        .map(|outcome| {
            let steps = step(outcome);
            let of = |pick: &dyn Fn(&Step) -> f64| quantile(&timed(outcome, pick), 0.5);
            let last = outcome.steps.last();
            Figures {
                name: outcome.name.clone(),
                step_ms: quantile(&steps, 0.5),
                quartiles_ms: [quantile(&steps, 0.25), quantile(&steps, 0.75)],
                ratio: quantile(&steps, 0.5) / base,
                forward_ms: of(&|s| s.phases.forward),
                backward_ms: of(&|s| s.phases.backward),
                optimiser_ms: of(&|s| s.phases.optimiser),
                preparing_ms: of(&|s| s.phases.data + s.phases.corruption),
                startup_s: outcome.startup,
                host_peak_mib: last.and_then(|s| s.host_peak).map(mib),
                device_peak_mib: last.and_then(|s| s.device_peak).map(mib),
                loss_difference: differences(first, outcome).into_iter().fold(0.0, f64::max),
                last_loss: last.map_or(f64::NAN, |s| s.loss),
            }
        })
        .collect()
}

/// Heads and rows, as the terminal and report.md show them.
pub(crate) fn overview(outcomes: &[Outcome], warm_up: usize) -> Vec<Vec<String>> {
    let first = outcomes.first().map_or("", |o| o.name.as_str());
    let heads = [
        "contender",
        "step ms",
        "quartiles",
        &format!("x {first}"),
        "forward",
        "backward",
        "optimiser",
        "preparing",
        "start s",
        "host MiB",
        "device MiB",
        "last loss",
        "loss difference",
    ];
    let mib = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |v| format!("{v:.0}"));
    let mut rows = vec![heads.iter().map(|head| (*head).to_owned()).collect()];
    for f in summary(outcomes, warm_up) {
        rows.push(vec![
            f.name,
            format!("{:.1}", f.step_ms),
            format!("{:.1}-{:.1}", f.quartiles_ms[0], f.quartiles_ms[1]),
            format!("{:.2}", f.ratio),
            format!("{:.1}", f.forward_ms),
            format!("{:.1}", f.backward_ms),
            format!("{:.1}", f.optimiser_ms),
            format!("{:.1}", f.preparing_ms),
            format!("{:.1}", f.startup_s),
            mib(f.host_peak_mib),
            mib(f.device_peak_mib),
            format!("{:.6}", f.last_loss),
            format!("{:.1e}", f.loss_difference),
        ]);
    }
    rows
}

/// Writes raw.csv, env.json and report.md.
pub(super) fn write(
    out: &Path,
    recipe: &Recipe,
    environment: &Value,
    outcomes: &[Outcome],
    warm_up: usize,
) -> Result<()> {
    let file = |name: &str, text: String| {
        let path = out.join(name);
        fs::write(&path, text).map_err(|e| Error::io(&path, &e))
    };
    let mut raw = String::from(
        "contender,step,loss,grad_norm,seconds,data,corruption,forward,backward,optimiser,host_peak,device_peak\n",
    );
    for outcome in outcomes {
        for s in &outcome.steps {
            let phases: Vec<String> = s.phases.named().iter().map(|(_, v)| format!("{v:.6}")).collect();
            let bytes = |value: Option<u64>| value.map_or_else(String::new, |v| v.to_string());
            let row = [
                outcome.name.clone(),
                s.step.to_string(),
                s.loss.to_string(),
                s.grad_norm.to_string(),
                format!("{:.6}", s.seconds),
                phases.join(","),
                bytes(s.host_peak),
                bytes(s.device_peak),
            ];
            raw.push_str(&row.join(","));
            raw.push('\n');
        }
    }
    file("raw.csv", raw)?;
    let mut environment = environment.clone();
    environment["contenders"] =
        outcomes.iter().map(|o| json!({ "name": o.name, "description": o.description })).collect();
    environment["figures"] = json!(summary(outcomes, warm_up));
    file("env.json", format!("{environment:#}\n"))?;
    file("report.md", markdown(recipe, &environment, outcomes, warm_up))
}

/// How the figures are to be read.
pub(crate) const EXPLANATION: &str = "Every contender starts from the same weights and does the same steps on the same batches, masks \
and noise values. They take turns of a few steps on the same machine. Step times are medians, after the warm-up, of \
forward, backward and optimiser together; data and corruption are told apart. The loss difference is the largest \
relative difference from the first contender's loss at the same step.";

fn markdown(recipe: &Recipe, environment: &Value, outcomes: &[Outcome], warm_up: usize) -> String {
    let rows = overview(outcomes, warm_up);
    let steps = outcomes.first().map_or(0, |o| o.steps.len());
    let mut out = format!("# {}\n\n{EXPLANATION}\n\n", gist(recipe));
    for (i, row) in rows.iter().enumerate() {
        writeln!(out, "| {} |", row.join(" | ")).ok();
        if i == 0 {
            writeln!(out, "|{}", "---|".repeat(row.len())).ok();
        }
    }
    let text = |key: &str| environment[key].as_str().unwrap_or("unknown").to_owned();
    writeln!(
        out,
        "\n{steps} steps, {warm_up} of them to warm up; {}, {} threads.\n\n```\ncargo xtask {}\n```",
        text("cpu"),
        environment["threads"],
        environment["command"].as_array().map_or_else(String::new, |words| {
            words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
        })
    )
    .ok();
    for outcome in outcomes {
        writeln!(out, "\n- **{}**: {}", outcome.name, outcome.description).ok();
    }
    out
}
