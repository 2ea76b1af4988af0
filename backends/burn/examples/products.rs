//! The speed of matrix products as linear layers make them, for comparison with `benches/pytorch_products.py`, which runs
//! the same.
//!
//! `products <f32|bf16> <seconds>` prints a line for each size: rows, inputs, outputs, and the least milliseconds of the
//! product x weight^T, and of such products of the sizes of the input's gradient and the weight's.
#![allow(clippy::print_stdout, reason = "prints what it measures")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use palimpsest_burn::Burn;
use palimpsest_core::tensor::HostData;
use palimpsest_core::{DType, Device, DeviceHandle, Error, HostTensor, Result, Tensor};

/// Linear layers of the quick-start; and at 224 pixels of ViT-Ti/16 with 8 images, and of ViT-B/16 with 4.
const SIZES: [[usize; 3]; 12] = [
    [1152, 96, 288],
    [1152, 96, 96],
    [1152, 96, 384],
    [1152, 384, 96],
    [1576, 192, 576],
    [1576, 192, 192],
    [1576, 192, 768],
    [1576, 768, 192],
    [788, 768, 2304],
    [788, 768, 768],
    [788, 768, 3072],
    [788, 3072, 768],
];

fn main() -> Result<()> {
    let device = DeviceHandle { backend: Arc::new(Burn::new()), id: Device::Cpu };
    let mut words = std::env::args().skip(1);
    let dtype = match words.next().as_deref() {
        Some("f32") => DType::F32,
        Some("bf16") => DType::Bf16,
        _ => return Err(Error::user("products <f32|bf16> <seconds>")),
    };
    let seconds = words.next().and_then(|text| text.parse().ok()).unwrap_or(0.5);
    for [rows, inputs, outputs] in SIZES {
        let values = |count: usize| (0..count).map(|i| ((i * 7919 % 1000) as f32 - 500.0) / 500.0).collect();
        let tensor = |shape: [usize; 2]| -> Result<Tensor> {
            device.upload(HostTensor::new(shape, HostData::F32(values(shape[0] * shape[1])))?)?.cast(dtype)
        };
        // A product's gradients are products of other shapes, of operands that lie otherwise: here all lie as a layer's do, for
        // PyTorch's too. The values don't matter.
        let (x, weight) = (tensor([rows, inputs])?, tensor([outputs, inputs])?);
        let (dy, turned) = (tensor([rows, outputs])?, tensor([inputs, outputs])?);
        let (columns, across) = (tensor([outputs, rows])?, tensor([inputs, rows])?);
        let least = |run: &dyn Fn() -> Result<Tensor>| -> Result<f64> {
            let (mut least, started) = (Duration::MAX, Instant::now());
            while started.elapsed().as_secs_f64() < seconds {
                let start = Instant::now();
                run()?;
                least = least.min(start.elapsed());
            }
            Ok(least.as_secs_f64() * 1e3)
        };
        let forward = least(&|| x.linear(&weight, None))?;
        let input = least(&|| dy.linear(&turned, None))?;
        let weights = least(&|| columns.linear(&across, None))?;
        println!("{rows} {inputs} {outputs} {forward:.4} {input:.4} {weights:.4}");
    }
    Ok(())
}
