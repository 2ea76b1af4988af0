//! Inputs at the edge: nothing, one value, equal values, values that are none.

use palimpsest_statistics::{
    Accuracy, Bootstrap, Cells, Draws, Error, Interval, Patterns, Scores, hodges_lehmann, holm,
    interquartile_mean, mean_improvement, mean_interval, sign_flip, variance_components,
};

fn bootstrap() -> Bootstrap {
    Bootstrap { draws: Draws { count: 200, seed: 7 }, level: 0.9 }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn what_is_refused_is_told() {
    for (refused, text) in [
        (sign_flip(&[], Draws::default()).map(drop), "paired differences: 0 of them, where at least 1"),
        (sign_flip(&[0.1, f64::NAN], Draws::default()).map(drop), "value 1 (from 0) is NaN"),
        (sign_flip(&[0.1; 17], Draws { count: 0, seed: 0 }).map(drop), "draws: 0 of them"),
        (hodges_lehmann(&[f64::INFINITY], 0.95).map(drop), "value 0 (from 0) is inf"),
        (hodges_lehmann(&[1.0], 95.0).map(drop), "confidence level 95: it is a share"),
        (mean_interval(&[1.0, 2.0], f64::NAN).map(drop), "confidence level NaN"),
        (interquartile_mean(&[]).map(drop), "values: 0 of them"),
        (holm(&[0.1, f64::NAN]).map(drop), "p-value 1 (from 0) is NaN"),
        (holm(&[1.5]).map(drop), "p-value 0 (from 0) is 1.5"),
        (mean_improvement(&[]).map(drop), "tasks: 0 of them"),
        (variance_components(&[[1.0, 2.0]]).map(drop), "groups: 1 of them, where at least 2"),
        (variance_components(&[[1.0], [2.0]]).map(drop), "scores of the largest group: 1 of them"),
        (Accuracy { correct: 3, images: 2 }.interval(0.95).map(drop), "accuracy: 3 right of 2 images"),
        (Accuracy { correct: 0, images: 0 }.interval(0.95).map(drop), "accuracy: 0 right of 0 images"),
        (bootstrap().interval::<Vec<f64>>(&[], |_| 0.0).map(drop), "strata: 0 of them"),
        (bootstrap().interval(&[vec![1.0], vec![]], |_| 0.0).map(drop), "values of a stratum: 0 of them"),
        (bootstrap().interval(&[[1.0]], |_| f64::NAN).map(drop), "statistic: it is NaN"),
        (
            bootstrap()
                .interval(&[[1.0, 2.0]], |s| if s[0][0] == s[0][1] { f64::NAN } else { 0.0 })
                .map(drop),
            "(from 0): the statistic is NaN",
        ),
        (
            Scores { candidate: &[1.0], baseline: &[1.0, 2.0] }.differences().map(drop),
            "scores: 1 on one side, 2 on the other; pair them by seed",
        ),
        (
            Cells { neither: &[1.0], first: &[1.0], second: &[], both: &[] }.interaction().map(drop),
            "scores of the candidate: 0 of them",
        ),
    ] {
        let told = refused.expect_err(text).to_string();
        assert!(told.contains(text), "{told}");
    }
    // Finite scores whose difference is not.
    let far = Scores { candidate: &[f64::MAX], baseline: &[-f64::MAX] }.differences().unwrap();
    assert!(matches!(sign_flip(&far, Draws::default()), Err(Error::NotFinite { position: 0, .. })));
}

#[test]
fn equal_values_have_no_spread() {
    let got = sign_flip(&[0.0; 6], Draws::default()).unwrap();
    assert_eq!((got.two_sided, got.greater, got.less), (1.0, 1.0, 1.0));
    // 0.1 is not a sum of halves: rounding would show.
    let got = mean_interval(&[0.1; 7], 0.95).unwrap();
    assert_eq!((got.mean, got.deviation), (0.1, Some(0.0)));
    assert_eq!(got.interval, Some(Interval { low: 0.1, high: 0.1 }));
    let got = bootstrap().interval(&[[0.5; 5]], |strata| mean(&strata[0])).unwrap();
    assert_eq!((got.interval, got.standard_error), (Interval { low: 0.5, high: 0.5 }, Some(0.0)));
    let got = variance_components(&[[0.1; 3], [0.1; 3]]).unwrap();
    assert_eq!((got.within, got.between, got.share_between), (0.0, 0.0, None));
}

#[test]
fn one_value_has_no_interval() {
    let got = mean_interval(&[0.7], 0.95).unwrap();
    assert_eq!((got.n, got.mean, got.deviation, got.interval), (1, 0.7, None, None));
    let got = hodges_lehmann(&[0.7], 0.95).unwrap();
    assert_eq!((got.shift, got.interval), (0.7, None));
    assert_eq!(bootstrap().interval(&[[0.7]], |strata| strata[0][0]).unwrap().single, 1);
}

#[test]
fn nothing_is_corrected_where_nothing_is_compared() {
    assert_eq!(holm(&[]).unwrap(), Vec::<f64>::new());
    assert_eq!(holm(&[0.3]).unwrap(), [0.3]);
}

#[test]
fn a_stratum_draws_for_itself_and_more_draws_go_on() {
    let draws_of = |strata: &[Vec<f64>], count| {
        let mut drawn = Vec::new();
        let settings = Bootstrap { draws: Draws { count, seed: 7 }, level: 0.9 };
        settings
            .interval(strata, |strata| {
                drawn.push(strata[0].clone());
                0.0
            })
            .unwrap();
        drawn
    };
    let first = vec![1.0, 2.0, 3.0, 4.0];
    let alone = draws_of(std::slice::from_ref(&first), 20);
    assert_eq!(alone, draws_of(&[first.clone(), vec![5.0, 6.0, 7.0]], 20));
    assert_eq!(alone[..], draws_of(&[first], 50)[..alone.len()]);
}

/// More draws than patterns are possible, and still only draws: 17 differences.
#[test]
fn beyond_the_limit_p_is_never_zero() {
    let got = sign_flip(&[1.0; 17], Draws { count: 99, seed: 0 }).unwrap();
    assert_eq!(got.patterns, Patterns::Drawn(99));
    assert_eq!(got.greater, 0.01);
}

#[test]
fn a_cut_variance_says_so() {
    let got = variance_components(&[[1.0, 3.0], [1.2, 2.8]]).unwrap();
    assert_eq!((got.between, got.share_between), (0.0, Some(0.0)));
    assert!(got.between_uncut < 0.0, "{got:?}");
}
