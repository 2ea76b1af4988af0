//! The page of one run.

use super::html::{details, esc, note, page, section, table};
use super::load::{File, Run};
use super::number::{UNKNOWN, count, duration, percent, short, significant};
use super::{curves, heads, phases, recipe, results, samples};

/// The whole page.
pub(super) fn report(run: &Run) -> String {
    page(&run.name, &sections(run).concat())
}

/// What the page is made of.
pub(super) fn sections(run: &Run) -> Vec<String> {
    let mut result = results::of_run(run);
    result.extend(results::over_time(run).map(|chart| chart.figure()));
    let mut sections = vec![header(run), section("Results", &result)];
    sections.extend(heads::of_run(run));
    sections.extend([
        section("Training", &training(run)),
        section("Time", &phases::bar(run)),
        section("Samples", &samples::show(&run.samples)),
        section("Warnings", &warnings(run)),
        section("Setting", &format!("{}{}", recipe_text(run), environment(run))),
    ]);
    sections
}

fn header(run: &Run) -> String {
    let mut out = format!("<header>\n<p class=\"eyebrow\">Palimpsest run</p>\n<h1>{}</h1>\n", esc(&run.name));
    let title = recipe::recipe_title(&run.recipe);
    out.push_str(&match (&run.config, title.is_empty()) {
        (Err(why), _) => note(why),
        (Ok(_), true) => note("config.toml is half-written or no recipe."),
        (Ok(_), false) => format!("<p class=\"title\">{}</p>\n", esc(title)),
    });
    let changed = recipe::overrides(run.command.iter().map(String::as_str));
    if !changed.is_empty() {
        out.push_str(&note(&format!("Changed on the command line: {}", changed.join(" "))));
    }
    out.push_str("<dl class=\"facts\">\n");
    for (name, value) in facts(run) {
        out.push_str(&format!("<div><dt>{}</dt><dd>{}</dd></div>\n", esc(name), esc(value)));
    }
    out.push_str("</dl>\n");
    let told = run.summary.as_ref().ok().and_then(|summary| summary["command"].as_str()).map(str::to_owned);
    let command = (!run.command.is_empty()).then(|| format!("cargo xtask {}", run.command.join(" ")));
    if let Some(command) = command.or(told) {
        out.push_str(&format!("<p class=\"command\"><code>{}</code></p>\n", esc(command)));
    }
    if let Err(why) = &run.summary {
        let why =
            if run.summary_is_missing() { "There is no summary.json: the run has not ended." } else { why };
        out.push_str(&note(why));
    }
    if let Some(step) = run.failures.last() {
        let step = format!(
            "Step {} was not finite; its batch and plan are in {}/failure.",
            count(*step),
            run.folder
        );
        out.push_str(&format!("<p class=\"alert\">{}</p>\n", esc(step)));
    }
    out.push_str("</header>\n");
    out
}

/// What a run is known by, for the header and for comparisons.
pub(super) fn facts(run: &Run) -> Vec<(&'static str, String)> {
    let unknown = || UNKNOWN.to_owned();
    let summary = |name: &str| run.summary.as_ref().ok().and_then(|summary| summary[name].as_f64());
    let loss = summary("loss").or_else(|| run.metrics.series("loss").smoothed().last());
    let length = match (run.steps(), run.epochs()) {
        (Some(steps), Some(epochs)) => format!("{} epochs, {} steps", short(epochs, 4), count(steps)),
        (Some(steps), None) => format!("{} steps", count(steps)),
        _ => unknown(),
    };
    let environment = |keys: &[&str]| run.environment(keys).map_or_else(unknown, str::to_owned);
    let warnings = run.warnings.as_ref().map_or_else(|_| unknown(), |w| w.len().to_string());
    vec![
        ("State", run.state()),
        ("Length", length),
        ("Final loss", loss.map_or_else(unknown, |loss| significant(loss, 4))),
        ("Duration", summary("seconds").map_or_else(unknown, duration)),
        ("Images/s", run.measured("images_per_second").map_or_else(unknown, |rate| significant(rate, 3))),
        ("Waiting for data", run.measured("data_wait").map_or_else(unknown, |share| percent(share, 1))),
        ("Backend", environment(&["backend.name", "backend"])),
        ("Device", environment(&["device.name", "device.description", "device"])),
        ("Date", run.date()),
        ("Recipe", run.hash.as_ref().map_or_else(unknown, |hash| hash.chars().take(12).collect())),
        ("Warnings", warnings),
    ]
}

fn training(run: &Run) -> String {
    if run.metrics.is_empty() {
        return note("metrics.jsonl is missing or holds no steps yet.");
    }
    let mut out = note(
        "Faint lines are the logged values, bold ones their running mean. Point at a chart to read its values.",
    );
    out.push_str(&curves::losses(run).figure());
    out.push_str("<div class=\"charts\">\n");
    for chart in curves::others(run) {
        out.push_str(&chart.figure());
    }
    out.push_str("</div>\n");
    out
}

/// The warnings of the log.
pub(super) fn warnings(run: &Run) -> String {
    const SHOWN: usize = 60;
    match &run.warnings {
        Err(why) => note(why),
        Ok(lines) if lines.is_empty() => note("None in train.log."),
        Ok(lines) => {
            let mut out = String::from("<ul class=\"log\">\n");
            for (line, times) in &lines[lines.len().saturating_sub(SHOWN)..] {
                let times = if *times > 1 { format!(" <i>{times} times</i>") } else { String::new() };
                out.push_str(&format!("<li><code>{}</code>{times}</li>\n", esc(line)));
            }
            out.push_str("</ul>\n");
            if lines.len() > SHOWN {
                out.push_str(&note(&format!("The last {SHOWN} of {}.", lines.len())));
            }
            out
        }
    }
}

/// The resolved recipe.
pub(super) fn recipe_text(run: &Run) -> String {
    let body = match &run.config {
        Ok(text) => format!("<pre><code>{}</code></pre>\n", esc(text)),
        Err(why) => note(why),
    };
    details("Resolved recipe", &body)
}

/// The table of the environment.
pub(super) fn environment(run: &Run) -> String {
    let body = match &run.environment {
        Ok(entries) => {
            let rows: Vec<Vec<String>> =
                entries.iter().map(|(key, value)| vec![esc(key), esc(value)]).collect();
            table("plain", &[], &rows)
        }
        Err(why) => note(why),
    };
    details("Environment", &body)
}

impl Run {
    fn summary_is_missing(&self) -> bool {
        let missing: &File<_> = &self.summary;
        missing.as_ref().is_err_and(|why| why.ends_with("is missing."))
    }
}
