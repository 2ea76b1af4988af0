//! The error function, to the last digits of f64.

use std::f64::consts::PI;

/// The error function, by its series (Abramowitz & Stegun, 7.1.6) near zero and by the continued fraction of
/// its complement (7.1.14) beyond.
pub fn erf(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    let z = x.abs();
    let value = if z < 2.5 { series(z) } else { 1.0 - complement(z) };
    value.copysign(x)
}

/// 2/sqrt(pi) exp(-z²) sum of 2^n z^(2n+1) / (1 3 … (2n+1)): all terms are positive, so nothing cancels.
fn series(z: f64) -> f64 {
    let (mut term, mut sum, mut odd) = (z, z, 1.0);
    while term > sum * 1e-18 {
        odd += 2.0;
        term *= 2.0 * z * z / odd;
        sum += term;
    }
    2.0 / PI.sqrt() * (-z * z).exp() * sum
}

/// exp(-z²)/sqrt(pi) / (z + (1/2)/(z + 1/(z + (3/2)/(z + …)))).
fn complement(z: f64) -> f64 {
    let fraction = (1..=60).rev().fold(z, |below, n| z + f64::from(n) / 2.0 / below);
    (-z * z).exp() / PI.sqrt() / fraction
}

#[cfg(test)]
mod tests {
    use super::erf;

    #[test]
    #[allow(clippy::excessive_precision, reason = "the digits of the table")]
    fn values_of_the_tables() {
        // Abramowitz & Stegun, table 7.1, and Wolfram Alpha for the last digits.
        let table = [
            (0.0, 0.0),
            (0.1, 0.112_462_916_018_284_89),
            (0.5, 0.520_499_877_813_046_54),
            (1.0, 0.842_700_792_949_714_87),
            (2.0, 0.995_322_265_018_952_73),
            (2.5, 0.999_593_047_982_555_04),
            (3.0, 0.999_977_909_503_001_41),
            (f64::INFINITY, 1.0),
        ];
        for (x, want) in table {
            assert!((erf(x) - want).abs() < 4e-16, "erf({x}) = {}", erf(x));
            assert!((erf(-x) + want).abs() < 4e-16, "erf(-{x})");
        }
    }

    #[test]
    fn the_two_formulas_meet() {
        let (below, above) = (super::series(2.5), 1.0 - super::complement(2.5));
        // A sum of some thirty terms on one side, rounded each time.
        assert!((below - above).abs() < 2e-15, "{below} {above}");
    }
}
