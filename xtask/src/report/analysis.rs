//! The page of an analysis of features.

use palimpsest_heads::analysis::{Observation, SpectrumPoint, Stage};

use super::chart::{Chart, Curve, Stroke, colour};
use super::heatmap::heatmap;
use super::html::{esc, note, page as html_page, section, table};
use super::number::significant;
use super::scale::Measure;
use super::series::{Point, Series};

/// What was found.
pub(crate) struct Findings<'a> {
    /// Each encoder's.
    pub(crate) observations: &'a [Observation],
    /// The stages that the matrix compares, in its order.
    pub(crate) labels: &'a [String],
    /// Linear CKA.
    pub(crate) cka: &'a [Vec<f64>],
}

/// The whole page.
pub(crate) fn page(findings: &Findings<'_>) -> String {
    let names: Vec<&str> = findings.observations.iter().map(|o| o.name.as_str()).collect();
    let baseline =
        |name: &&str| names.iter().any(|run| *run != *name && name.starts_with(&format!("{run}, ")));
    let runs: Vec<&str> = names.iter().copied().filter(|name| !baseline(name)).collect();
    let images = findings.observations.first().map_or(0, |o| o.images);
    let mut body = format!(
        "<header>\n<p class=\"eyebrow\">Palimpsest analysis</p>\n<h1>{}</h1>\n<p class=\"title\">{images} test images, \
         never corrupted; features after each block and after the final norm.</p>\n</header>\n",
        esc(runs.join(" and "))
    );
    body += &section("Spectrum", &spectrum(findings.observations));
    body += &section("Effective rank", &rank(findings.observations));
    body += &section("Attention distance", &attention(findings.observations));
    body += &section("Similarity", &similarity(findings));
    html_page("Analysis", &body)
}

fn spectrum(observations: &[Observation]) -> String {
    let mut out = note(
        "Amplitude of the two-dimensional Fourier transform of the patch grid: its logarithm, averaged over images, \
         channels and directions, less that at frequency zero (Park & Kim 2022). Frequency 1 is the highest that a \
         row of patches holds. A flatter curve is a broader spectrum.",
    );
    let last = observations.iter().enumerate().filter_map(|(i, o)| {
        let stage = o.stages.last()?;
        Some(curve(&o.name, i, of_points(&stage.radial)))
    });
    out += &wide("After the final norm", "relative log amplitude", "frequency", last.collect());
    let names = stage_names(observations);
    let high = observations
        .iter()
        .enumerate()
        .map(|(i, o)| curve(&o.name, i, by_stage(&names, &o.stages, |stage| stage.high_frequencies)));
    let title = "High frequencies (0.5 to 1) by stage";
    out += &by_name(title, "relative log amplitude", names.clone(), true, high.collect());
    out += "<div class=\"charts\">\n";
    for o in observations {
        let curves = shown(&o.stages).enumerate();
        let curves = curves.map(|(i, stage)| curve(&stage.name, i, of_points(&stage.radial))).collect();
        out += &narrow(&o.name, "relative log amplitude", "frequency", curves);
    }
    out + "</div>\n"
}

/// At most eight stages, evenly chosen, the last among them.
fn shown(stages: &[Stage]) -> impl Iterator<Item = &Stage> {
    let every = stages.len().div_ceil(8).max(1);
    let last = stages.len().saturating_sub(1);
    stages.iter().enumerate().filter(move |(i, _)| (last - i).is_multiple_of(every)).map(|(_, stage)| stage)
}

fn rank(observations: &[Observation]) -> String {
    let mut out = note(
        "RankMe (Garrido et al. 2023): exp of the entropy of the singular values' shares, of the mean of the patch \
         tokens. It is at most the number of images or of channels.",
    );
    let names = stage_names(observations);
    let curves = observations
        .iter()
        .enumerate()
        .map(|(i, o)| curve(&o.name, i, by_stage(&names, &o.stages, |stage| stage.effective_rank)));
    out += &by_name("Effective rank by stage", "rank", names.clone(), true, curves.collect());
    let mut head = vec!["stage".to_owned()];
    head.extend(observations.iter().map(|o| esc(&o.name)));
    let row = |name: &String| {
        let cells = observations.iter().map(|o| {
            let stage = o.stages.iter().find(|stage| stage.name == *name);
            stage.map_or_else(String::new, |stage| significant(stage.effective_rank, 4))
        });
        std::iter::once(esc(name)).chain(cells).collect()
    };
    let rows: Vec<Vec<String>> = names.iter().map(row).collect();
    out + &table("plain", &head, &rows)
}

