//! What an operation costs beside its arithmetic: sums of four numbers, through core's `Tensor` and by
//! dfdx alone. `cargo bench -p palimpsest-dfdx --bench dispatch`
#![allow(missing_docs, reason = "a benchmark, not an interface")]

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use dfdx::shapes::Rank1;
use dfdx::tensor::{Cpu, OnesTensor, Tensor};
use palimpsest_core::backend::Device;
use palimpsest_core::plugin::LoadedBackend;
use palimpsest_core::{DType, Place};
use palimpsest_dfdx::Dfdx;

fn dispatch(c: &mut Criterion) {
    let mut group = c.benchmark_group("sum of four numbers");

    let place = Place { backend: Arc::new(Dfdx::new()), device: Device::Cpu };
    let a = place.full([4].as_slice(), 1.0, DType::F32).unwrap();
    group.bench_function("core", |b| b.iter(|| black_box(a.add(&a).unwrap())));

    // The library lies beside this benchmark, in cargo's folder.
    let here = std::env::current_exe().unwrap();
    let library = here.with_file_name(format!("{DLL_PREFIX}palimpsest_dfdx{DLL_SUFFIX}"));
    let loaded = Place { backend: Arc::new(LoadedBackend::open(&library).unwrap()), device: Device::Cpu };
    let c = loaded.full([4].as_slice(), 1.0, DType::F32).unwrap();
    group.bench_function("core, through the C table", |b| b.iter(|| black_box(c.add(&c).unwrap())));

    let raw: Tensor<Rank1<4>, f32, Cpu> = Cpu::default().ones();
    group.bench_function("dfdx", |b| b.iter(|| black_box(raw.clone() + raw.clone())));

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
