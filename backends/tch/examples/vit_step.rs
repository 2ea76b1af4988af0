//! The time and memory of a training step of a vision transformer: the model, the command line and
//! the output of the burn backend's example, for its `benches/compare.py`.
//!
//! `vit_step <ti|quick> <fused|probs> <steps> [device]` prints the median and least milliseconds per step,
//! the peak memory in MiB (resident, or the device's) and the last loss.
#![allow(clippy::print_stdout, reason = "prints what it measures")]

use std::sync::Arc;

use palimpsest_conformance::vit_step;
use palimpsest_core::backend::Device;
use palimpsest_core::{DeviceHandle, Result};
use palimpsest_tch::Libtorch;

fn main() -> Result<()> {
    let device = std::env::args().nth(4).map_or(Ok(Device::Cpu), |name| name.parse())?;
    let device = DeviceHandle { backend: Arc::new(Libtorch::new()?), id: device };
    println!("{}", vit_step::run(&device)?);
    Ok(())
}
