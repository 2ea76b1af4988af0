//! The keys of `[data]` that say what the samples of a file mean, checked with each other.

use super::DataSettings;
use crate::settings::Sources;
use crate::{Error, Result};

impl DataSettings {
    /// Checks `range`, `percentiles`, `nan` and `shown`.
    pub(super) fn check_samples(&self, sources: &Sources) -> Result<()> {
        let wrong = |key: &str, text: String, help: String| {
            Err(Error::user(text).at(sources.location(&format!("data.{key}"))).help(help))
        };
        let (range, percentiles) = (&self.range, &self.percentiles);
        if !matches!(range[..], [])
            && !matches!(range[..], [low, high] if low < high && (high - low).is_finite())
        {
            let help = "give the values that become 0 and 1, as [0, 4095]";
            return wrong("range", format!("{range:?} is no range"), help.to_owned());
        }
        let shares = 0.0..=100.0;
        let ordered = |low: f64, high: f64| low < high && shares.contains(&low) && shares.contains(&high);
        if !matches!(percentiles[..], []) && !matches!(percentiles[..], [low, high] if ordered(low, high)) {
            let help = "give a low and a high one between 0 and 100, as [1, 99]";
            return wrong("percentiles", format!("{percentiles:?} are no percentiles"), help.to_owned());
        }
        if !range.is_empty() && !percentiles.is_empty() {
            let text = "the values that become 0 and 1 are given by data.range already".to_owned();
            return wrong("percentiles", text, "leave out one of the two".to_owned());
        }
        if let Some(nan) = self.nan.filter(|nan| !nan.is_finite()) {
            return wrong("nan", format!("{nan} is no value to fill in"), "give a number, as 0.0".to_owned());
        }
        if !matches!(self.shown.len(), 0 | 1 | 3) {
            let help = "give three channels, as [3, 2, 1], or one".to_owned();
            return wrong("shown", format!("{} channels can't be shown", self.shown.len()), help);
        }
        if let Some(beyond) = self.shown.iter().find(|channel| **channel >= self.channels) {
            let help = format!("channels are counted from 0: use 0 to {}", self.channels - 1);
            return wrong("shown", format!("there is no channel {beyond} of {}", self.channels), help);
        }
        Ok(())
    }
}
