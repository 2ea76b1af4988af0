//! What tests and intervals promise, counted over all that could have happened: every pattern of signs is as likely.

use palimpsest_statistics::{Draws, Sides, hodges_lehmann, least_p, sign_flip};

/// `magnitudes` with every pattern of signs.
fn patterns(magnitudes: &[f64]) -> impl Iterator<Item = Vec<f64>> {
    (0..1_u32 << magnitudes.len()).map(|pattern| {
        let signed = magnitudes.iter().enumerate();
        signed.map(|(k, value)| if pattern >> k & 1 == 1 { -value } else { *value }).collect()
    })
}

/// Without ties among the Walsh averages: powers of an irrational number.
fn distinct(n: usize) -> Vec<f64> {
    (0..n).map(|k| std::f64::consts::PI.powi(k as i32)).collect()
}

fn covered(magnitudes: &[f64], level: f64) -> (f64, f64) {
    let (mut inside, mut promised) = (0, 0.0);
    for differences in patterns(magnitudes) {
        let got = hodges_lehmann(&differences, level).unwrap().interval.unwrap();
        assert_eq!(got.reached, got.coverage >= level, "{got:?}");
        inside += u32::from(got.interval.contains(0.0));
        promised = got.coverage;
    }
    (f64::from(inside) / f64::from(1 << magnitudes.len()), promised)
}

#[test]
fn the_shift_s_interval_covers_as_often_as_it_says() {
    for n in 2..=10 {
        for level in [0.3, 0.5, 0.8, 0.9, 0.95, 0.99] {
            let (covered, promised) = covered(&distinct(n), level);
            assert!((covered - promised).abs() < 1e-12, "n = {n}, {level}: {covered}, said {promised}");
        }
    }
}

#[test]
fn with_ties_and_zeros_it_covers_at_least_as_often() {
    for magnitudes in [&[1.0, 1.0, 2.0, 2.0, 3.0][..], &[1.0; 7], &[0.0, 0.0, 1.0, 2.0, 2.0, 3.0, 5.0]] {
        for level in [0.5, 0.8, 0.9, 0.95] {
            let (covered, promised) = covered(magnitudes, level);
            assert!(covered >= promised, "{magnitudes:?}, {level}: {covered}, said {promised}");
        }
    }
}

#[test]
fn coverage_comes_in_steps() {
    for (n, coverage, reached) in [
        (2, 0.5, false),
        (4, 0.875, false),
        (5, 0.9375, false),
        (6, 0.96875, true),
        (10, 0.951_171_875, true),
    ] {
        let got = hodges_lehmann(&distinct(n), 0.95).unwrap().interval.unwrap();
        assert!((got.coverage - coverage).abs() < 1e-12 && got.reached == reached, "n = {n}: {got:?}");
    }
    // A step that is the level itself is taken.
    let got = hodges_lehmann(&distinct(5), 0.875).unwrap().interval.unwrap();
    assert!((got.coverage - 0.875).abs() < 1e-12 && got.reached, "{got:?}");
}

/// P(p <= x) is x for every p that occurs, without ties; never above it with them.
#[test]
fn sign_flip_errs_as_often_as_it_says() {
    let tied: &[f64] = &[0.01, 0.02, 0.02, 0.03, 0.03, 0.05, 0.0];
    for (magnitudes, exact) in [(&distinct(8)[..], true), (tied, false)] {
        let by_pattern: Vec<_> =
            patterns(magnitudes).map(|d| sign_flip(&d, Draws::default()).unwrap()).collect();
        for p in [
            by_pattern.iter().map(|got| got.two_sided).collect::<Vec<_>>(),
            by_pattern.iter().map(|got| got.greater).collect(),
            by_pattern.iter().map(|got| got.less).collect(),
        ] {
            for x in &p {
                let share = p.iter().filter(|other| *other <= x).count() as f64 / p.len() as f64;
                assert!(
                    if exact { share == *x } else { share <= *x },
                    "{magnitudes:?}: {share} at or below {x}"
                );
            }
        }
    }
}

#[test]
fn the_least_p_occurs_where_all_signs_agree() {
    for n in 1..=16 {
        let got = sign_flip(&distinct(n), Draws::default()).unwrap();
        assert_eq!((got.two_sided, got.greater), (least_p(n, Sides::Two), least_p(n, Sides::One)), "n = {n}");
    }
    assert_eq!(least_p(5, Sides::Two), 0.0625);
    // Each difference of 0 doubles it.
    assert_eq!(
        sign_flip(&[1.0, 2.0, 4.0, 0.0, 0.0], Draws::default()).unwrap().greater,
        4.0 * least_p(5, Sides::One)
    );
}
