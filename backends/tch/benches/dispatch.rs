//! What an operation costs beside its arithmetic: sums of four numbers, through core's `Tensor` and by
//! tch alone. `cargo bench --manifest-path backends/tch/Cargo.toml --bench dispatch`
#![allow(missing_docs, reason = "a benchmark, not an interface")]

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use palimpsest_core::backend::Device;
use palimpsest_core::plugin::LoadedBackend;
use palimpsest_core::{DType, Place};
use palimpsest_tch::Libtorch;

fn dispatch(c: &mut Criterion) {
    let mut group = c.benchmark_group("sum of four numbers");

    let place = Place { backend: Arc::new(Libtorch::new().unwrap()), device: Device::Cpu };
    let a = place.full([4].as_slice(), 1.0, DType::F32).unwrap();
    group.bench_function("core", |b| b.iter(|| black_box(a.add(&a).unwrap())));

    // The library lies beside this benchmark, in cargo's folder.
    let here = std::env::current_exe().unwrap();
    let library = here.with_file_name(format!("{DLL_PREFIX}palimpsest_tch{DLL_SUFFIX}"));
    let loaded = Place { backend: Arc::new(LoadedBackend::open(&library).unwrap()), device: Device::Cpu };
    let c = loaded.full([4].as_slice(), 1.0, DType::F32).unwrap();
    group.bench_function("core, through the C table", |b| b.iter(|| black_box(c.add(&c).unwrap())));

    let raw = tch::Tensor::ones([4], (tch::Kind::Float, tch::Device::Cpu));
    group.bench_function("tch", |b| b.iter(|| black_box(raw.f_add(&raw).unwrap())));

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
    group.bench_function("tch, 100 recorded with their backward pass", |b| {
        b.iter(|| {
            let leaf = raw.detach().set_requires_grad(true);
            let mut x = leaf.shallow_clone();
            for _ in 0..99 {
                x = x.f_add(&leaf).unwrap();
            }
            let loss = x.f_sum(None).unwrap();
            black_box(tch::Tensor::run_backward(&[loss], &[&leaf], false, false));
        });
    });
    group.finish();
}

criterion_group!(benches, dispatch);
criterion_main!(benches);
