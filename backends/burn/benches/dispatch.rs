//! What an operation costs beside its arithmetic: sums of four numbers, through core's `Tensor` and by
//! burn alone. `cargo bench -p palimpsest-burn --bench dispatch`
#![allow(missing_docs, reason = "a benchmark, not an interface")]

use std::hint::black_box;
use std::sync::Arc;

use burn_backend::TensorData;
use burn_backend::ops::FloatTensorOps;
use burn_flex::{Flex, FlexDevice};
use criterion::{Criterion, criterion_group, criterion_main};
use palimpsest_burn::Burn;
use palimpsest_conformance::dispatch::{four, loaded, recorded_pass, sum};
use palimpsest_core::{Device, DeviceHandle};

fn dispatch(c: &mut Criterion) {
    let mut group = c.benchmark_group("sum of four numbers");
    let own = four(&DeviceHandle { backend: Arc::new(Burn::new()), id: Device::Cpu });
    group.bench_function("core", |b| b.iter(|| black_box(sum(&own))));
    let table = four(&loaded("palimpsest_burn"));
    group.bench_function("core, through the C table", |b| b.iter(|| black_box(sum(&table))));
    let raw = Flex::float_from_data(TensorData::new(vec![1.0_f32; 4], [4]), &FlexDevice);
    group.bench_function("burn", |b| b.iter(|| black_box(Flex::float_add(raw.clone(), raw.clone()))));
    group.bench_function("core, 100 recorded with their backward pass", |b| {
        b.iter(|| black_box(recorded_pass(&own)));
    });
    group.finish();
}

criterion_group!(benches, dispatch);
criterion_main!(benches);
