//! Plans: their rules, and what they may depend on.

use std::time::Duration;

use palimpsest_abi::corruption as abi;
use palimpsest_core::DType;

use super::planned;
use crate::buffers::Plan;
use crate::fuzz::{Fuzz, Limits};
use crate::instance::Instance;
use crate::judge;
use crate::outcome::{Checked, Finding, fail, noted, skip};
use crate::request::{Request, geometry};
use crate::scene::{scenes, upload};
use crate::subject::{Subject, request, says};

/// Random requests of `plan.random`.
const RANDOM: u64 = 20_000;

fn about(request: &Request) -> impl Fn(Finding) -> Finding + '_ {
    move |mut finding| {
        finding.location = format!("`plan` for {request}, {}", finding.location);
        finding
    }
}

pub(crate) fn valid(subject: &Subject<'_>) -> Checked {
    let instance = subject.instance()?;
    let mut count = 0;
    for geometry in subject.geometries(&instance)? {
        for (step, progress) in [(0, 0.0), (100, 0.5), (1 << 40, 1.0)] {
            let mut asked = Request::new(geometry, 8);
            (asked.step, asked.progress) = (step, progress);
            let asked = asked.with_scores(says(&instance.library, abi::OBSERVES));
            let plan = planned(&instance, &asked)?;
            judge::rules(&plan, instance.library.capabilities()).map_err(about(&asked))?;
            count += 1;
        }
    }
    Ok(format!("{count} plans"))
}

pub(crate) fn shapes(subject: &Subject<'_>) -> Checked {
    let instance = subject.instance()?;
    let mixes = says(&instance.library, abi::MIXES);
    let (mut served, mut refused) = (0, 0);
    for (rows, columns) in [(1, 1), (1, 7), (7, 1), (2, 9), (9, 2), (5, 3), (32, 32)] {
        for prefix in [0, 1, 4] {
            let geometry = geometry(rows, columns, prefix);
            if let Err(refusal) = instance.check(&geometry) {
                if !refusal.is_user() {
                    return fail(
                        format!("`check` of a grid of {rows} x {columns}"),
                        refusal.to_string(),
                        "refuse it as a user's mistake, in words",
                    );
                }
                refused += 1;
                continue;
            }
            for batch in [1, 2, 5] {
                let asked = request(&instance, geometry, batch);
                match instance.plan(&asked) {
                    Ok(plan) => {
                        judge::rules(&plan, instance.library.capabilities()).map_err(about(&asked))?
                    }
                    // What is mixed of one image, or of an odd number?
                    Err(refusal) if mixes && refusal.is_user() => {}
                    Err(refusal) => return super::refused(&refusal, format!("`plan` for {asked}")),
                }
                served += 1;
            }
        }
    }
    Ok(format!("{served} plans, {refused} geometries refused by `check`"))
}

pub(crate) fn random(subject: &Subject<'_>) -> Checked {
    let library = subject.library()?;
    subject.instance()?;
    let limits = Limits { calls: RANDOM, time: Duration::from_secs(20), most: 1 };
    let done = Fuzz::new(library).run(1, &limits, |_| {});
    match done.findings.into_iter().next() {
        None => Ok(format!("{} plans, {} refused in words", done.plans, done.refused)),
        Some(finding) if finding.value.contains("panics") => skip("it panics: see robust.panics"),
        Some(finding) => Err(finding.into()),
    }
}

pub(crate) fn repeatable(subject: &Subject<'_>) -> Checked {
    let instance = subject.instance()?;
    let requests: Vec<Request> =
        subject.geometries(&instance)?.into_iter().map(|geometry| request(&instance, geometry, 4)).collect();
    let first = requests.iter().map(|asked| planned(&instance, asked)).collect::<Checked<Vec<_>>>()?;
    // Three times at once, for counters and fine clocks; then a second later, for coarse ones.
    for wait in [0, 0, 1100] {
        std::thread::sleep(Duration::from_millis(wait));
        for (asked, before) in requests.iter().zip(&first) {
            if let Some(difference) = before.difference(&planned(&instance, asked)?) {
                return fail(
                    format!("`plan` for {asked}, again"),
                    difference,
                    "let nothing but parameters and request into a plan: no clock, no counter, no randomness but Philox of the request",
                );
            }
        }
    }
    Ok(format!("{} requests, four times each", requests.len()))
}

