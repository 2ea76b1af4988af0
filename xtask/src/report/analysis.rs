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
    let images = findings.observations.first().map_or(0, |o| o.images);
    let mut body = format!(
        "<header>\n<p class=\"eyebrow\">Palimpsest analysis</p>\n<h1>{}</h1>\n<p class=\"title\">{images} test images, \
         never corrupted; features after each block and after the final norm.</p>\n</header>\n",
        esc(names.join(" and "))
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
    let high = observations
        .iter()
        .enumerate()
        .map(|(i, o)| curve(&o.name, i, by_stage(&o.stages, |stage| stage.high_frequencies)));
    out += &wide("High frequencies (0.5 to 1) by stage", "relative log amplitude", "stage", high.collect());
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
    let curves = observations
        .iter()
        .enumerate()
        .map(|(i, o)| curve(&o.name, i, by_stage(&o.stages, |stage| stage.effective_rank)));
    out += &wide("Effective rank by stage", "rank", "stage", curves.collect());
    let mut head = vec!["stage".to_owned()];
    head.extend(observations.iter().map(|o| esc(&o.name)));
    let stages = observations.iter().map(|o| o.stages.len()).max().unwrap_or(0);
    let rows: Vec<Vec<String>> = (0..stages)
        .map(|i| {
            let name = observations.iter().find_map(|o| o.stages.get(i)).map_or("", |stage| &stage.name);
            let cells = observations.iter().map(|o| {
                o.stages.get(i).map_or_else(String::new, |stage| significant(stage.effective_rank, 4))
            });
            std::iter::once(esc(name)).chain(cells).collect()
        })
        .collect();
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
            let points = values.map(|(block, heads)| point((block + 1) as f64, heads[head]));
            curve(&format!("head {}", head + 1), head, Series { points: points.collect() })
        });
        out += &narrow(&o.name, "pixels", "block", curves.collect());
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

fn by_stage(stages: &[Stage], value: impl Fn(&Stage) -> f64) -> Series {
    Series { points: stages.iter().enumerate().map(|(i, stage)| point(i as f64, value(stage))).collect() }
}

fn curve(name: &str, i: usize, series: Series) -> Curve {
    Curve { name: name.to_owned(), colour: colour(i), stroke: Stroke::Marked, series }
}

fn wide(title: &str, label: &str, across: &'static str, curves: Vec<Curve>) -> String {
    chart(title, label, across, true, curves)
}

fn narrow(title: &str, label: &str, across: &'static str, curves: Vec<Curve>) -> String {
    chart(title, label, across, false, curves)
}

fn chart(title: &str, label: &str, across: &'static str, wide: bool, curves: Vec<Curve>) -> String {
    let (title, label) = (title.to_owned(), label.to_owned());
    // A linear axis: log amplitudes are logarithms already.
    Chart { title, label, measure: Measure::Amount, wide, across: Some(across), curves }.figure()
}
