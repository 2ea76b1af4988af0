//! What all statistics ask of their input.

use crate::Error;

/// All of `values` are finite.
pub(crate) fn finite(values: &[f64]) -> Result<(), Error> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(position) => Err(Error::NotFinite { position, value: values[position] }),
        None => Ok(()),
    }
}

/// There are at least `least` of `values`, and all are finite.
pub(crate) fn enough(of: &'static str, values: &[f64], least: usize) -> Result<(), Error> {
    if values.len() < least {
        return Err(Error::TooFew { of, found: values.len(), least });
    }
    finite(values)
}

/// `level` is between 0 and 1, without both.
pub(crate) fn level(level: f64) -> Result<(), Error> {
    if level > 0.0 && level < 1.0 { Ok(()) } else { Err(Error::Level { level }) }
}
