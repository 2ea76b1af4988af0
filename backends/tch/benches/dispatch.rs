//! What an operation costs beside its arithmetic: sums of four numbers, through core's `Tensor` and by
//! tch alone. `cargo bench --manifest-path backends/tch/Cargo.toml --bench dispatch`
#![allow(missing_docs, reason = "a benchmark, not an interface")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use palimpsest_conformance::dispatch::{RECORDED, four, loaded, recorded_pass, sum};
use palimpsest_core::{Device, DeviceHandle};
use palimpsest_tch::Libtorch;

fn dispatch(c: &mut Criterion) {
    let mut group = c.benchmark_group("sum of four numbers");
    let own = four(&DeviceHandle { backend: Arc::new(Libtorch::new().unwrap()), id: Device::Cpu });
    group.bench_function("core", |b| b.iter(|| black_box(sum(&own))));
    let table = four(&loaded("palimpsest_tch"));
    group.bench_function("core, through the C table", |b| b.iter(|| black_box(sum(&table))));
    let raw = tch::Tensor::ones([4], (tch::Kind::Float, tch::Device::Cpu));
    group.bench_function("tch", |b| b.iter(|| black_box(raw.f_add(&raw).unwrap())));
    group.bench_function("core, 100 recorded with their backward pass", |b| {
        b.iter(|| black_box(recorded_pass(&own)));
    });
    group.bench_function("tch, 100 recorded with their backward pass", |b| {
        b.iter(|| {
            let leaf = raw.detach().set_requires_grad(true);
            let sum = (1..RECORDED).fold(leaf.shallow_clone(), |sum, _| sum.f_add(&leaf).unwrap());
            let loss = sum.f_sum(None).unwrap();
            black_box(tch::Tensor::run_backward(&[loss], &[&leaf], false, false));
        });
    });
    group.finish();
}

criterion_group!(benches, dispatch);
criterion_main!(benches);
