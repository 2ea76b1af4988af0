//! The bootstrap.

use palimpsest_statistics::{Bootstrap, Draws, interquartile_mean};

use crate::comparison::Reference;

pub(crate) fn compare(reference: &Reference) {
    for case in reference.cases("bootstrap") {
        let draws = Draws { count: case.whole("count") as u32, seed: case.whole("seed") };
        let bootstrap = Bootstrap { draws, level: case.number("level") };
        let strata = case.lists("strata");
        let got = bootstrap.interval(&strata, |drawn| interquartile_mean(&drawn.concat()).unwrap()).unwrap();
        case.equal("estimate", got.estimate);
        case.equal("low", got.interval.low);
        case.equal("high", got.interval.high);
        case.equal("standard_error", got.standard_error.unwrap());
        assert_eq!(got.single, strata.iter().filter(|stratum| stratum.len() == 1).count());
    }
    for case in reference.cases("bootstrap_estimated") {
        let bootstrap = Bootstrap { draws: Draws { count: 20_000, seed: 0 }, level: 0.95 };
        let got = bootstrap
            .interval(&[case.list("values")], |drawn| drawn[0].iter().sum::<f64>() / drawn[0].len() as f64)
            .unwrap();
        // The standard error of a 2.5 % quantile of B normal draws is sqrt(0.025 * 0.975 / B) / density(1.96) = 0.019 of
        // their deviation, of the deviation itself sqrt(1 / 2B) = 0.005: five of each.
        let error = case.number("standard_error");
        for (key, got) in [("low", got.interval.low), ("high", got.interval.high)] {
            assert!((got - case.number(key)).abs() < 5.0 * 0.019 * error, "{key}: {got}");
        }
        assert!((got.standard_error.unwrap() / error - 1.0).abs() < 5.0 * 0.005);
    }
}
