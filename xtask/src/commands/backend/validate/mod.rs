//! `backend validate`: every operation of backends against references.

mod correctness;
mod perf;
mod support;

use palimpsest_conformance::subject::Subject;
use palimpsest_core::error::unknown_name;
use palimpsest_core::tensor::OpKind;
use palimpsest_core::{Error, Result};
use serde_json::json;

use crate::cli::{ValidateBackend, ValidateMode};
use crate::{backends, output};

pub(super) fn run(args: &ValidateBackend) -> Result<()> {
    let kinds = operations(args.op.as_deref())?;
    let mut reports = Vec::new();
    let mut failures = Vec::new();
    for name in args.subjects() {
        let open = || backends::device(name, args.device);
        let mut subject = Subject::new(&open)?;
        let info = subject.device().backend.info();
        if !args.result.json {
            output::line(&format!("{} {} on {}", info.name, info.version, args.device));
        }
        let (result, failed) = match args.mode {
            ValidateMode::Test | ValidateMode::Grad => correctness::run(&mut subject, &kinds, args),
            ValidateMode::Perf => perf::run(&mut subject, &kinds, args.result.json),
            ValidateMode::Support => support::run(&subject, &kinds, args.result.json),
        };
        if !args.result.json {
            output::line("");
        }
        if !failed.is_empty() {
            failures.push(format!("{} of {}", failed.join(", "), info.name));
        }
        reports.push(json!({
            "backend": info,
            "library": name,
            "device": args.device.to_string(),
            "passed": failed.is_empty(),
            "operations": result,
        }));
    }
    if args.result.json {
        output::json(&reports);
    }
    if failures.is_empty() {
        Ok(())
    } else {
        Err(Error::failure(format!("these operations fail: {}", failures.join("; "))))
    }
}

/// The operation of a name, or all.
fn operations(name: Option<&str>) -> Result<Vec<OpKind>> {
    let Some(name) = name else { return Ok(OpKind::ALL.to_vec()) };
    let names = || OpKind::ALL.iter().map(|kind| kind.name());
    match OpKind::ALL.iter().find(|kind| kind.name() == name) {
        Some(&kind) => Ok(vec![kind]),
        None => Err(unknown_name("operation", name, names().collect::<Vec<_>>()).at("--op")),
    }
}
