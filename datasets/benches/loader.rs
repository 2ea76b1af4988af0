//! The loader on JPEGs: whole batches, and the stages of one image.
#![allow(missing_docs)]

use std::hint::black_box;
use std::io::Cursor;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use image::{ImageFormat, RgbImage};
use palimpsest_core::Result;
use palimpsest_core::data::{BatchSource, Dataset, Image};
use palimpsest_core::random::{Philox, Stream};
use palimpsest_datasets::decode::{DecodeOptions, decode};
use palimpsest_datasets::{
    Augment, IMAGENET_MEAN, IMAGENET_STD, Images, Loader, LoaderOptions, Scratch, Transform,
};

/// JPEGs in memory, so that the disk is not measured.
struct Jpegs(Vec<Vec<u8>>);

impl Dataset for Jpegs {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn classes(&self) -> &[String] {
        &[]
    }
    fn label(&self, _: usize) -> Option<u32> {
        None
    }
    fn load(&self, index: usize) -> Result<Image> {
        decode(&self.0[index], DecodeOptions::default())
    }
    fn location(&self, index: usize) -> String {
        index.to_string()
    }
}

fn jpeg(width: u32, height: u32, seed: u32) -> Vec<u8> {
    let image = RgbImage::from_fn(width, height, |x, y| {
        let wave = |a: f32| ((x as f32 / a).sin() * (y as f32 / (a + 3.0)).cos() * 100.0 + 128.0) as u8;
        image::Rgb([wave(9.0 + seed as f32), wave(5.0), wave(17.0)])
    });
    let mut bytes = Cursor::new(Vec::new());
    let _ = image.write_to(&mut bytes, ImageFormat::Jpeg);
    bytes.into_inner()
}

fn stages(c: &mut Criterion) {
    for (width, height) in [(128, 171), (500, 375)] {
        let bytes = jpeg(width, height, 0);
        let name = format!("{width}x{height}");
        c.bench_function(&format!("decode {name}"), |b| {
            b.iter(|| decode(black_box(&bytes), DecodeOptions::default()))
        });
        let Ok(image) = decode(&bytes, DecodeOptions::default()) else { continue };
        for augment in [Augment::random_resized(0.67), Augment::simple_resized()] {
            let Ok(transform) = Transform::new(224, 3, augment, &IMAGENET_MEAN, &IMAGENET_STD) else {
                continue;
            };
            let (mut scratch, mut out) = (Scratch::default(), vec![0.0; 3 * 224 * 224]);
            let mut sample = 0;
            c.bench_function(&format!("transform {name} {:?}", augment.filter), |b| {
                b.iter(|| {
                    sample += 1;
                    let mut random = Philox::new(0, Stream::Augment, 0, sample);
                    transform.apply(image.clone(), &mut random, &mut scratch, &mut out)
                });
            });
        }
    }
}

fn batches(c: &mut Criterion) {
    let data: Arc<dyn Dataset> = Arc::new(Jpegs((0..256).map(|i| jpeg(128, 171, i)).collect()));
    let mut group = c.benchmark_group("batches of 64");
    group.throughput(Throughput::Elements(64)).sample_size(20);
    for workers in [0, 1, 2] {
        let augment = Augment::random_resized(0.67);
        let Ok(transform) = Transform::new(224, 3, augment, &IMAGENET_MEAN, &IMAGENET_STD) else { continue };
        let images = Images { dataset: Arc::clone(&data), transform };
        let Ok(mut loader) = Loader::over(images, &LoaderOptions { workers, ..LoaderOptions::default() })
        else {
            continue;
        };
        group.bench_function(format!("{workers} workers"), |b| {
            b.iter(|| loader.next_batch().map(|batch| loader.recycle(black_box(batch))));
        });
    }
}

criterion_group!(benches, stages, batches);
criterion_main!(benches);
