//! Strategies without a state.

use super::planned;
use crate::instance::Instance;
use crate::outcome::{Checked, Stop, fail};
use crate::request::Request;
use crate::subject::{Subject, defaults, request};

const THREADS: u64 = 4;
const EACH: usize = 300;

const MEND: &str = "keep no state in the strategy or the library that a plan could depend on";

pub(crate) fn instances(subject: &Subject<'_>) -> Checked {
    let one = subject.instance()?;
    let again = || {
        Instance::create(&one.library, &defaults(&one.library))
            .map_err(|refusal| Stop::from(refusal.finding("`create`, a second time", MEND)))
    };
    let requests: Vec<Request> =
        subject.geometries(&one)?.into_iter().map(|geometry| request(&one, geometry, 4)).collect();
    let due = requests.iter().map(|asked| planned(&one, asked)).collect::<Checked<Vec<_>>>()?;
    // The other one meets them in another order, and a third one each as its first.
    let other = again()?;
    for (asked, due) in requests.iter().zip(&due).rev() {
        for plan in [planned(&other, asked)?, planned(&again()?, asked)?] {
            if let Some(difference) = due.difference(&plan) {
                return fail(format!("`plan` of two strategies for {asked}"), difference, MEND);
            }
        }
    }
    Ok(format!("{} requests to three strategies", requests.len()))
}

pub(crate) fn threads(subject: &Subject<'_>) -> Checked {
    let instance = subject.instance()?;
    let geometries = subject.geometries(&instance)?;
    let mut requests = vec![];
    for i in 0..EACH {
        let mut asked = Request::new(geometries[i % geometries.len()], 2);
        asked.step = i as u64;
        asked.first_sample = 2 * i as u64;
        requests.push(asked.with_scores(request(&instance, geometries[0], 1).scores.is_some()));
    }
    let due = requests.iter().map(|asked| planned(&instance, asked)).collect::<Checked<Vec<_>>>()?;
    std::thread::scope(|scope| {
        let work = |first: u64| {
            let (instance, requests, due) = (&instance, &requests, &due);
            move || {
                for i in 0..EACH {
                    // Each begins elsewhere, so that different requests meet.
                    let at = (i + first as usize * EACH / THREADS as usize) % EACH;
                    if let Some(difference) = due[at].difference(&planned(instance, &requests[at])?) {
                        return fail(
                            format!("`plan` on {THREADS} threads at once for {}", requests[at]),
                            difference,
                            "plan without anything that threads share and write to",
                        );
                    }
                }
                Ok(())
            }
        };
        let running: Vec<_> = (0..THREADS).map(|first| scope.spawn(work(first))).collect();
        running.into_iter().try_for_each(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| fail("a thread of the validator", "panicked", "tell its authors"))
        })
    })?;
    Ok(format!("{THREADS} threads, {EACH} plans each"))
}
