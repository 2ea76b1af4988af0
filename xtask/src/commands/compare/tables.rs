//! The results of a comparison as files: raw.csv, env.json and report.md.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use palimpsest_core::stored::write_atomically;
use palimpsest_core::{Error, Result};
use serde_json::{Value, json};

use crate::comparison::figures::{EXPLANATION, overview, summary};
use crate::comparison::verdict::verdict;
use crate::comparison::{Comparison, Outcome, Step};
use crate::output;

const HEADS: &str = "contender,step,loss,grad_norm,seconds,data,corruption,forward,backward,staging,sums,\
                     optimiser,host_peak,device_peak,device_process,host_joules,device_joules\n";

/// The rows of raw.csv while they come, so that a comparison that is cut off leaves what it measured. At the end they
/// are written again, candidate by candidate.
pub(super) struct Rows {
    path: PathBuf,
    file: fs::File,
}

impl Rows {
    /// Begins the file.
    pub(super) fn create(out: &Path) -> Result<Self> {
        let path = out.join("raw.csv");
        let file = fs::File::create(&path).map_err(|e| Error::io(&path, &e))?;
        let mut rows = Self { path, file };
        rows.write(HEADS)?;
        Ok(rows)
    }

    /// Adds the steps of a candidate's turn.
    pub(super) fn add(&mut self, name: &str, steps: &[Step]) -> Result<()> {
        self.write(&steps.iter().map(|step| row(name, step)).collect::<String>())
    }

    fn write(&mut self, text: &str) -> Result<()> {
        self.file.write_all(text.as_bytes()).map_err(|e| Error::io(&self.path, &e))
    }
}

fn row(name: &str, s: &Step) -> String {
    let phases: Vec<String> = s.phases.named().iter().map(|(_, v)| format!("{v:.6}")).collect();
    let bytes = |value: Option<u64>| value.map_or_else(String::new, |v| v.to_string());
    let joules = |value: Option<f64>| value.map_or_else(String::new, |v| format!("{v:.6}"));
    let row = [
        name.to_owned(),
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
    row.join(",") + "\n"
}

/// Writes the files.
pub(super) fn write(out: &Path, comparison: &Comparison) -> Result<()> {
    let file = |name: &str, text: String| write_atomically(&out.join(name), text.as_bytes());
    let mut raw = HEADS.to_owned();
    for outcome in &comparison.outcomes {
        outcome.steps.iter().for_each(|step| raw.push_str(&row(&outcome.name, step)));
    }
    file("raw.csv", raw)?;
    let mut environment = comparison.environment.clone();
    let told =
        |o: &Outcome| json!({ "name": o.name, "description": o.description, "instructions": o.instructions });
    environment["contenders"] = comparison.outcomes.iter().map(told).collect();
    environment["figures"] = json!(summary(comparison));
    environment["verdict"] = json!(verdict(comparison));
    let environment = output::rounded(environment);
    file("env.json", format!("{environment:#}\n"))?;
    file("report.md", markdown(comparison))
}

fn markdown(comparison: &Comparison) -> String {
    let Comparison { environment, outcomes, work, warm_up, .. } = comparison;
    let rows = overview(comparison);
    let steps = outcomes.first().map_or(0, |o| o.steps.len());
    let mut out = format!("# {}\n\n{}\n\n", comparison.subject(), verdict(comparison));
    for (i, row) in rows.iter().enumerate() {
        writeln!(out, "| {} |", row.join(" | ")).ok();
        if i == 0 {
            writeln!(out, "|{}", "---|".repeat(row.len())).ok();
        }
    }
    writeln!(out, "\n{EXPLANATION}").ok();
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
