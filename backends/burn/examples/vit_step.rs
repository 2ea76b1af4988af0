//! The time and memory of a training step of a vision transformer, for comparison with
//! `benches/pytorch_vit_step.py`, which runs the same model.
//!
//! `vit_step <ti|quick> <fused|probs> <steps>` prints the median and least milliseconds per step,
//! the peak resident memory in MiB and the last loss.
#![allow(clippy::print_stdout, reason = "prints what it measures")]

use std::sync::Arc;

use palimpsest_burn::Burn;
use palimpsest_conformance::vit_step;
use palimpsest_core::{Device, DeviceHandle, Result};

fn main() -> Result<()> {
    let device = DeviceHandle { backend: Arc::new(Burn::new()), id: Device::Cpu };
    println!("{}", vit_step::run(&device)?);
    Ok(())
}
