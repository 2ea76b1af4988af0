//! Where masks fall, and how many tokens they hide.

use std::sync::Arc;

use palimpsest_abi::corruption as abi;
use palimpsest_core::plugin::{Parameter, Setting, StrategyLibrary};

use crate::buffers::Plan;
use crate::instance::{Instance, Refusal};
use crate::outcome::{Checked, fail, noted, skip};
use crate::request::{Request, geometry};
use crate::subject::{Subject, defaults, says};

/// Images that are counted: a bias of 2 % at a ratio of a half stands out by five standard errors.
const IMAGES: u64 = 16_384;
const BATCH: u32 = 64;
/// Standard errors that a position may be off: with 64 positions an honest strategy fails once in ten million
/// tries (two-sided normal tail 1e-9 each).
const LIMIT: f64 = 6.1;

/// Each position is masked in Binomial(images, share) of independent images, whatever positions have to do
/// with each other within one. So every position has a chi-square of one degree of its own, and the largest is
/// held to a limit that allows for their number (Bonferroni); their sum would be no chi-square for blocks.
pub(crate) fn uniform(subject: &Subject<'_>) -> Checked {
    let instance = subject.instance()?;
    if !says(&instance.library, abi::UNBIASED) {
        return skip("it doesn't promise UNBIASED");
    }
    let grids = [(8, 8), (4, 4), (6, 10), (3, 7), (14, 14)].map(|(rows, columns)| geometry(rows, columns, 1));
    let taken: Vec<_> =
        grids.into_iter().filter(|geometry| instance.check(geometry).is_ok()).take(3).collect();
    if taken.is_empty() {
        return skip("`check` refuses every grid that was tried");
    }
    let mut worst = 0.0_f64;
    for geometry in taken {
        let tokens = (geometry.grid_h * geometry.grid_w) as usize;
        let mut counts = vec![0_u64; tokens];
        let mut plan = Plan::default();
        for batch in 0..IMAGES / u64::from(BATCH) {
            let mut asked = Request::new(geometry, BATCH);
            (asked.step, asked.first_sample) = (batch, batch * u64::from(BATCH));
            let asked = asked.with_scores(says(&instance.library, abi::OBSERVES));
            plan_or_stop(&instance, &asked, &mut plan)?;
            for (i, _) in plan.roles.iter().enumerate().filter(|(_, role)| **role == abi::MASKED) {
                counts[i % tokens] += 1;
            }
        }
        let n = IMAGES as f64;
        let share = counts.iter().sum::<u64>() as f64 / (n * tokens as f64);
        if share == 0.0 || share == 1.0 {
            continue;
        }
        let error = (n * share * (1.0 - share)).sqrt();
        for (position, &count) in counts.iter().enumerate() {
            let off = (count as f64 - n * share) / error;
            worst = worst.max(off.abs());
            if off.abs() > LIMIT {
                let (row, column) = (position as u32 / geometry.grid_w, position as u32 % geometry.grid_w);
                return fail(
                    format!(
                        "row {row}, column {column} of a grid of {} x {}",
                        geometry.grid_h, geometry.grid_w
                    ),
                    format!(
                        "is masked in {:.2} % of {IMAGES} images where the mean is {:.2} % (chi-square {:.0}, at most {:.0} are due)",
                        100.0 * count as f64 / n,
                        100.0 * share,
                        off * off,
                        LIMIT * LIMIT
                    ),
                    "draw positions evenly, at the borders too, or don't say UNBIASED",
                );
            }
        }
    }
    Ok(format!("the largest chi-square of a position is {:.1} (limit {:.1})", worst * worst, LIMIT * LIMIT))
}

fn plan_or_stop(instance: &Instance, asked: &Request, plan: &mut Plan) -> Checked<()> {
    instance
        .plan_into(asked, plan)
        .or_else(|refusal: Refusal| super::refused(&refusal, format!("`plan` for {asked}")))
}

/// Shares that are asked for, and how far the share may be off: whole cells of up to 4 x 4 tokens of a grid of
/// 16 x 16 are in 1/16 steps, so that rounding gives half of one.
const SHARES: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];
const OFF: f64 = 1.0 / 32.0 + 1e-6;

/// Words of a parameter's name that promise a share of the tokens.
const SHARE_WORDS: [&str; 6] = ["ratio", "share", "fraction", "proportion", "portion", "rate"];