fn attention(observations: &[Observation]) -> String {
    let uniform = observations.first().map_or(0.0, |o| o.uniform_attention_distance);
    let mut out = note(&format!(
        "How far a patch looks, weighted by its attention to other patches, in pixels: a curve for each head. A head \
         that looks everywhere alike would have {}.",
        significant(uniform, 3)
    ));
    out += "<div class=\"charts\">\n";
    for o in observations {
        let heads = o.attention_distance.first().map_or(0, Vec::len);
        let curves = (0..heads).map(|head| {
            let values = o.attention_distance.iter().enumerate();
            let points = values.map(|(block, heads)| point(block as f64, heads[head]));
            curve(&format!("head {}", head + 1), head, Series { points: points.collect() })
        });
        // The stages between embedding and norm.
        let blocks = o.stages.iter().skip(1).take(o.attention_distance.len()).map(|stage| stage.name.clone());
        out += &by_name(&o.name, "pixels", blocks.collect(), false, curves.collect());
    }
    out + "</div>\n"
}

fn similarity(findings: &Findings<'_>) -> String {
    let out = note(
        "Linear CKA of all tokens at each stage with those at every other, over batches of 64 images with the \
         unbiased estimator (Nguyen et al. 2021). Point at a cell to read its value.",
    );
    let groups: Vec<(String, Vec<String>)> = findings
        .observations
        .iter()
        .map(|o| (o.name.clone(), o.stages.iter().map(|stage| stage.name.clone()).collect()))
        .collect();
    debug_assert_eq!(groups.iter().map(|(_, names)| names.len()).sum::<usize>(), findings.labels.len());
    out + &heatmap("Similarity of representations", &groups, findings.cka)
}

fn point(step: f64, value: f64) -> Point {
    Point { step, epoch: f64::NAN, value }
}

fn of_points(points: &[SpectrumPoint]) -> Series {
    Series { points: points.iter().map(|p| point(p.frequency, p.relative_log_amplitude)).collect() }
}

/// Each stage where its name stands: the norm of a shallow encoder under that of a deep one.
fn by_stage(names: &[String], stages: &[Stage], value: impl Fn(&Stage) -> f64) -> Series {
    let at = |stage: &Stage| names.iter().position(|name| *name == stage.name);
    let points = stages.iter().filter_map(|stage| Some(point(at(stage)? as f64, value(stage))));
    Series { points: points.collect() }
}

fn curve(name: &str, i: usize, series: Series) -> Curve {
    Curve { name: name.to_owned(), colour: colour(i), stroke: Stroke::Marked, series }
}

/// The stages of the encoder that has most of them.
fn stage_names(observations: &[Observation]) -> Vec<String> {
    let longest = observations.iter().max_by_key(|o| o.stages.len());
    longest.into_iter().flat_map(|o| &o.stages).map(|stage| stage.name.clone()).collect()
}

fn wide(title: &str, label: &str, across: &'static str, curves: Vec<Curve>) -> String {
    Chart { wide: true, across: Some(across), ..chart(title, label, curves) }.figure()
}

fn narrow(title: &str, label: &str, across: &'static str, curves: Vec<Curve>) -> String {
    Chart { across: Some(across), ..chart(title, label, curves) }.figure()
}

fn by_name(title: &str, label: &str, names: Vec<String>, wide: bool, curves: Vec<Curve>) -> String {
    Chart { wide, across: Some(""), names, ..chart(title, label, curves) }.figure()
}

fn chart(title: &str, label: &str, curves: Vec<Curve>) -> Chart {
    // A linear axis: log amplitudes are logarithms already.
    let measure = Measure::Amount;
    Chart { title: title.to_owned(), label: label.to_owned(), measure, curves, ..Chart::default() }
}
