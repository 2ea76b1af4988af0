//! Scores by seed, and how they are told.

use palimpsest_core::finetune::FitSummary;
use palimpsest_core::head::{PartSize, Scores};
use serde_json::{Map, Value, json};

use crate::output;

/// The scores of one seed.
pub(super) struct Measured {
    pub(super) seed: u64,
    pub(super) scores: Scores,
    /// What the head was fitted and scored on.
    pub(super) sizes: [PartSize; 2],
    /// What a head on frozen features looked at.
    pub(super) features: Option<String>,
    pub(super) summary: Option<FitSummary>,
}

/// What the trained and what the random encoder gave.
#[derive(Default)]
pub(super) struct Compared {
    pub(super) pretrained: Vec<Measured>,
    pub(super) random: Vec<Measured>,
    /// What fitting would take, of a dry run.
    pub(super) plan: Option<Value>,
}

impl Compared {
    /// (side, its scores). With several seeds a figure is the mean over them; `spread` holds sample standard
    /// deviations, and `by_seed` the figures themselves.
    pub(super) fn to_json(&self) -> Vec<(&'static str, Value)> {
        let sides = [("pretrained", &self.pretrained), ("random", &self.random)];
        let mut out: Vec<_> = sides
            .into_iter()
            .filter(|(_, measured)| !measured.is_empty())
            .map(|(weights, measured)| (weights, weights_json(measured)))
            .collect();
        out.extend(self.plan.clone().map(|plan| ("plan", plan)));
        out
    }
}

fn weights_json(measured: &[Measured]) -> Value {
    let figures = |m: &Measured| -> Map<String, Value> {
        m.scores.iter().map(|(figure, value)| (figure.clone(), json!(value))).collect()
    };
    let mut json = Map::new();
    let mut spread = Map::new();
    for (figure, _) in measured.iter().flat_map(|m| &m.scores) {
        let (mean, deviation) = mean_and_spread(measured, figure);
        json.insert(figure.clone(), json!(mean));
        spread.insert(figure.clone(), json!(deviation));
    }
    if let Some((figure, _)) = measured.first().and_then(|m| m.scores.first()) {
        json.insert("compared".to_owned(), json!(figure));
    }
    if let Some([train, test]) = measured.first().map(|m| &m.sizes) {
        json.extend([("train".to_owned(), json!(train)), ("test".to_owned(), json!(test))]);
    }
    if let Some(features) = measured.first().and_then(|m| m.features.as_ref()) {
        json.insert("features".to_owned(), json!(features));
    }
    if let [Measured { summary: Some(summary), .. }] = measured {
        json.insert("training".to_owned(), json!(summary));
    }
    if measured.len() > 1 {
        json.insert("spread".to_owned(), Value::Object(spread));
        let by_seed: Vec<Value> = measured
            .iter()
            .map(|m| {
                let mut line = figures(m);
                line.insert("seed".to_owned(), json!(m.seed));
                line.extend(m.summary.as_ref().map(|summary| ("training".to_owned(), json!(summary))));
                Value::Object(line)
            })
            .collect();
        json.insert("by_seed".to_owned(), Value::Array(by_seed));
    }
    Value::Object(json)
}

/// Mean and sample standard deviation of a figure over the seeds.
fn mean_and_spread(measured: &[Measured], figure: &str) -> (f64, f64) {
    let values: Vec<f64> = measured
        .iter()
        .filter_map(|m| m.scores.iter().find(|(name, _)| name == figure).map(|(_, value)| *value))
        .collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (mean, if values.len() > 1 { (squares / (n - 1.0)).sqrt() } else { 0.0 })
}

/// One row a head and figure: mean, and spread over several seeds.
pub(super) fn spread_table(heads: &[(String, &'static str, Compared)]) {
    let sets = heads.iter().any(|(set, ..)| *set != heads[0].0);
    let titles = ["data", "head", "figure", "pre-trained", "random initialisation", "fitted on", "scored on"];
    let row = |cells: Vec<String>| cells.into_iter().skip(usize::from(!sets)).collect::<Vec<_>>();
    let mut rows = vec![row(titles.map(str::to_owned).to_vec())];
    let mut means: [Vec<f64>; 2] = [vec![], vec![]];
    for (set, head, compared) in heads {
        let figures = compared.pretrained.first().map_or(&[][..], |m| &m.scores[..]);
        for (i, (figure, _)) in figures.iter().enumerate() {
            let sides = [&compared.pretrained, &compared.random];
            let cells = sides.map(|measured| shown(measured, figure));
            if i == 0 {
                for (means, measured) in means.iter_mut().zip(sides).filter(|(_, m)| !m.is_empty()) {
                    means.push(mean_and_spread(measured, figure).0);
                }
            }
            let [pretrained, random] = cells;
            let first = |text: &str| if i == 0 { text.to_owned() } else { String::new() };
            // Every seed's draw has as many of as many classes.
            let [train, test] = [0, 1].map(|part| first(&compared.pretrained[0].sizes[part].to_string()));
            rows.push(row(vec![first(set), first(head), figure.clone(), pretrained, random, train, test]));
        }
    }
    let one_head = heads.iter().all(|(_, head, _)| *head == heads[0].1);
    if sets && one_head {
        let figure = heads.iter().find_map(|(.., compared)| compared.pretrained.first()?.scores.first());
        let in_units = figure.is_some_and(|(figure, _)| is_of_numbers(figure));
        let mean = |values: &Vec<f64>| match values.len() {
            0 => "-".to_owned(),
            n if in_units => output::figure(values.iter().sum::<f64>() / n as f64),
            n => percent(values.iter().sum::<f64>() / n as f64),
        };
        let [pretrained, random] = [mean(&means[0]), mean(&means[1])];
        rows.push(row(vec!["mean".to_owned(), String::new(), String::new(), pretrained, random]));
    }
    output::table(&rows);
}

fn shown(measured: &[Measured], figure: &str) -> String {
    let (mean, spread) = mean_and_spread(measured, figure);
    let share = |value: f64| is_share(figure, value);
    match measured.len() {
        0 => "-".to_owned(),
        // A figure of nothing: no sample, or no object, of the kind.
        _ if mean.is_nan() => "-".to_owned(),
        // COCO's figure where the data have nothing of the kind, such as large objects.
        _ if mean == -1.0 && !is_of_numbers(figure) => "-".to_owned(),
        1 if share(mean) => percent(mean),
        _ if mean.fract() == 0.0 && spread == 0.0 => format!("{mean}"),
        1 => output::figure(mean),
        _ if share(mean) => format!("{:.2} +- {:.2} %", 100.0 * mean, 100.0 * spread),
        _ => format!("{} +- {}", output::figure(mean), output::figure(spread)),
    }
}

/// Shares are told in percent; what is above 1 is a count or a setting.
fn is_share(figure: &str, value: f64) -> bool {
    (0.0..=1.0).contains(&value)
        && !matches!(figure, "rate" | "k" | "classes_scored")
        && !is_of_numbers(figure)
}

/// Errors are in the data's units, and R2 may be below 0; of one value of several they are called `r2/age`.
fn is_of_numbers(figure: &str) -> bool {
    matches!(figure.split('/').next(), Some("r2" | "mae" | "rmse"))
}

fn percent(value: f64) -> String {
    format!("{:.2} %", 100.0 * value)
}
