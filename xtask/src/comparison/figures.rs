//! The figures of a comparison, and the table of them that the terminal and the reports show.

use super::{Comparison, Outcome, Step};

/// What a candidate's steps amount to.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Figures {
    pub(crate) name: String,
    /// Median of forward, backward, sums between processes and optimiser, in milliseconds.
    pub(crate) step_ms: f64,
    /// The quartiles of the same.
    pub(crate) quartiles_ms: [f64; 2],
    /// Of the median; the batch divided by it.
    pub(crate) ratio: f64,
    pub(crate) forward_ms: f64,
    pub(crate) backward_ms: f64,
    /// Of copies and of sums between processes, where a candidate of several tells.
    pub(crate) staging_ms: Option<f64>,
    pub(crate) sums_ms: Option<f64>,
    pub(crate) optimiser_ms: f64,
    /// Median of data and corruption, in milliseconds.
    pub(crate) preparing_ms: f64,
    pub(crate) startup_s: f64,
    pub(crate) host_peak_mib: Option<f64>,
    pub(crate) device_peak_mib: Option<f64>,
    /// The largest relative difference of the loss from the first candidate's at the same step.
    pub(crate) loss_difference: f64,
    pub(crate) last_loss: f64,
    /// A step's floating-point operations over its median time.
    pub(crate) tflops: f64,
    /// Of the device's peak, where that is known.
    pub(crate) mfu: Option<f64>,
    /// Means after the warm-up, data and corruption included, where the driver tells.
    pub(crate) joules_per_image: Option<f64>,
    pub(crate) host_joules_per_image: Option<f64>,
    pub(crate) device_joules_per_image: Option<f64>,
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

/// Joules of an image in a mean step; `None` where a step has no figure.
fn joules_per_image(steps: &[Step], batch: usize, pick: impl Fn(&Step) -> Option<f64>) -> Option<f64> {
    let joules: Option<Vec<f64>> = steps.iter().map(pick).collect();
    let joules = joules.filter(|joules| !joules.is_empty())?;
    Some(joules.iter().sum::<f64>() / (joules.len() * batch) as f64)
}

/// Figures of each candidate; ratios and differences are to the first.
pub(crate) fn summary(comparison: &Comparison) -> Vec<Figures> {
    let Comparison { outcomes, work, .. } = comparison;
    let warm = |outcome: &Outcome| comparison.warm_up.min(outcome.steps.len().saturating_sub(1));
    let timed = |outcome: &Outcome, pick: &dyn Fn(&Step) -> f64| -> Vec<f64> {
        outcome.steps.iter().skip(warm(outcome)).map(|step| 1e3 * pick(step)).collect()
    };
    let step = |outcome: &Outcome| timed(outcome, &|s| s.phases.computing());
    let Some(first) = outcomes.first() else { return vec![] };
    let base = quantile(&step(first), 0.5);
    let told = |ms: f64| (ms > 0.0).then_some(ms);
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    outcomes
        .iter()
        .map(|outcome| {
            let steps = step(outcome);
            let of = |pick: &dyn Fn(&Step) -> f64| quantile(&timed(outcome, pick), 0.5);
            let last = outcome.steps.last();
            let rate = work.flops.total() as f64 / (1e-3 * quantile(&steps, 0.5));
            let after = &outcome.steps[warm(outcome)..];
            let joules = |pick: &dyn Fn(&Step) -> Option<f64>| joules_per_image(after, work.batch, pick);
            Figures {
                name: outcome.name.clone(),
                step_ms: quantile(&steps, 0.5),
                quartiles_ms: [quantile(&steps, 0.25), quantile(&steps, 0.75)],
                ratio: quantile(&steps, 0.5) / base,
                forward_ms: of(&|s| s.phases.forward),
                backward_ms: of(&|s| s.phases.backward),
                staging_ms: told(of(&|s| s.phases.staging)),
                sums_ms: told(of(&|s| s.phases.sums)),
                optimiser_ms: of(&|s| s.phases.optimiser),
                preparing_ms: of(&|s| s.phases.data + s.phases.corruption),
                startup_s: outcome.startup,
                host_peak_mib: last.and_then(|s| s.host_peak).map(mib),
                device_peak_mib: device_peak(outcome).map(mib),
                loss_difference: differences(first, outcome).into_iter().fold(0.0, f64::max),
                last_loss: last.map_or(f64::NAN, |s| s.loss),
                tflops: rate * 1e-12,
                mfu: work.peak.map(|peak| rate / peak),
                joules_per_image: joules(&|s| s.joules.total()),
                host_joules_per_image: joules(&|s| s.joules.host),
                device_joules_per_image: joules(&|s| s.joules.device),
            }
        })
        .collect()
}

