//! Strategies without a state.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use super::planned;
use crate::instance::Instance;
use crate::outcome::{Checked, Stop, fail};
use crate::request::Request;
use crate::subject::{Subject, defaults, request};

const THREADS: usize = 4;
/// Requests that the threads go through, over and over.
const REQUESTS: usize = 60;
/// Images of a request: enough that a call is not over before another thread's begins.
const IMAGES: u32 = 16;
/// How long threads go on: on a busy machine it takes a while until two of them run at once.
const TIME: Duration = Duration::from_millis(400);

const HELP: &str = "keep no state in the strategy or the library that a plan could depend on";

pub(crate) fn instances(subject: &Subject<'_>) -> Checked {
    let one = subject.instance()?;
    let again = || {
        Instance::create(&one.library, &defaults(&one.library))
            .map_err(|refusal| Stop::from(refusal.finding("`create`, a second time", HELP)))
    };
    let requests: Vec<Request> =
        subject.geometries(&one)?.into_iter().map(|geometry| request(&one, geometry, 4)).collect();
    let due = requests.iter().map(|asked| planned(&one, asked)).collect::<Checked<Vec<_>>>()?;
    // The other one meets them in another order, and a third one each as its first.
    let other = again()?;
    for (asked, due) in requests.iter().zip(&due).rev() {
        for plan in [planned(&other, asked)?, planned(&again()?, asked)?] {
            if let Some(difference) = due.difference(&plan) {
                return fail(format!("`plan` of two strategies for {asked}"), difference, HELP);
            }
        }
    }
    Ok(format!("{} requests to three strategies", requests.len()))
}

pub(crate) fn threads(subject: &Subject<'_>) -> Checked {
    let instance = subject.instance()?;
    let geometries = subject.geometries(&instance)?;
    let mut requests = vec![];
    for i in 0..REQUESTS {
        let mut asked = request(&instance, geometries[i % geometries.len()], IMAGES);
        asked.step = i as u64;
        asked.first_sample = u64::from(IMAGES) * i as u64;
        requests.push(asked);
    }
    let due = requests.iter().map(|asked| planned(&instance, asked)).collect::<Checked<Vec<_>>>()?;
    let start = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        let work = |thread: usize| {
            let (instance, requests, due, start) = (&instance, &requests, &due, &start);
            move || {
                start.wait();
                let began = Instant::now();
                // Each begins elsewhere, so that different requests meet.
                for i in thread * REQUESTS / THREADS.. {
                    let at = i % REQUESTS;
                    if let Some(difference) = due[at].difference(&planned(instance, &requests[at])?) {
                        return fail(
                            format!("`plan` on {THREADS} threads at once for {}", requests[at]),
                            difference,
                            "plan without anything that threads share and write to",
                        );
                    }
                    if began.elapsed() > TIME {
                        break;
                    }
                }
                Ok(())
            }
        };
        let running: Vec<_> = (0..THREADS).map(|thread| scope.spawn(work(thread))).collect();
        running.into_iter().try_for_each(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| fail("a thread of the validator", "panicked", "tell its authors"))
        })
    })?;
    Ok(format!("{THREADS} threads, {REQUESTS} requests of {IMAGES} images over and over"))
}
