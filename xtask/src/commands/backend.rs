//! `backend`: builds the libraries of backends, and tells what they offer on this machine.

use palimpsest_core::tensor::OpKind;
use palimpsest_core::{DType, Result};
use serde_json::json;

use crate::cli::BackendCommand;
use crate::{backends, output};

pub(crate) fn run(command: &BackendCommand) -> Result<()> {
    match command {
        BackendCommand::Check { name: Some(name), json } => check(name, *json),
        BackendCommand::Check { name: None, json } => check_all(*json),
        BackendCommand::Add { name } => {
            if name == "tch" {
                output::note(&format!("libtorch is in {}", backends::fetch_libtorch()?.display()));
            }
            output::line(&backends::build(name)?.display().to_string());
            Ok(())
        }
        BackendCommand::Build { name } => {
            output::line(&backends::build(name)?.display().to_string());
            Ok(())
        }
    }
}

/// What each known backend offers here, or why it can't be used.
fn check_all(as_json: bool) -> Result<()> {
    let mut rows = vec![];
    let mut answers = serde_json::Map::new();
    for known in &backends::KNOWN {
        let (ok, told) = match backends::open(known.name) {
            Ok(backend) => {
                let info = backend.info();
                let devices: Vec<String> = backend.devices().iter().map(ToString::to_string).collect();
                (true, format!("{} on {}", info.version, devices.join(", ")))
            }
            Err(error) => (false, error.to_string()),
        };
        answers.insert(known.name.to_owned(), json!({ "usable": ok, "told": told }));
        rows.push(vec![known.name.to_owned(), if ok { "yes" } else { "no" }.to_owned(), told]);
    }
    if as_json {
        output::line(&json!(answers).to_string());
    } else {
        output::table(&rows);
    }
    Ok(())
}

fn check(name: &str, as_json: bool) -> Result<()> {
    let backend = backends::open(name)?;
    let info = backend.info();
    let devices: Vec<String> = backend.devices().iter().map(ToString::to_string).collect();
    let types: Vec<&str> = [DType::F32, DType::F64, DType::Bf16]
        .into_iter()
        .filter(|&dtype| backend.supports(OpKind::Matmul, dtype))
        .map(DType::name)
        .collect();
    let fused: Vec<&str> = OpKind::ALL
        .iter()
        .filter(|kind| kind.is_fused() && backend.supports(**kind, DType::F32))
        .map(|kind| kind.name())
        .collect();
    if as_json {
        let line = json!({ "info": info, "devices": devices, "types": types, "fused": fused });
        output::line(&line.to_string());
    } else {
        output::line(&format!("{} {}: {}", info.name, info.version, info.description));
        output::line(&format!("devices: {}", devices.join(", ")));
        output::line(&format!("float types: {}", types.join(", ")));
        output::line(&format!("own fused operations: {}", fused.join(", ")));
    }
    Ok(())
}
