//! What an operation costs beside its arithmetic: sums of four numbers, through core's `Tensor` and by
//! dfdx alone. `cargo bench -p palimpsest-dfdx --bench dispatch`
#![allow(missing_docs, reason = "a benchmark, not an interface")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use dfdx::shapes::Rank1;
use dfdx::tensor::{Cpu, OnesTensor, Tensor};
use palimpsest_conformance::dispatch::{four, loaded, recorded_pass, sum};
use palimpsest_core::{Device, DeviceHandle};
use palimpsest_dfdx::Dfdx;

fn dispatch(c: &mut Criterion) {
    let mut group = c.benchmark_group("sum of four numbers");
    let own = four(&DeviceHandle { backend: Arc::new(Dfdx::new()), id: Device::Cpu });
    group.bench_function("core", |b| b.iter(|| black_box(sum(&own))));
    let table = four(&loaded("palimpsest_dfdx"));
    group.bench_function("core, through the C table", |b| b.iter(|| black_box(sum(&table))));
    let raw: Tensor<Rank1<4>, f32, Cpu> = Cpu::default().ones();
    group.bench_function("dfdx", |b| b.iter(|| black_box(raw.clone() + raw.clone())));
    group.bench_function("core, 100 recorded with their backward pass", |b| {
        b.iter(|| black_box(recorded_pass(&own)));
    });
    group.finish();
}

criterion_group!(benches, dispatch);
criterion_main!(benches);
