//! The time and memory of a training step of a vision transformer, for comparison with `vit_step` of the burn backend
//! and `backends/burn/benches/pytorch_vit_step.py`, which run the same model.
//!
//! `dfdx_vit_step <ti|quick> <fused|probs> <steps>` prints the median and least milliseconds per step,
//! the peak resident memory in MiB and the last loss.
#![allow(clippy::print_stdout, reason = "prints what it measures")]

use std::sync::Arc;

use palimpsest_conformance::vit_step;
use palimpsest_core::{Device, DeviceHandle, Result};
use palimpsest_dfdx::Dfdx;

fn main() -> Result<()> {
    let device = DeviceHandle { backend: Arc::new(Dfdx::new()), id: Device::Cpu };
    println!("{}", vit_step::run(&device)?);
    Ok(())
}
