//! Matrix products as linear layers make them. `cargo bench -p palimpsest-burn --bench products`; `PALIMPSEST_CPU` and
//! `RAYON_NUM_THREADS` choose instructions and threads. `products.py` puts PyTorch's beside them.
#![allow(missing_docs, reason = "a benchmark, not an interface")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use palimpsest_burn::Burn;
use palimpsest_core::tensor::HostData;
use palimpsest_core::{DType, Device, DeviceHandle, HostTensor};

fn products(c: &mut Criterion) {
    let device = DeviceHandle { backend: Arc::new(Burn::new()), id: Device::Cpu };
    let mut group = c.benchmark_group("x weight^T");
    for [rows, inputs, outputs] in [[1152, 96, 384], [1576, 192, 768], [788, 768, 3072], [788, 3072, 768]] {
        // In multiplications and additions: criterion's elements per second are FLOP/s.
        group.throughput(Throughput::Elements((2 * rows * inputs * outputs) as u64));
        for dtype in [DType::F32, DType::Bf16] {
            let tensor = |shape: [usize; 2]| {
                let values =
                    (0..shape[0] * shape[1]).map(|i| (i * 7919 % 1000) as f32 / 500.0 - 1.0).collect();
                let host = HostTensor::new(shape, HostData::F32(values)).expect("as many as the shape has");
                device.upload(host).and_then(|tensor| tensor.cast(dtype)).expect("room")
            };
            let (x, weight) = (tensor([rows, inputs]), tensor([outputs, inputs]));
            let id = BenchmarkId::new(format!("{dtype}"), format!("{rows}x{inputs}x{outputs}"));
            group.bench_function(id, |b| b.iter(|| black_box(x.linear(&weight, None).expect("a product"))));
        }
    }
    group.finish();
}

criterion_group!(benches, products);
criterion_main!(benches);
