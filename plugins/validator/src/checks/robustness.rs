//! Panics, and memory that isn't given back.

use std::time::{Duration, Instant};

use palimpsest_abi::corruption as abi;
use palimpsest_core::DType;

use crate::buffers::Plan;
use crate::confine::resident;
use crate::fuzz::{Fuzz, Limits};
use crate::instance::{Instance, Refusal};
use crate::outcome::{Checked, Finding, Stop, fail, skip};
use crate::request::{Request, geometry};
use crate::scene::{Scene, scenes};
use crate::subject::{GRIDS, Subject, defaults, request, says};

const HELP: &str = "find the cause of the panic: `plugin reproduce` runs a random request under a debugger";

fn panicked(location: impl Into<String>, refusal: &Refusal) -> Checked<()> {
    fail(location, refusal.to_string(), HELP)
}

pub(crate) fn panics(subject: &Subject<'_>) -> Checked {
    let library = subject.library()?;
    let instance = match Instance::create(&library, &defaults(&library)) {
        Ok(instance) => instance,
        Err(refusal) if refusal.is_panic() => {
            return panicked("`create` with the defaults", &refusal).map(|()| String::new());
        }
        Err(refusal) => return skip(format!("there is no strategy to check: `create` {refusal}")),
    };
    for (rows, columns) in GRIDS {
        if let Err(refusal) = instance.check(&geometry(rows, columns, 1))
            && refusal.is_panic()
        {
            panicked(format!("`check` for a grid of {rows} x {columns}"), &refusal)?;
        }
    }
    for geometry in subject.geometries(&instance)? {
        let asked = request(&instance, geometry, 4);
        if let Err(refusal) = instance.plan(&asked)
            && refusal.is_panic()
        {
            // Its first call after must be refused, and not be tried on a half-changed state.
            let after = instance.plan(&asked).err();
            if !after.as_ref().is_some_and(Refusal::is_poisoned) {
                return fail(
                    format!("`plan` for {asked}, after a panic"),
                    after.map_or("goes on".to_owned(), |refusal| refusal.to_string()),
                    "answer 4, poisoned, to every call of an instance after a panic",
                );
            }
            panicked(format!("`plan` for {asked}"), &refusal)?;
        }
    }
    if says(&library, abi::OPS) || says(&library, abi::OBSERVES) {
        let device = subject.device()?;
        for scene in scenes(&instance)? {
            panicked_in(&instance, &scene, &device)?;
        }
    }
    let limits = Limits { calls: 20_000, time: Duration::from_secs(10), most: 1 };
    let done = Fuzz::new(library).run(2, &limits, |_| {});
    match done.findings.into_iter().find(|finding| finding.value.contains("panics")) {
        Some(finding) => Err(finding.into()),
        None => Ok(format!("{} random plans, and each function", done.plans)),
    }
}

fn panicked_in(instance: &Instance, scene: &Scene, device: &palimpsest_core::DeviceHandle) -> Checked<()> {
    let answers = [
        says(&instance.library, abi::OPS).then(|| scene.apply(instance, device, DType::F32).map(drop)),
        says(&instance.library, abi::OBSERVES).then(|| scene.score(instance, device, DType::F32).map(drop)),
    ];
    for answer in answers.into_iter().flatten() {
        match answer {
            Err(Stop::Failed(finding)) if finding.value.contains("panics") => {
                return Err(Stop::Failed(finding));
            }
            _ => {}
        }
    }
    Ok(())
}

/// How much resident memory may grow in a window: an allocator's own, and nothing that goes on.
const GROWTH: u64 = 1 << 20;

/// Runs `work` for a warm-up and two windows; fails if memory grew in both.
fn steady(what: &str, calls: usize, mut work: impl FnMut() -> Checked<()>) -> Checked {
    let mut window = |calls: usize| -> Checked<(u64, usize)> {
        let start = Instant::now();
        let before = resident();
        let mut done = 0;
        while done < calls && start.elapsed() < Duration::from_secs(4) {
            work()?;
            done += 1;
        }
        let (Some(before), Some(after)) = (before, resident()) else {
            return skip("this system doesn't tell of resident memory");
        };
        Ok((after.saturating_sub(before), done))
    };
    window(calls / 2)?;
    let (first, done) = window(calls)?;
    let (second, _) = window(calls)?;
    if first.min(second) > GROWTH {
        return fail(
            what,
            format!(
                "resident memory grew by {:.1} MiB in {done} calls, and by {:.1} MiB in as many again",
                mib(first),
                mib(second)
            ),
            "give back what a call allocates",
        );
    }
    Ok(format!("{:.2} MiB more after {done} calls", mib(first.min(second))))
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

pub(crate) fn memory(subject: &Subject<'_>) -> Checked {
    let instance = subject.instance()?;
    let geometries = subject.geometries(&instance)?;
    let asked = request(&instance, geometries[0], 4);
    let mut plan = Plan::default();
    steady("`plan`", 10_000, || {
        instance
            .plan_into(&asked, &mut plan)
            .or_else(|refusal| super::refused(&refusal, format!("`plan` for {asked}")))
    })
}

pub(crate) fn instances(subject: &Subject<'_>) -> Checked {
    let library = subject.library()?;
    subject.instance()?;
    let values = defaults(&library);
    let asked = Request::new(geometry(4, 4, 1), 1).with_scores(says(&library, abi::OBSERVES));
    let one = || -> Checked<()> {
        let instance = Instance::create(&library, &values).map_err(|refusal| {
            Finding::new("`create`, again", refusal.to_string(), "make a strategy each time")
        })?;
        // Whether it plans is told elsewhere.
        drop(instance.plan(&asked));
        Ok(())
    };
    // The run makes strategies on one thread and may give them back on another.
    let away = Instance::create(&library, &values);
    if let Ok(instance) = away {
        std::thread::scope(|scope| scope.spawn(move || drop(instance)).join())
            .map_err(|_| Finding::new("`destroy` on another thread", "panicked", "allow it"))?;
    }
    steady("`create`, `plan`, `destroy`", 1_000, one)
}
