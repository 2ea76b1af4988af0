//! The plan's buffers: nothing beside them is touched, and what lies in them are numbers.
#![allow(unsafe_code, reason = "hands out memory of its own")]

use palimpsest_abi::corruption as abi;
use palimpsest_abi::{Error as CError, Head};

use super::planned;
use crate::buffers::Plan;
use crate::guarded::{Guarded, Side};
use crate::instance::{Instance, Refusal};
use crate::judge;
use crate::outcome::{Checked, fail};
use crate::request::Request;
use crate::subject::{Subject, request, says};

/// Elements on each side of a buffer that must stay as they are.
const MARGIN: usize = 4096;

/// A buffer between margins.
struct Between<T> {
    name: &'static str,
    values: Vec<T>,
    margin: T,
}

impl<T: Copy + PartialEq + std::fmt::Debug> Between<T> {
    fn new(name: &'static str, inner: &[T], margin: T) -> Self {
        let mut values = vec![margin; inner.len() + 2 * MARGIN];
        values[MARGIN..MARGIN + inner.len()].copy_from_slice(inner);
        Self { name, values, margin }
    }

    fn start(&mut self) -> *mut T {
        self.values[MARGIN..].as_mut_ptr()
    }

    fn whole(&self, asked: &Request) -> Checked<()> {
        let count = self.values.len() - 2 * MARGIN;
        let outside = |i: &usize| !(MARGIN..MARGIN + count).contains(i);
        match (0..self.values.len()).filter(outside).find(|&i| self.values[i] != self.margin) {
            None => Ok(()),
            Some(i) => fail(
                format!("`plan` for {asked}"),
                format!(
                    "{}[{}] = {:?} was written, and it has {count} elements",
                    self.name,
                    i as isize - MARGIN as isize,
                    self.values[i]
                ),
                "write entry [b, i] at b * L + i, with b < B and i < L",
            ),
        }
    }
}

pub(crate) fn canaries(subject: &Subject<'_>) -> Checked {
    let instance = subject.instance()?;
    let geometries = subject.geometries(&instance)?;
    for geometry in &geometries {
        for batch in [1, 3] {
            let asked = request(&instance, *geometry, batch);
            let plan = Plan::identity(batch as usize, asked.tokens());
            // Values that no plan has, so that writing a usual one shows.
            let mut roles = Between::new("roles", &plan.roles, 0xA5);
            let mut gain = Between::new("gain", &plan.gain, -123.456);
            let mut noise = Between::new("noise", &plan.noise, -123.456);
            let mut source = Between::new("source", &plan.source, 0xA5A5_A5A5);
            let lent = asked.lend();
            let mut buffers = abi::Plan {
                head: Head::of::<abi::Plan>(),
                roles: roles.start(),
                gain: gain.start(),
                noise: noise.start(),
                source: source.start(),
                flags: 0,
                reserved: 0,
            };
            let mut error = CError::new();
            // SAFETY: the buffers have room for [B, L], and more.
            let code = unsafe { instance.plan_raw(&raw const lent, &raw mut buffers, &raw mut error) };
            roles.whole(&asked)?;
            gain.whole(&asked)?;
            noise.whole(&asked)?;
            source.whole(&asked)?;
            Refusal::read(code, &error)
                .or_else(|refusal| super::refused(&refusal, format!("`plan` for {asked}")))?;
        }
    }
    Ok(format!("{} geometries, {MARGIN} elements on each side", geometries.len()))
}

pub(crate) fn guarded(subject: &Subject<'_>) -> Checked {
    let instance = subject.instance()?;
    let geometries = subject.geometries(&instance)?;
    for geometry in &geometries {
        for side in [Side::Behind, Side::Before] {
            try_guarded(&instance, &request(&instance, *geometry, 3), side)?;
        }
    }
    Ok(format!("{} geometries, forbidden pages before and behind", geometries.len()))
}

fn try_guarded(instance: &Instance, asked: &Request, side: Side) -> Checked<()> {
    let plan = Plan::identity(asked.batch as usize, asked.tokens());
    let count = asked.count();
    let mut roles = Guarded::new("the buffer roles", count, side)?;
    let mut gain = Guarded::new("the buffer gain", count * 4, side)?;
    let mut noise = Guarded::new("the buffer noise", count * 4, side)?;
    let mut source = Guarded::new("the buffer source", count * 4, side)?;
    roles.write(&plan.roles);
    gain.write(&plan.gain);
    noise.write(&plan.noise);
    source.write(&plan.source);
    let mut lent = asked.lend();
    // The scores are lent too: reading behind them is as wrong.
    let mut scores = Guarded::new("the scores", count * 4, side)?;
    if let Some(given) = &asked.scores {
        scores.write(given);
        lent.scores = scores.data().cast();
    }
    let mut buffers = abi::Plan {
        head: Head::of::<abi::Plan>(),
        roles: roles.data(),
        gain: gain.data().cast(),
        noise: noise.data().cast(),
        source: source.data().cast(),
        flags: 0,
        reserved: 0,
    };
    let mut error = CError::new();
    // SAFETY: the buffers have room for [B, L].
    let code = unsafe { instance.plan_raw(&raw const lent, &raw mut buffers, &raw mut error) };
    for memory in [&roles, &gain, &noise, &source, &scores] {
        memory.whole(&format!("`plan` for {asked}"))?;
    }
    Refusal::read(code, &error).or_else(|refusal| super::refused(&refusal, format!("`plan` for {asked}")))
}

pub(crate) fn levels(subject: &Subject<'_>) -> Checked {
    let instance = subject.instance()?;
    let mut count = 0;
    for geometry in subject.geometries(&instance)? {
        for progress in [0.0, 1e-9, 0.5, 1.0] {
            for step in [0, 1, 99_999] {
                let mut asked = Request::new(geometry, 8);
                (asked.progress, asked.step) = (progress, step);
                let asked = asked.with_scores(says(&instance.library, abi::OBSERVES));
                judge::levels(&planned(&instance, &asked)?).map_err(|mut finding| {
                    finding.location = format!("`plan` for {asked}, {}", finding.location);
                    finding
                })?;
                count += 1;
            }
        }
    }
    Ok(format!("{count} plans"))
}