/// Bytes of device memory at most: what the backend tells, or what the driver saw the process hold.
fn device_peak(outcome: &Outcome) -> Option<u64> {
    let told = outcome.steps.last().and_then(|s| s.device_peak);
    told.or_else(|| outcome.steps.iter().filter_map(|s| s.device_process).max())
}

/// Three digits that count.
fn three_digits(value: f64) -> String {
    let whole = value.abs().max(f64::MIN_POSITIVE).log10().floor() as i32;
    let places = usize::try_from(2 - whole).unwrap_or(0).min(9);
    format!("{value:.places$}")
}

/// Heads and rows, as the terminal and report.md show them.
pub(crate) fn overview(comparison: &Comparison) -> Vec<Vec<String>> {
    let first = comparison.outcomes.first().map_or("", |o| o.name.as_str());
    let mut rows = vec![];
    let heads = [
        "candidate",
        "step ms",
        "quartiles",
        &format!("x {first}"),
        "forward",
        "backward",
        "staging",
        "sums",
        "optimiser",
        "preparing",
        "TFLOP/s",
        "MFU",
        "J/image",
        "start s",
        "host MiB",
        "device MiB",
        "last loss",
        "loss difference",
    ];
    let known =
        |value: Option<f64>, text: &dyn Fn(f64) -> String| value.map_or_else(|| UNKNOWN.to_owned(), text);
    let mib = |value: Option<f64>| known(value, &|v| format!("{v:.0}"));
    rows.push(heads.iter().map(|head| (*head).to_owned()).collect());
    for f in summary(comparison) {
        rows.push(vec![
            f.name,
            format!("{:.1}", f.step_ms),
            format!("{:.1}-{:.1}", f.quartiles_ms[0], f.quartiles_ms[1]),
            format!("{:.2}", f.ratio),
            format!("{:.1}", f.forward_ms),
            format!("{:.1}", f.backward_ms),
            known(f.staging_ms, &|ms| format!("{ms:.1}")),
            known(f.sums_ms, &|ms| format!("{ms:.1}")),
            format!("{:.1}", f.optimiser_ms),
            format!("{:.1}", f.preparing_ms),
            three_digits(f.tflops),
            known(f.mfu, &|v| format!("{:.1} %", 100.0 * v)),
            known(f.joules_per_image, &three_digits),
            format!("{:.1}", f.startup_s),
            mib(f.host_peak_mib),
            mib(f.device_peak_mib),
            format!("{:.6}", f.last_loss),
            format!("{:.1e}", f.loss_difference),
        ]);
    }
    without_empty_columns(rows)
}

/// What nobody tells.
const UNKNOWN: &str = "–";

/// A table with its heads, without the columns of which nothing is known.
fn without_empty_columns(rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let columns = rows.first().map_or(0, Vec::len);
    let told: Vec<bool> = (0..columns).map(|c| rows.iter().skip(1).any(|row| row[c] != UNKNOWN)).collect();
    let kept = |row: Vec<String>| {
        row.into_iter().zip(&told).filter(|(_, told)| **told).map(|(cell, _)| cell).collect()
    };
    rows.into_iter().map(kept).collect()
}

/// How the figures are to be read.
pub(crate) const EXPLANATION: &str = "Every candidate starts from the same weights and does the same steps on the same batches, masks \
and noise values. They take turns of a few steps on the same machine. Step times are medians, after the warm-up, of \
forward, backward and optimiser together, and of staging (copies of gradients to and from the host) and sums (waiting for the other processes) \
where several train together; data and corruption are told apart. Of several processes, times and memory are those of rank 0, and a step is timed \
between two points that all have come to. The loss difference is the largest \
relative difference from the first candidate's loss at the same step. TFLOP/s are the products of a step, two operations \
for each multiplication and addition, over its time; backward counts one product for each factor's gradient, and blocks that are run again \
count once. MFU is their share of the device's peak, dense, and for f32 without TF32. Joules are those of whole turns \
after the warm-up, data and corruption included, as RAPL (processors and their memory) and NVML (the CUDA device) count them. \
Device memory is the backend's own figure or, where it has none, what the driver saw the process hold. A dash: nobody tells; what nobody tells of any candidate is left out.";
