//! The library and its description.
#![allow(unsafe_code, reason = "reads a library's static description again")]

use std::time::{Duration, Instant};

use palimpsest_abi::corruption as abi;

use super::planned;
use crate::outcome::{Checked, fail};
use crate::subject::{Subject, request, says};

/// The longest time for loading; the driver's lists load nothing, but a run waits for it.
const TIME: Duration = Duration::from_secs(1);

pub(crate) fn open(subject: &Subject<'_>) -> Checked {
    let library = subject.library()?;
    let (major, minor) = library.abi();
    Ok(format!(
        "{} {}, ABI {major}.{minor}, {}",
        library.identity().id,
        library.identity().version,
        library.built_with()
    ))
}

pub(crate) fn description(subject: &Subject<'_>) -> Checked {
    let library = subject.library()?;
    let help = "fix the description";
    let version = &library.identity().version;
    let number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let core = version.split(['-', '+']).next().unwrap_or_default();
    if core.split('.').count() != 3 || !core.split('.').all(number) {
        return fail("version", format!("`{version}` is no version"), "write MAJOR.MINOR.PATCH, as 1.2.0");
    }
    let summary = library.summary();
    if summary.trim().is_empty() || summary.contains('\n') {
        return fail("summary", format!("`{summary}` is not one line"), help);
    }
    let known = abi::INJECTS | abi::OPS | abi::OBSERVES | abi::UNBIASED | abi::EQUAL_COUNTS | abi::MIXES;
    if library.capabilities() & !known != 0 {
        return fail(
            "capabilities",
            format!("{:#x} has bits that nobody knows", library.capabilities()),
            help,
        );
    }
    let table = library.table();
    for (has, capability, name) in [
        (table.apply.is_some(), abi::OPS, "OPS"),
        (table.observe.is_some(), abi::OBSERVES, "OBSERVES"),
        (table.score.is_some(), abi::OBSERVES, "OBSERVES"),
    ] {
        if has && !says(&library, capability) {
            return fail(
                "capabilities",
                format!("it has functions that {name} stands for, and doesn't say it"),
                format!("say {name}, or leave them null"),
            );
        }
    }
    // SAFETY: `StrategyLibrary::open` has looked at the description: it has this size, and is a static.
    let bytes = || unsafe {
        let start = table.description.cast::<u8>();
        std::slice::from_raw_parts(start, size_of::<abi::Description>()).to_vec()
    };
    let before = bytes();
    let instance = subject.instance()?;
    for geometry in subject.geometries(&instance)? {
        planned(&instance, &request(&instance, geometry, 2))?;
    }
    drop(instance);
    if bytes() != before {
        return fail("the description", "it was changed while the library worked", "make it constant");
    }
    Ok(String::new())
}

pub(crate) fn time(subject: &Subject<'_>) -> Checked {
    let start = Instant::now();
    subject.library()?;
    let spent = start.elapsed();
    if spent > TIME {
        return fail(
            "loading",
            format!("takes {:.1} s", spent.as_secs_f64()),
            "do nothing in initialisers: work belongs into `create`",
        );
    }
    Ok(format!("{:.1} ms", spent.as_secs_f64() * 1e3))
}
