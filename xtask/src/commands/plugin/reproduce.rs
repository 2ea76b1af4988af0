//! `plugin reproduce`: one random request again, in this process.

use std::sync::Arc;

use palimpsest_core::plugin::StrategyLibrary;
use palimpsest_core::{Error, Result};
use palimpsest_validator::fuzz::Fuzz;

use super::locate;
use crate::output;

pub(super) fn run(plugin: &str, seed: u64) -> Result<()> {
    let library = Arc::new(StrategyLibrary::open(&locate::library(plugin)?)?);
    let fuzz = Fuzz::new(library);
    match fuzz.reproduce(seed, &mut |text| output::line(text)) {
        None => {
            output::line("nothing is wrong with it");
            Ok(())
        }
        Some(finding) => Err(Error::failure(finding.value).at(finding.location).help(finding.help)),
    }
}
