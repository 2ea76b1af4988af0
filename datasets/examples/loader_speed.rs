//! How fast the loader is on a folder of images.
//!
//! `loader_speed FOLDER [WORKERS] [BATCH] [IMAGES]` prints images per second of the training loader
//! (random resized crop 224, scale 0.67..1, flip, normalise), and with `--stages` the time of each
//! stage for one thread. With `--recycle`, batches are handed back to the loader; with `--reader=NAME` what lies at FOLDER
//! is opened by that reader.
#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use palimpsest_core::Result;
use palimpsest_core::data::{BatchSource, Dataset};
use palimpsest_core::random::{Philox, Stream};
use palimpsest_datasets::folder::FolderDataset;
use palimpsest_datasets::{
    Augment, DataSpec, DecodeOptions, IMAGENET_MEAN, IMAGENET_STD, Images, Loader, LoaderOptions, Scratch,
    Split, Transform, open,
};

fn main() -> Result<()> {
    let (flags, words): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|a| a.starts_with("--"));
    let number = |i: usize, default| words.get(i).and_then(|w| w.parse().ok()).unwrap_or(default);
    let folder = PathBuf::from(words.first().map_or(".", String::as_str));
    let (workers, batch, images) = (number(1, 2), number(2, 64), number(3, 6_000));
    if flags.iter().any(|f| f == "--stages") {
        return stages(&Arc::new(FolderDataset::open(&folder, None, DecodeOptions::default())?));
    }
    let dataset: Arc<dyn Dataset> = match flags.iter().find_map(|flag| flag.strip_prefix("--reader=")) {
        Some(name) => open(&DataSpec { holdout: 0.0, ..DataSpec::at(name, &folder) }, Split::Train)?,
        None => Arc::new(FolderDataset::open(&folder, None, DecodeOptions::default())?),
    };
    let recycle = flags.iter().any(|f| f == "--recycle");
    let transform = Transform::new(224, 3, Augment::random_resized(0.67), &IMAGENET_MEAN, &IMAGENET_STD)?;
    let options = LoaderOptions { batch, workers, ..LoaderOptions::default() };
    let mut loader = Loader::over(Images { dataset, transform }, &options)?;
    // The first batch starts the threads.
    black_box(loader.next_batch()?);
    let (start, mut count) = (Instant::now(), 0);
    while count < images {
        let batch = black_box(loader.next_batch()?);
        count += batch.len();
        if recycle {
            loader.recycle(batch);
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{:.1}", count as f64 / seconds);
    Ok(())
}

/// Microseconds of each stage for one image on one thread.
fn stages(dataset: &Arc<FolderDataset>) -> Result<()> {
    let count = dataset.len().min(2_000);
    let micros = |start: Instant| start.elapsed().as_secs_f64() * 1e6 / count as f64;
    let start = Instant::now();
    let files: Vec<_> = (0..count).map(|i| std::fs::read(dataset.location(i)).unwrap_or_default()).collect();
    println!("read       {:8.1} us", micros(start));
    let start = Instant::now();
    let images = files
        .iter()
        .map(|bytes| palimpsest_datasets::decode::decode(bytes, DecodeOptions::default()))
        .collect::<Result<Vec<_>>>()?;
    println!("decode     {:8.1} us", micros(start));
    let transform = Transform::new(224, 3, Augment::random_resized(0.67), &IMAGENET_MEAN, &IMAGENET_STD)?;
    let (mut scratch, mut out) = (Scratch::default(), vec![0.0; 3 * 224 * 224]);
    let start = Instant::now();
    for (i, image) in images.into_iter().enumerate() {
        let mut random = Philox::new(0, Stream::Augment, 0, i as u64);
        transform.apply(image, &mut random, &mut scratch, &mut out)?;
        black_box(&out);
    }
    println!("transform  {:8.1} us", micros(start));
    let same = Transform::new(224, 3, Augment::centre(224), &IMAGENET_MEAN, &IMAGENET_STD)?;
    let square = palimpsest_core::data::Image {
        width: 224,
        height: 224,
        channels: 3,
        pixels: vec![7_u8; 3 * 224 * 224],
    };
    let squares = vec![square; count];
    let start = Instant::now();
    for image in squares {
        same.apply(image, &mut Philox::new(0, Stream::Augment, 0, 0), &mut scratch, &mut out)?;
        black_box(&out);
    }
    println!("normalise  {:8.1} us (part of transform)", micros(start));
    let start = Instant::now();
    for _ in 0..count / 64 {
        let mut fresh = vec![0.0_f32; 64 * 3 * 224 * 224];
        fresh.iter_mut().step_by(1024).for_each(|v| *v = 1.0);
        black_box(&fresh);
    }
    println!("memory     {:8.1} us (fresh pages of a batch)", micros(start));
    Ok(())
}
