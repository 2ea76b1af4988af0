//! What a comparison says, in sentences.

use palimpsest_core::recipe::Precision;

use super::figures::{Figures, differences, summary};
use super::{Comparison, Outcome};

/// First steps that tell whether candidates compute the same: later ones differ by rounding that has grown too.
const FIRST: usize = 3;
/// Timed steps below which quartiles say little.
const FEW: usize = 4;

/// Whether the candidates agree, and which is faster by how much.
pub(crate) fn verdict(comparison: &Comparison) -> String {
    let measured: Vec<&Outcome> = comparison.outcomes.iter().filter(|o| !o.steps.is_empty()).collect();
    let Some((first, others)) = measured.split_first() else { return "Nothing was measured.".to_owned() };
    if others.is_empty() {
        return format!("{} alone is compared with nothing.", first.name);
    }
    let mut sentences: Vec<String> = others.iter().map(|other| agreement(comparison, first, other)).collect();
    let mut figures = summary(comparison);
    figures.retain(|figures| figures.step_ms.is_finite());
    figures.sort_by(|a, b| a.step_ms.total_cmp(&b.step_ms));
    let timed = measured.iter().map(|o| o.steps.len().saturating_sub(comparison.warm_up)).min();
    if let [fastest, slower @ ..] = figures.as_slice() {
        sentences.extend(slower.iter().map(|other| speed(fastest, other)));
    }
    if let Some(timed) = timed.filter(|&timed| timed < FEW) {
        let steps =
            if timed == 0 { "No step came after the warm-up" } else { "Few steps came after the warm-up" };
        sentences.push(format!("{steps}: times say little."));
    }
    sentences.join(" ")
}

/// What the parity of backends is held to, relative to the loss.
fn tolerance(precision: Precision) -> f64 {
    match precision {
        Precision::F32 => 1e-5,
        Precision::Bf16 => 1e-2,
    }
}

fn agreement(comparison: &Comparison, first: &Outcome, other: &Outcome) -> String {
    let limit = tolerance(comparison.recipe.run.precision);
    let gaps = differences(first, other);
    let (a, b) = (&first.name, &other.name);
    let steps = gaps.len();
    let worst = gaps.iter().copied().fold(0.0, f64::max);
    let parted = gaps.iter().position(|gap| *gap > limit || gap.is_nan());
    match parted {
        None if worst == 0.0 => format!("{a} and {b} agree: their losses are equal in all {steps} steps."),
        None => format!("{a} and {b} agree: in {steps} steps their losses differ by {worst:.0e} at most."),
        Some(at) if at >= FIRST.min(steps) => format!(
            "{a} and {b} agree in the first {at} steps; from step {} on rounding has grown, and their losses differ by \
             up to {worst:.0e}.",
            at + 1
        ),
        Some(at) => format!(
            "{a} and {b} don't agree: at step {} their losses differ by {:.0e}, and {limit:.0e} is what rounding explains.",
            at + 1,
            gaps[at]
        ),
    }
}

fn speed(fastest: &Figures, other: &Figures) -> String {
    let (a, b) = (&fastest.name, &other.name);
    let times = format!("{:.1} and {:.1} ms", fastest.step_ms, other.step_ms);
    if fastest.quartiles_ms[1] >= other.quartiles_ms[0] {
        return format!(
            "{a} and {b} can't be told apart by speed: {times} a step in the median, and their quartiles overlap."
        );
    }
    let ratio = other.step_ms / fastest.step_ms;
    format!(
        "{a} is {ratio:.2} times as fast as {b}: {times} a step in the median, and their quartiles don't overlap."
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::{Step, StepTimes, Work};
    use crate::energy::Joules;
    use crate::meta_backend::Flops;

    fn outcome(name: &str, steps: &[(f64, f64)]) -> Outcome {
        let step = |(i, (loss, ms)): (usize, &(f64, f64))| Step {
            step: i as u64 + 1,
            loss: *loss,
            grad_norm: 1.0,
            seconds: 1e-3 * ms,
            phases: StepTimes {
                data: 0.0,
                corruption: 0.0,
                forward: 1e-3 * ms,
                backward: 0.0,
                staging: 0.0,
                sums: 0.0,
                optimiser: 0.0,
            },
            host_peak: None,
            device_peak: None,
            device_process: None,
            joules: Joules::default(),
        };
        let steps = steps.iter().enumerate().map(step).collect();
        Outcome { name: name.to_owned(), description: String::new(), instructions: None, startup: 0.0, steps }
    }

    fn told(warm_up: usize, outcomes: Vec<Outcome>) -> String {
        let recipe = crate::session::recipe(None, &[]).expect("the quick-start");
        let work = Work { batch: 1, flops: Flops::default(), peak: None };
        verdict(&Comparison { recipe, environment: serde_json::Value::Null, work, outcomes, warm_up })
    }

    #[test]
    fn agreement_and_speed_are_told() {
        let (a, b) = ([(1.0, 10.0); 6], [(1.0 + 1e-7, 20.0); 6]);
        assert_eq!(
            told(1, vec![outcome("a", &a), outcome("b", &b)]),
            "a and b agree: in 6 steps their losses differ by 1e-7 at most. a is 2.00 times as fast as b: 10.0 and \
             20.0 ms a step in the median, and their quartiles don't overlap."
        );
    }

    #[test]
    fn what_overlaps_is_as_fast() {
        let steps = |shift: f64| (0..8).map(|i| (1.0, 10.0 + f64::from(i) + shift)).collect::<Vec<_>>();
        let text = told(0, vec![outcome("a", &steps(0.0)), outcome("b", &steps(1.0))]);
        assert!(
            text.contains("losses are equal in all 8 steps") && text.contains("their quartiles overlap"),
            "{text}"
        );
    }

    #[test]
    fn a_difference_from_the_start_is_no_rounding() {
        let text = told(0, vec![outcome("a", &[(1.0, 1.0); 8]), outcome("b", &[(1.01, 9.0); 8])]);
        assert!(text.starts_with("a and b don't agree: at step 1 their losses differ by 1e-2"), "{text}");
        let grown = [(1.0, 9.0), (1.0, 9.0), (1.0, 9.0), (1.0, 9.0), (1.001, 9.0)];
        let text = told(0, vec![outcome("a", &[(1.0, 1.0); 5]), outcome("b", &grown)]);
        assert!(text.starts_with("a and b agree in the first 4 steps; from step 5 on"), "{text}");
        let text = told(3, vec![outcome("a", &[(1.0, 1.0); 3]), outcome("b", &grown[..1])]);
        assert!(text.ends_with("No step came after the warm-up: times say little."), "{text}");
    }
}