pub(crate) fn keyed(subject: &Subject<'_>) -> Checked {
    let instance = subject.instance()?;
    let Some(geometry) = subject.geometries(&instance)?.into_iter().next() else {
        return skip("no geometry");
    };
    let asked = request(&instance, geometry, 8);
    let plan = planned(&instance, &asked)?;
    let mut unchanged = vec![];
    for (what, change) in [
        ("seed", (|asked, by| asked.seed += by) as fn(&mut Request, u64)),
        ("step", |asked, by| asked.step += by),
        ("image", |asked, by| asked.first_sample += 8 * by),
    ] {
        let differs = |by: u64| -> Checked<bool> {
            let mut other = asked.clone();
            change(&mut other, by);
            Ok(plan.difference(&planned(&instance, &other)?).is_some())
        };
        let mut changed = false;
        for by in 1..=8 {
            changed |= differs(by)?;
        }
        if !changed {
            unchanged.push(what);
        }
    }
    if unchanged.is_empty() {
        return if upper_half_counts(&instance, &asked, &plan)? {
            Ok("seed, step and image change it".to_owned())
        } else {
            noted(
                "only the lower 32 bits of the seed count: seeds that differ above them give the same plans",
            )
        };
    }
    if unchanged.contains(&"seed") && upper_half_counts(&instance, &asked, &plan)? {
        unchanged.retain(|what| *what != "seed");
        unchanged.insert(0, "the lower half of the seed");
    }
    let told = format!("{} may change and the plan does not", unchanged.join(" and "));
    let masked = plan.roles.iter().filter(|&&role| role == abi::MASKED).count();
    // Where nothing or everything is masked there is nothing to draw.
    if says(&instance.library, abi::UNBIASED) && masked != 0 && masked != plan.roles.len() {
        return fail(
            format!("`plan` for {asked}"),
            told,
            "key Philox by seed, step and the image's number, or don't say UNBIASED",
        );
    }
    if unchanged.contains(&"the lower half of the seed") { noted(told) } else { Ok(told) }
}

/// Whether any of the upper 32 bits of the seed changes a plan.
fn upper_half_counts(instance: &Instance, asked: &Request, plan: &Plan) -> Checked<bool> {
    for bit in 32..64 {
        let mut other = asked.clone();
        other.seed ^= 1 << bit;
        if plan.difference(&planned(instance, &other)?).is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A plan that leaves every token as it is.
fn idle(plan: &Plan) -> bool {
    let moved = |(i, &from): (usize, &u32)| i != from as usize;
    plan.roles.iter().all(|&role| role == abi::VISIBLE)
        && plan.gain.iter().all(|&gain| gain == 1.0)
        && plan.noise.iter().all(|&noise| noise == 0.0)
        && !(plan.uses_source() && plan.source.iter().enumerate().any(moved))
}

pub(crate) fn effect(subject: &Subject<'_>) -> Checked {
    let instance = subject.instance()?;
    let mut requests = 0;
    for geometry in subject.geometries(&instance)? {
        for (step, progress) in [(0, 0.0), (1, 0.01), (50, 0.5), (99, 0.99), (100, 1.0)] {
            let mut asked = Request::new(geometry, 4);
            (asked.step, asked.progress) = (step, progress);
            let asked = asked.with_scores(says(&instance.library, abi::OBSERVES));
            if !idle(&planned(&instance, &asked)?) {
                return Ok(String::new());
            }
            requests += 1;
        }
    }
    if says(&instance.library, abi::OPS) {
        let device = subject.device()?;
        for scene in scenes(&instance)? {
            let before = upload(&device, &scene.shape(), scene.tokens(), DType::F32)?.download()?.into_f32();
            let after = scene.apply(&instance, &device, DType::F32)?.result.download()?.into_f32();
            if before != after {
                return Ok("by operations on tokens".to_owned());
            }
        }
    }
    noted(format!("with its defaults nothing is masked, noised, moved or changed, in {requests} requests"))
}

pub(crate) fn split(subject: &Subject<'_>) -> Checked {
    let instance = subject.instance()?;
    if says(&instance.library, abi::MIXES) {
        return skip("it mixes images: its batches are not split");
    }
    let geometries = subject.geometries(&instance)?;
    for geometry in &geometries {
        let whole = request(&instance, *geometry, 8);
        let plan = planned(&instance, &whole)?;
        for size in [1, 2, 4] {
            for from in (0..8).step_by(size as usize) {
                let mut asked = Request::new(*geometry, size);
                asked.first_sample = whole.first_sample + from;
                let asked = asked.with_scores(whole.scores.is_some());
                let part = planned(&instance, &asked)?;
                if let Some(difference) = plan.part(from as usize, size as usize).difference(&part) {
                    return fail(
                        format!("`plan` for {asked}, and for the batch of 8 that it is of"),
                        difference,
                        "plan each image by its own number, first_sample + its place in the batch, or say MIXES",
                    );
                }
            }
        }
    }
    Ok(format!("{} geometries, cut in 1, 2 and 4", geometries.len()))
}
