//! `backend`: what a backend offers on this machine.

use palimpsest_core::tensor::OpKind;
use palimpsest_core::{DType, Result};
use serde_json::json;

use crate::cli::BackendCommand;
use crate::{backends, output};

pub(crate) fn run(command: &BackendCommand) -> Result<()> {
    let BackendCommand::Check { name, json: as_json } = command;
    let backend = backends::open(name)?;
    let info = backend.info();
    let devices: Vec<String> = backend.devices().iter().map(ToString::to_string).collect();
    let fused: Vec<&str> = OpKind::ALL
        .iter()
        .filter(|kind| kind.is_fused() && backend.supports(**kind, DType::F32))
        .map(|kind| kind.name())
        .collect();
    if *as_json {
        output::line(&json!({ "info": info, "devices": devices, "fused": fused }).to_string());
    } else {
        output::line(&format!("{} {}: {}", info.name, info.version, info.description));
        output::line(&format!("devices: {}", devices.join(", ")));
        output::line(&format!("own fused operations: {}", fused.join(", ")));
    }
    Ok(())
}
