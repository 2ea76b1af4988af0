//! What an operation costs beside its arithmetic: sums of four numbers, through core's `Tensor` and by
//! burn alone. `cargo bench -p palimpsest-burn --bench dispatch`
#![allow(missing_docs, reason = "a benchmark, not an interface")]

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::hint::black_box;
use std::sync::Arc;

use burn_backend::TensorData;
use burn_backend::ops::FloatTensorOps;
use burn_flex::{Flex, FlexDevice};
use criterion::{Criterion, criterion_group, criterion_main};
use palimpsest_burn::Burn;
use palimpsest_core::backend::Device;
use palimpsest_core::plugin::LoadedBackend;
use palimpsest_core::{DType, Place};

fn dispatch(c: &mut Criterion) {
    let mut group = c.benchmark_group("sum of four numbers");

    let place = Place { backend: Arc::new(Burn::new()), device: Device::Cpu };
    let a = place.full([4].as_slice(), 1.0, DType::F32).unwrap();
    group.bench_function("core", |b| b.iter(|| black_box(a.add(&a).unwrap())));

    // The library lies beside this benchmark, in cargo's folder.
    let here = std::env::current_exe().unwrap();
    let library = here.with_file_name(format!("{DLL_PREFIX}palimpsest_burn{DLL_SUFFIX}"));
    let loaded = Place { backend: Arc::new(LoadedBackend::open(&library).unwrap()), device: Device::Cpu };
    let c = loaded.full([4].as_slice(), 1.0, DType::F32).unwrap();
    group.bench_function("core, through the C table", |b| b.iter(|| black_box(c.add(&c).unwrap())));

    let data = TensorData::new(vec![1.0_f32; 4], [4]);
    let raw = Flex::float_from_data(data, &FlexDevice);
    group.bench_function("burn", |b| b.iter(|| black_box(Flex::float_add(raw.clone(), raw.clone()))));

    // A leaf a pass, as in training: recorded operations live until their leaf does a pass or is gone.
    group.bench_function("core, 100 recorded with their backward pass", |b| {
        b.iter(|| {
            let leaf = a.track().unwrap();
            let mut x = leaf.clone();
            for _ in 0..99 {
                x = x.add(&leaf).unwrap();
            }
            black_box(x.sum_all().unwrap().backward(&[&leaf]).unwrap());
        });
    });
    group.finish();
}

criterion_group!(benches, dispatch);
criterion_main!(benches);
