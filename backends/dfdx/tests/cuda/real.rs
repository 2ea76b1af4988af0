//! On this machine as it is.
#![allow(clippy::print_stdout, reason = "tells what was passed over")]

use palimpsest_core::backend::Device;
use palimpsest_core::random::{Philox, Stream};
use palimpsest_core::tensor::OpKind;
use palimpsest_core::{Backend, DType, DeviceHandle, Result, Tensor};
use palimpsest_dfdx::Dfdx;

use crate::gpu;

#[test]
fn without_a_gpu_there_is_a_sentence() {
    if gpu().is_some() {
        println!("there is a GPU: passed over");
        return;
    }
    let backend = Dfdx::new();
    assert_eq!(backend.devices(), [Device::Cpu]);
    let error = backend.synchronize(Device::Cuda(0)).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("NVIDIA's driver") && error.help_text().is_some(), "{text}");
    assert!(!backend.supports(OpKind::Matmul, DType::F32, Device::Cuda(0)));
    assert_eq!(backend.memory(Device::Cuda(0)).in_use, None);
}

fn random(device: &DeviceHandle, shape: &[usize], seed: u64) -> Result<Tensor> {
    let mut values = vec![0.0; shape.iter().product()];
    Philox::new(seed, Stream::Init, 0, 0).fill_normal(&mut values);
    device.floats(shape, values, DType::F32)?.mul_scalar(0.3)
}

/// One block of a vision transformer: its output, and the gradients of its sum of squares.
pub(crate) fn block(device: &DeviceHandle) -> Result<Vec<Tensor>> {
    let (d, heads) = (48, 3);
    let shapes: [&[usize]; 13] = [
        &[2, 17, d],
        &[d],
        &[d],
        &[3 * d, d],
        &[3 * d],
        &[d, d],
        &[d],
        &[d],
        &[d],
        &[4 * d, d],
        &[4 * d],
        &[d, 4 * d],
        &[d],
    ];
    let leaf = |(i, shape): (usize, &&[usize])| random(device, shape, i as u64)?.track();
    let leaves = shapes.iter().enumerate().map(leaf).collect::<Result<Vec<_>>>()?;
    let p = |i: usize| &leaves[i];
    let y = p(0).layer_norm(p(1), p(2), 1e-6)?.linear(p(3), Some(p(4)))?;
    let h = p(0).residual(&y.self_attention(None, heads)?.linear(p(5), Some(p(6)))?, None, None)?;
    let y = h.layer_norm(p(7), p(8), 1e-6)?.linear(p(9), Some(p(10)))?.gelu()?;
    let out = h.residual(&y.linear(p(11), Some(p(12)))?, None, None)?;
    let loss = out.mul(&out)?.mean_all()?;
    let gradients = loss.backward(&leaves.iter().collect::<Vec<_>>())?;
    let mut all = vec![out.detach()?];
    all.extend(gradients.into_iter().flatten());
    assert_eq!(all.len(), 14);
    Ok(all)
}

#[test]
fn a_block_is_the_processors() {
    let Some(device) = gpu() else {
        println!("there is no GPU: passed over");
        return;
    };
    let host = DeviceHandle { backend: device.backend.clone(), id: Device::Cpu };
    let pairs = block(&device).unwrap().into_iter().zip(block(&host).unwrap());
    for (i, (got, want)) in pairs.enumerate() {
        let (got, want) = (got.download().unwrap().into_f64(), want.download().unwrap().into_f64());
        let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>().sqrt();
        let error = norm(&mut got.iter().zip(&want).map(|(a, b)| a - b)) / norm(&mut want.iter().copied());
        // Sums of f32 in another order.
        assert!(error < 1e-5, "tensor {i}: {error:e}");
    }
}
