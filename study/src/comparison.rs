//! Declared comparisons, judged: differences of paired seeds, how likely they are by chance, and what stands once all tests of
//! the study are counted.

use palimpsest_core::Result;
use palimpsest_statistics::{
    Draws, HodgesLehmann, Scores as Paired, hodges_lehmann, holm, mean_improvement, mean_interval, sign_flip,
};
use serde::Serialize;

use crate::file::Expect;
use crate::plan::Plan;
use crate::scores::{Scores, difference, mean};
use crate::summary::{LEVEL, Range, refused};

/// What counts as unlikely.
pub const ALPHA: f64 = 0.05;

/// A comparison by one measure.
#[derive(Debug, Clone, Serialize)]
pub struct Judged {
    /// What it claims.
    pub name: String,
    /// The comparison's place in the plan.
    pub comparison: usize,
    /// The measure.
    pub measure: String,
    /// Pairs of cells that were compared.
    pub pairs: usize,
    /// Differences a - b by seed, each the mean over the pairs; of seeds that are measured on both sides of every pair.
    pub differences: Vec<f64>,
    /// The test, where there is a difference.
    pub test: Option<Test>,
    /// What can be said.
    pub verdict: Verdict,
}

/// A test of paired differences.
#[derive(Debug, Clone, Serialize)]
pub struct Test {
    /// Seeds.
    pub n: usize,
    /// The mean difference.
    pub mean: f64,
    /// Student's interval of it.
    pub mean_interval: Option<Range>,
    /// Hodges' and Lehmann's shift.
    pub shift: f64,
    /// Its interval.
    pub shift_interval: Option<Range>,
    /// What that interval really covers: with few seeds less than 95 %.
    pub coverage: Option<f64>,
    /// p of the exact sign-flip test, two-sided.
    pub p: f64,
    /// p after Holm's correction over all declared tests.
    pub p_holm: f64,
    /// The share of seeds in which a is above b; equal ones count half.
    pub paired_improvement: f64,
    /// The probability that a run of a is above a run of b, over all pairs of seeds.
    pub improvement: f64,
    /// The least p that so many seeds can reach.
    pub least_p: f64,
}

/// What a comparison shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As expected, and unlikely by chance.
    Confirmed,
    /// Against what was expected, and unlikely by chance.
    Contradicted,
    /// Either way is likely by chance.
    Open,
    /// Some seeds are not measured on both sides yet: a look at half time is no test.
    Unfinished,
    /// No seed is measured on both sides yet.
    Missing,
}

/// Judges every declared comparison by every measure that it names.
///
/// # Errors
/// Scores that are no numbers.
pub fn judge(plan: &Plan, scores: &Scores) -> Result<Vec<Judged>> {
    let mut judged = vec![];
    for (number, declared) in plan.compare.iter().enumerate() {
        let pairs = plan.pairs(&declared.a, &declared.b)?;
        let heads = measures(&declared.heads, scores);
        for measure in heads {
            judged.push(one(number, &declared.name, &pairs, scores, measure)?);
        }
    }
    correct(&mut judged)?;
    for one in &mut judged {
        let whole = one.differences.len() == plan.seeds.len();
        one.verdict = match verdict(one.test.as_ref(), plan.compare[one.comparison].expect) {
            Verdict::Missing => Verdict::Missing,
            _ if !whole => Verdict::Unfinished,
            said => said,
        };
    }
    Ok(judged)
}

/// The places of named measures; all without names.
pub(crate) fn measures(names: &[String], scores: &Scores) -> Vec<usize> {
    match names {
        [] => (0..scores.measures.len()).collect(),
        names => names.iter().filter_map(|name| scores.measure(name)).collect(),
    }
}

fn one(number: usize, name: &str, pairs: &[[usize; 2]], scores: &Scores, measure: usize) -> Result<Judged> {
    let seeds = scores.cells.first().map_or(0, |cell| cell.scores[measure].len());
    let both = |pair: &[usize; 2], seed: usize| {
        Some([scores.of(pair[0], measure, seed)?, scores.of(pair[1], measure, seed)?])
    };
    // By pair, then by seed: [a, b].
    let mut whole: Vec<Vec<[f64; 2]>> = vec![vec![]; pairs.len()];
    let mut differences = vec![];
    for seed in 0..seeds {
        let Some(of_seed) = pairs.iter().map(|pair| both(pair, seed)).collect::<Option<Vec<_>>>() else {
            continue;
        };
        let all: Vec<f64> = of_seed.iter().map(|[a, b]| difference(*a, *b)).collect();
        differences.extend(mean(&all));
        whole.iter_mut().zip(of_seed).for_each(|(pair, scores)| pair.push(scores));
    }
    let test = if differences.is_empty() { None } else { Some(test(&differences, &whole).map_err(refused)?) };
    Ok(Judged {
        name: name.to_owned(),
        comparison: number,
        measure: scores.measures[measure].clone(),
        pairs: pairs.len(),
        differences,
        test,
        verdict: Verdict::Missing,
    })
}

fn test(differences: &[f64], pairs: &[Vec<[f64; 2]>]) -> Result<Test, palimpsest_statistics::Error> {
    let of_mean = mean_interval(differences, LEVEL)?;
    let HodgesLehmann { shift, interval } = hodges_lehmann(differences, LEVEL)?;
    let flipped = sign_flip(differences, Draws::default())?;
    let sides: Vec<[Vec<f64>; 2]> = pairs
        .iter()
        .map(|pair| [0, 1].map(|side| pair.iter().map(|scores| scores[side]).collect()))
        .collect();
    let tasks: Vec<Paired<'_>> = sides.iter().map(|[a, b]| Paired { candidate: a, baseline: b }).collect();
    let above = differences.iter().map(|d| {
        if *d > 0.0 {
            1.0
        } else if *d == 0.0 {
            0.5
        } else {
            0.0
        }
    });
    Ok(Test {
        n: differences.len(),
        mean: of_mean.mean,
        mean_interval: of_mean.interval.map(Range::from),
        shift,
        shift_interval: interval.map(|found| found.interval.into()),
        coverage: interval.map(|found| found.coverage),
        p: flipped.two_sided,
        p_holm: f64::NAN,
        paired_improvement: above.sum::<f64>() / differences.len() as f64,
        improvement: mean_improvement(&tasks)?,
        least_p: palimpsest_statistics::least_p(differences.len(), palimpsest_statistics::Sides::Two),
    })
}

/// Holm's correction over all declared tests; those without scores yet are counted too, as tests that showed nothing.
fn correct(judged: &mut [Judged]) -> Result<()> {
    let p: Vec<f64> = judged.iter().map(|one| one.test.as_ref().map_or(1.0, |test| test.p)).collect();
    for (one, p) in judged.iter_mut().zip(holm(&p).map_err(refused)?) {
        one.test.iter_mut().for_each(|test| test.p_holm = p);
    }
    Ok(())
}

fn verdict(test: Option<&Test>, expect: Expect) -> Verdict {
    let Some(test) = test else { return Verdict::Missing };
    if test.p_holm >= ALPHA {
        return Verdict::Open;
    }
    match (expect, test.mean > 0.0) {
        (Expect::Different, _) | (Expect::Above, true) | (Expect::Below, false) => Verdict::Confirmed,
        _ => Verdict::Contradicted,
    }
}
