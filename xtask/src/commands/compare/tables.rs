//! The results of a comparison as files: raw.csv, env.json and report.md.

use std::fmt::Write;
use std::path::Path;

use palimpsest_core::Result;
use palimpsest_core::stored::write_atomically;
use serde_json::{Value, json};

use crate::comparison::figures::{EXPLANATION, overview, summary};
use crate::comparison::{Comparison, Outcome};

/// Writes the files.
pub(super) fn write(out: &Path, comparison: &Comparison) -> Result<()> {
    let file = |name: &str, text: String| write_atomically(&out.join(name), text.as_bytes());
    let mut raw = String::from(
        "contender,step,loss,grad_norm,seconds,data,corruption,forward,backward,optimiser,host_peak,device_peak,\
         device_process,host_joules,device_joules\n",
    );
    for outcome in &comparison.outcomes {
        for s in &outcome.steps {
            let phases: Vec<String> = s.phases.named().iter().map(|(_, v)| format!("{v:.6}")).collect();
            let bytes = |value: Option<u64>| value.map_or_else(String::new, |v| v.to_string());
            let joules = |value: Option<f64>| value.map_or_else(String::new, |v| format!("{v:.6}"));
            let row = [
                outcome.name.clone(),
                s.step.to_string(),
                s.loss.to_string(),
                s.grad_norm.to_string(),
                format!("{:.6}", s.seconds),
                phases.join(","),
                bytes(s.host_peak),
                bytes(s.device_peak),
                bytes(s.device_process),
                joules(s.joules.host),
                joules(s.joules.device),
            ];
            raw.push_str(&row.join(","));
            raw.push('\n');
        }
    }
    file("raw.csv", raw)?;
    let mut environment = comparison.environment.clone();
    let told = |o: &Outcome| json!({ "name": o.name, "description": o.description });
    environment["contenders"] = comparison.outcomes.iter().map(told).collect();
    environment["figures"] = json!(summary(comparison));
    file("env.json", format!("{environment:#}\n"))?;
    file("report.md", markdown(comparison))
}

fn markdown(comparison: &Comparison) -> String {
    let Comparison { environment, outcomes, work, warm_up, .. } = comparison;
    let rows = overview(comparison);
    let steps = outcomes.first().map_or(0, |o| o.steps.len());
    let mut out = format!("# {}\n\n{EXPLANATION}\n\n", comparison.subject());
    for (i, row) in rows.iter().enumerate() {
        writeln!(out, "| {} |", row.join(" | ")).ok();
        if i == 0 {
            writeln!(out, "|{}", "---|".repeat(row.len())).ok();
        }
    }
    let text = |key: &str| environment[key].as_str().unwrap_or("unknown").to_owned();
    writeln!(
        out,
        "\n{steps} steps, {warm_up} of them to warm up, {:.4} TFLOP each; {}, {} threads.\n\n```\ncargo xtask {}\n```",
        work.flops.total() as f64 * 1e-12,
        environment["gpu"]["name"].as_str().map_or_else(|| text("cpu"), |gpu| format!("{gpu}, {}", text("cpu"))),
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
