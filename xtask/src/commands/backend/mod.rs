//! `backend`: builds the libraries of backends, tells what they offer on this machine, and tries them.

mod validate;

use palimpsest_core::tensor::OpKind;
use palimpsest_core::{Backend, DType, Device, Result};
use serde_json::json;

use crate::backends::Variant;
use crate::cli::{BackendCommand, ShowBackend};
use crate::{backends, output};

pub(crate) fn run(command: &BackendCommand) -> Result<()> {
    match command {
        BackendCommand::List { result } => {
            let known = backends::KNOWN.iter().map(|b| (b.name.to_owned(), b.summary.to_owned()));
            output::named(&known.collect::<Vec<_>>(), result.json);
            Ok(())
        }
        BackendCommand::Show(args) => show(args),
        BackendCommand::Check(args) => {
            output::renamed("backend check", "backend show");
            show(args)
        }
        BackendCommand::Validate(args) => validate::run(args),
        BackendCommand::Add { name } if name == "cuda" => {
            output::line(&backends::fetch_toolkit()?.display().to_string());
            Ok(())
        }
        BackendCommand::Add { name } => {
            if name == "tch" {
                output::note(&format!("libtorch is in {}", backends::fetch_libtorch()?.display()));
            }
            build(name, Variant::Plain)
        }
        BackendCommand::Build { name, cuda, wgpu } => build(name, Variant::chosen(*cuda, *wgpu)),
    }
}

fn build(name: &str, variant: Variant) -> Result<()> {
    output::line(&backends::build(name, variant)?.display().to_string());
    Ok(())
}

fn show(args: &ShowBackend) -> Result<()> {
    match &args.name {
        Some(name) => show_one(name, args.result.json),
        None => show_all(args.result.json),
    }
}

/// What each known backend offers here, or why it can't be used.
fn show_all(as_json: bool) -> Result<()> {
    let mut rows = vec![];
    let mut answers = serde_json::Map::new();
    for known in &backends::KNOWN {
        let (ok, told) = match backends::open(known.name) {
            Ok(backend) => {
                let info = backend.info();
                let devices: Vec<String> = backend.devices().iter().map(ToString::to_string).collect();
                let level = info.instructions.map_or_else(String::new, |level| format!("; {level}"));
                (true, format!("{} on {}{level}", info.version, devices.join(", ")))
            }
            Err(error) => (false, error.to_string()),
        };
        answers.insert(known.name.to_owned(), json!({ "usable": ok, "told": told }));
        rows.push(vec![known.name.to_owned(), if ok { "yes" } else { "no" }.to_owned(), told]);
    }
    if as_json {
        output::json(&answers);
    } else {
        output::table(&rows);
    }
    Ok(())
}

/// What a backend has on one device.
#[derive(serde::Serialize)]
struct Offer {
    device: String,
    /// Float types that it multiplies matrices of.
    types: Vec<&'static str>,
    /// Fused operations with a kernel of its own, for f32.
    fused: Vec<&'static str>,
}

fn offer(backend: &dyn Backend, device: Device) -> Offer {
    let types = [DType::F32, DType::F64, DType::Bf16].into_iter();
    let fused = OpKind::ALL.iter().filter(|kind| kind.is_fused());
    Offer {
        device: device.to_string(),
        types: types.filter(|&t| backend.supports(OpKind::Matmul, t, device)).map(DType::name).collect(),
        fused: fused
            .filter(|&&kind| backend.supports(kind, DType::F32, device))
            .map(|kind| kind.name())
            .collect(),
    }
}

fn show_one(name: &str, as_json: bool) -> Result<()> {
    let backend = backends::open(name)?;
    let info = backend.info();
    let offers: Vec<Offer> = backend.devices().into_iter().map(|device| offer(&*backend, device)).collect();
    if as_json {
        output::json(&json!({ "info": info, "devices": offers }));
        return Ok(());
    }
    output::line(&format!("{} {}: {}", info.name, info.version, info.description));
    if let Some(instructions) = &info.instructions {
        output::line(&format!("instructions: {instructions}"));
    }
    for Offer { device, types, fused } in offers {
        output::line(&format!("{device}: {}", types.join(", ")));
        output::line(&format!("  own fused operations: {}", fused.join(", ")));
    }
    Ok(())
}
