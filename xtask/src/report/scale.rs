//! Axes: their range, whether they are logarithmic, and their ticks.

use super::number::{exponential, short};

/// What an axis measures.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) enum Measure {
    /// Linear or logarithmic, whichever shows the values better.
    #[default]
    Number,
    /// Linear from zero.
    Amount,
    /// A share, shown as per cent.
    Share,
}

/// An axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    log: bool,
    share: bool,
    whole: bool,
}

impl Scale {
    /// The axis of `values`; `None` where none is finite.
    pub(super) fn fit(values: impl IntoIterator<Item = f64>, measure: Measure) -> Option<Self> {
        let mut values: Vec<f64> = finite(values).collect();
        values.sort_by(f64::total_cmp);
        let (mut low, mut high) = (*values.first()?, *values.last()?);
        let share = measure == Measure::Share;
        if measure == Measure::Number && low > 1e-100 && high / low > 20.0 {
            let room = (high / low).powf(0.04);
            return Some(Self { low: low / room, high: high * room, log: true, share, whole: false });
        }
        if low == high {
            let room = if low == 0.0 { 1.0 } else { low.abs() * 0.1 };
            (low, high) = (low - room, high + room);
        }
        let zero = low >= 0.0 && (measure == Measure::Amount || low < 0.35 * high);
        let room = 0.06 * (high - low);
        low = if zero { 0.0 } else { low - room };
        high = if share && high <= 1.0 { (high + room).min(1.0) } else { high + room };
        Some(Self { low, high, log: false, share, whole: false })
    }

    /// An axis that ends where its values end, for what curves run along: steps or epochs.
    pub(super) fn along(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let (low, high) =
            finite(values).fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
        if low > high {
            return None;
        }
        let low = if low < 0.5 * high { low.min(0.0) } else { low };
        let high = if high > low { high } else { low + 1.0 };
        Some(Self { low, high, log: false, share: false, whole: false })
    }

    /// The same with ticks at whole numbers alone, for what is counted.
    pub(super) fn in_whole_numbers(self) -> Self {
        Self { whole: true, ..self }
    }

    /// A linear axis from `low` to `high`.
    pub(super) fn between(low: f64, high: f64, measure: Measure) -> Self {
        Self { low, high, log: false, share: measure == Measure::Share, whole: false }
    }

    /// Whether it is logarithmic.
    pub(super) fn is_log(&self) -> bool {
        self.log
    }

    /// Where a value lies: 0 at the low end, 1 at the high one.
    pub(super) fn position(&self, value: f64) -> f64 {
        if self.log {
            let value = value.max(f64::MIN_POSITIVE);
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        }
    }

    /// About `wanted` round values within the axis, with their labels.
    pub(super) fn ticks(&self, wanted: usize) -> Vec<(f64, String)> {
        if self.log { self.decades() } else { self.steps(wanted) }
    }

    fn steps(&self, wanted: usize) -> Vec<(f64, String)> {
        let least = (self.high - self.low) / wanted.max(1) as f64;
        let power = 10f64.powf(least.log10().floor());
        let mut steps = [1.0, 2.0, 2.5, 5.0, 10.0].map(|m| m * power).into_iter();
        let step = steps.find(|s| *s >= least * 0.999 && (!self.whole || s.fract() == 0.0));
        let step = step.unwrap_or(if self.whole { 1.0 } else { 10.0 * power });
        let first = (self.low / step - 1e-9).ceil() as i64;
        let last = (self.high / step + 1e-9).floor() as i64;
        (first..=last.min(first + 50)).map(|i| (i as f64 * step, self.label(i as f64 * step, step))).collect()
    }

    fn label(&self, value: f64, step: f64) -> String {
        if value == 0.0 {
            return if self.share { "0 %".to_owned() } else { "0".to_owned() };
        }
        let (value, step) = if self.share { (value * 100.0, step * 100.0) } else { (value, step) };
        // 2.5 times a power of ten needs a digit more than its power.
        let decimals = (0..9).find(|d| {
            let scaled = step * 10f64.powi(*d);
            (scaled - scaled.round()).abs() < 1e-6 * scaled
        });
        match decimals {
            _ if self.share => format!("{value:.*} %", decimals.unwrap_or(0) as usize),
            Some(decimals) if decimals <= 4 && value.abs() < 1e5 => {
                format!("{value:.*}", decimals as usize)
            }
            _ if value.abs() >= 1.0 => short(value, 6),
            _ => exponential(value, 3),
        }
    }

    fn decades(&self) -> Vec<(f64, String)> {
        let span = (self.high / self.low).log10();
        let multiples: &[f64] = match span {
            ..2.2 => &[1.0, 2.0, 5.0],
            2.2..3.0 => &[1.0, 3.0],
            _ => &[1.0],
        };
        let every = (span / 8.0).ceil().max(1.0) as usize;
        let (first, last) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        (first..=last)
            .step_by(every)
            .flat_map(|power| multiples.iter().map(move |m| m * 10f64.powi(power)))
            .filter(|v| (self.low..=self.high).contains(v))
            .map(|v| (v, short(v, 3)))
            .collect()
    }
}

/// Finite values, of a size whose differences and quotients are finite too.
fn finite(values: impl IntoIterator<Item = f64>) -> impl Iterator<Item = f64> {
    values.into_iter().filter(|v| v.is_finite()).map(|v| v.clamp(-1e100, 1e100))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(values: &[f64], measure: Measure) -> Vec<String> {
        let scale = Scale::fit(values.iter().copied(), measure).expect("an axis");
        scale.ticks(5).into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn axes_choose_their_kind() {
        assert_eq!(labels(&[0.2, 0.9], Measure::Number), ["0", "0.2", "0.4", "0.6", "0.8"]);
        assert_eq!(
            labels(&[0.02, f64::NAN, 1.9], Measure::Number),
            ["0.02", "0.05", "0.1", "0.2", "0.5", "1", "2"]
        );
        assert_eq!(labels(&[0.0, 1e-4], Measure::Amount), ["0", "2.5e-5", "5e-5", "7.5e-5", "1e-4"]);
        assert_eq!(labels(&[0.71, 0.84], Measure::Share), ["75 %", "80 %"]);
    }

    #[test]
    fn steps_have_no_fractions() {
        let labels = |last: f64| {
            let scale = Scale::along([0.0, last]).expect("an axis").in_whole_numbers();
            scale.ticks(10).into_iter().map(|(_, label)| label).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(labels(4.0), "0 1 2 3 4");
        assert_eq!(labels(24.0), "0 5 10 15 20");
        assert_eq!(labels(250.0), "0 25 50 75 100 125 150 175 200 225 250");
    }

    #[test]
    fn odd_values_have_axes_too() {
        assert_eq!(Scale::fit([f64::NAN], Measure::Number), None);
        for value in [0.0, -3.0, 1e-12] {
            let scale = Scale::fit([value], Measure::Number).expect("an axis");
            assert!((0.0..=1.0).contains(&scale.position(value)) && !scale.ticks(4).is_empty(), "{value}");
        }
    }
}