pub(crate) fn ratio(subject: &Subject<'_>) -> Checked {
    let library = subject.library()?;
    let named = |parameter: &Parameter| {
        parameter.name.split(['_', '-']).any(|word| SHARE_WORDS.contains(&word.to_lowercase().as_str()))
    };
    let shares = library.described().iter().enumerate().filter(|(_, parameter)| {
        matches!(parameter.default, Setting::Real(_))
            && (parameter.name == "ratio"
                || (named(parameter) && parameter.min >= 0.0 && parameter.max <= 1.0))
    });
    let shares: Vec<usize> = shares.map(|(at, _)| at).collect();
    if shares.is_empty() {
        return skip("it has no parameter `ratio`, nor one of such a name");
    }
    subject.instance()?;
    let (mut held, mut notes) = (vec![], vec![]);
    for at in shares {
        let name = library.described()[at].name;
        match held_by(&library, at)? {
            Found::Holds(what) => held.push(format!("`{name}`: {what}")),
            Found::Untried => {}
            Found::Off { share, are } if name == "ratio" => {
                return fail(
                    format!("ratio = {share}"),
                    are,
                    "let `ratio` be the share of the tokens, or name the parameter for what it is",
                );
            }
            // Another name may mean another share.
            Found::Off { share, are } => notes.push(format!("at {name} = {share} {are}")),
        }
    }
    match (held.is_empty(), notes.is_empty()) {
        (_, false) => noted(notes.join("; ")),
        (true, true) => skip("no ratio could be tried"),
        (false, true) => Ok(held.join("; ")),
    }
}

/// What a parameter that is called a share turned out to be.
enum Found {
    Holds(String),
    Off { share: f64, are: String },
    Untried,
}

/// Plans by a parameter's values, which should be shares of the tokens.
fn held_by(library: &Arc<StrategyLibrary>, at: usize) -> Checked<Found> {
    let parameter = &library.described()[at];
    let mut tried: Vec<(f64, [f64; 4])> = vec![];
    for share in SHARES.into_iter().filter(|share| (parameter.min..=parameter.max).contains(share)) {
        let mut values = defaults(library);
        values[at] = Setting::Real(share);
        let Ok(instance) = Instance::create(library, &values) else { continue };
        let geometry = geometry(16, 16, 1);
        if instance.check(&geometry).is_err() {
            continue;
        }
        let asked = Request::new(geometry, 64).with_scores(says(library, abi::OBSERVES));
        let mut plan = Plan::default();
        plan_or_stop(&instance, &asked, &mut plan)?;
        let (masked, noised, moved) = shares(&plan);
        tried.push((share, [masked, noised, moved, masked + noised]));
    }
    // A strategy may hide, noise and move: the ratio is that of one of them, or of hidden and noised together.
    let kinds = ["masked", "noised", "moved", "masked or noised"];
    let holds = |kind: usize| tried.iter().all(|(share, found)| (found[kind] - share).abs() <= OFF);
    if tried.is_empty() {
        return Ok(Found::Untried);
    }
    if let Some(kind) = (0..kinds.len()).find(|&kind| holds(kind)) {
        return Ok(Found::Holds(format!("{} ratios, of tokens {}", tried.len(), kinds[kind])));
    }
    let off = |(share, found): &(f64, [f64; 4])| {
        found.iter().map(|is| (is - share).abs()).fold(f64::INFINITY, f64::min)
    };
    let (share, [masked, noised, moved, _]) =
        tried.iter().copied().max_by(|a, b| off(a).total_cmp(&off(b))).unwrap_or_default();
    let are = format!("{masked:.3} of the tokens are masked, {noised:.3} noised, {moved:.3} moved");
    Ok(Found::Off { share, are })
}

/// The shares of tokens that are masked, noised, and taken from elsewhere.
fn shares(plan: &Plan) -> (f64, f64, f64) {
    let count = plan.roles.len() as f64;
    let role = |due: u8| plan.roles.iter().filter(|&&role| role == due).count() as f64 / count;
    let moved = plan.source.iter().enumerate().filter(|&(i, &from)| plan.uses_source() && i != from as usize);
    (role(abi::MASKED), role(abi::NOISED), moved.count() as f64 / count)
}
