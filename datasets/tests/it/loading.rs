use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use palimpsest_core::data::{Batch, BatchSource, Dataset, Share};
use palimpsest_core::random::{Philox, Stream};
use palimpsest_datasets::folder::FolderDataset;
use palimpsest_datasets::{
    Augment, DataSpec, DecodeOptions, IMAGENET_MEAN, IMAGENET_STD, Images, Loader, LoaderOptions, Split,
    Transform, open,
};
use tempfile::tempdir;

use crate::files::{Numbered, assert_error, jpeg, put};

fn config(batch: usize, workers: usize) -> LoaderOptions {
    LoaderOptions { batch, workers, seed: 11, ..LoaderOptions::default() }
}

/// Images of 12 x 12.
fn images(dataset: Arc<dyn Dataset>) -> Images {
    let transform = Transform::new(12, 3, Augment::random_resized(0.2), &IMAGENET_MEAN, &IMAGENET_STD);
    Images { dataset, transform: transform.expect("is sound") }
}

fn loader(data: Numbered, config: &LoaderOptions) -> Loader {
    Loader::over(images(Arc::new(data)), config).expect("is sound")
}

fn take(loader: &mut Loader, steps: usize) -> Vec<Batch> {
    (0..steps).map(|_| loader.next_batch().expect("a batch")).collect()
}

#[test]
fn the_order_is_the_epochs_permutation() {
    let mut loader = loader(Numbered::new(23, &[]), &config(5, 2));
    assert_eq!(loader.steps_per_epoch(), 4);
    for epoch in 0..3 {
        let order = Philox::new(11, Stream::Shuffle, epoch, 0).permutation(23);
        for step in 0..4 {
            let batch = loader.next_batch().expect("a batch");
            let want = &order[step * 5..step * 5 + 5];
            assert_eq!(batch.indices, want);
            assert_eq!(batch.first_sample, (epoch * 4 + step as u64) * 5);
            assert_eq!(batch.shape, [5, 3, 12, 12]);
            let labels: Vec<i64> = want.iter().map(|&i| if i % 3 == 0 { -1 } else { i as i64 }).collect();
            assert_eq!(batch.labels, labels);
        }
    }
}

/// The share of one of two processes, with broken files in it.
#[test]
fn parts_of_a_batch_are_the_batch() {
    for workers in [0, 2] {
        let whole = LoaderOptions { share: Share { rank: 1, size: 2 }, ..config(12, workers) };
        let parts = LoaderOptions { parts: 3, ..whole };
        let data = || Numbered::new(40, &[3, 17]);
        let wanted = take(&mut loader(data(), &whole), 7);
        let mut loader = loader(data(), &parts);
        assert_eq!((loader.parts(), loader.steps_per_epoch()), (3, 3));
        let mut together = |step: usize| {
            let mut batch = loader.next_batch().expect("a part");
            assert_eq!(batch.len(), 2);
            (1..3).for_each(|_| batch.append(loader.next_batch().expect("a part")));
            assert_eq!(batch, wanted[step]);
        };
        (0..7).for_each(&mut together);
        // In the middle of a step, back to another.
        loader.next_batch().expect("a part");
        loader.seek(2).expect("goes");
        let first = loader.next_batch().expect("a part");
        assert_eq!(first, wanted[2].slice(0, 2));
    }
    let uneven = LoaderOptions { parts: 5, ..config(12, 0) };
    let refused = Loader::over(images(Arc::new(Numbered::new(40, &[]))), &uneven);
    assert_error(refused, &["12 images in 5 equal parts", "divides"]);
}

#[test]
fn any_number_of_workers_gives_the_same_batches() {
    let want = take(&mut loader(Numbered::new(40, &[]), &config(7, 0)), 12);
    for (workers, prefetch) in [(1, 0), (1, 2), (4, 1), (4, 5)] {
        let config = LoaderOptions { prefetch, ..config(7, workers) };
        let mut loader = loader(Numbered::new(40, &[]), &config);
        for want in &want {
            let got = loader.next_batch().expect("a batch");
            assert_eq!(got, *want, "{workers} workers");
            loader.recycle(got);
        }
    }
}

#[test]
fn an_augmentation_depends_on_seed_epoch_and_sample_alone() {
    let image = |batch: &Batch, index: usize| {
        let slot = batch.indices.iter().position(|&i| i == index)?;
        let size = batch.pixels.len() / batch.len();
        Some(batch.pixels.normalised()[slot * size..(slot + 1) * size].to_vec())
    };
    // Another batch size, another order of the same epoch: the same pixels.
    let one = take(&mut loader(Numbered::new(24, &[]), &config(24, 2)), 2);
    let many =
        take(&mut loader(Numbered::new(24, &[]), &LoaderOptions { shuffle: false, ..config(4, 2) }), 6);
    for index in 0..24 {
        let want = image(&one[0], index).expect("all are there");
        let got = many.iter().find_map(|b| image(b, index)).expect("all are there");
        assert_eq!(got, want);
        assert_ne!(image(&one[1], index).expect("all are there"), want, "another epoch");
    }
    let other = take(&mut loader(Numbered::new(24, &[]), &LoaderOptions { seed: 12, ..config(24, 2) }), 1);
    assert_ne!(other[0].indices, one[0].indices);
}

#[test]
fn seeking_is_as_running_on() {
    for workers in [0, 3] {
        let want = take(&mut loader(Numbered::new(30, &[4]), &config(8, workers)), 11);
        for step in [0, 1, 5, 10] {
            let mut fresh = loader(Numbered::new(30, &[4]), &config(8, workers));
            fresh.seek(step).expect("seeks");
            assert_eq!(fresh.next_batch().expect("a batch"), want[step as usize]);
        }
        let mut back = loader(Numbered::new(30, &[4]), &config(8, workers));
        take(&mut back, 7);
        back.seek(2).expect("seeks");
        assert_eq!(take(&mut back, 3), want[2..5]);
    }
}

#[test]
fn a_broken_file_gives_way_to_the_next_that_loads() {
    let order = Philox::new(11, Stream::Shuffle, 0, 0).permutation(20);
    // Two in a row, and the very last of the permutation.
    let broken = [order[2], order[3], order[19]];
    let mut want = None;
    for workers in [0, 1, 4] {
        let mut loader = loader(Numbered::new(20, &broken), &config(5, workers));
        let first = loader.next_batch().expect("a batch");
        assert_eq!(first.indices, [order[0], order[1], order[4], order[4], order[4]]);
        assert_eq!(loader.broken().len(), 2);
        let warnings = loader.take_warnings();
        assert_eq!(warnings.len(), 2);
        assert!(
            warnings[0].starts_with(&format!("numbered/{}.jpg: broken image", order[2])),
            "{}",
            warnings[0]
        );
        let mut batches = take(&mut loader, 15);
        assert_eq!(batches[2].indices[4], order[0], "round the end of the permutation");
        assert_eq!((loader.broken().len(), loader.take_warnings().len()), (3, 1), "each file once");
        batches.push(first);
        assert_eq!(*want.get_or_insert(batches.clone()), batches, "{workers} workers");
    }
}

#[test]
fn too_many_broken_files_are_an_error() {
    let mut steps = BTreeSet::new();
    for workers in [0, 1, 4] {
        let broken: Vec<usize> = (0..60).filter(|i| i % 6 == 0).collect();
        let config = LoaderOptions { bad_files: Some(4), ..config(4, workers) };
        let mut loader = loader(Numbered::new(60, &broken), &config);
        let (step, error) = (0..).find_map(|s| loader.next_batch().err().map(|e| (s, e))).expect("ends");
        let text = error.to_string();
        assert!(text.contains("more than data.bad_files = 4") && text.contains("numbered/"), "{text}");
        steps.insert((step, text));
        assert_error(loader.next_batch(), &["raise `data.bad_files`"]);
    }
    assert_eq!(steps.len(), 1, "the same step and message: {steps:?}");

    // All broken, fewer than the limit.
    let mut none = loader(Numbered::new(6, &[0, 1, 2, 3, 4, 5]), &config(2, 2));
    assert_error(none.next_batch(), &["none of the 6 samples can be read"]);
    let zero = LoaderOptions { bad_files: Some(0), ..config(6, 2) };
    assert_error(
        loader(Numbered::new(6, &[3]), &zero).next_batch(),
        &["files are broken", "data.bad_files = 0"],
    );
}

#[test]
fn broken_images_on_disk() {
    let folder = tempdir().expect("a folder");
    for i in 0..12 {
        let whole = jpeg(40, 30, i);
        put(folder.path(), &format!("{i:02}.jpg"), if i == 7 { &whole[..whole.len() / 2] } else { &whole });
    }
    let data = Arc::new(FolderDataset::open(folder.path(), None, DecodeOptions::default()).expect("opens"));
    let mut loader = Loader::over(images(data), &config(4, 2)).expect("is sound");
    let batches = take(&mut loader, 6);
    assert!(
        batches
            .iter()
            .all(|b| !b.indices.contains(&7) && b.pixels.normalised().iter().all(|v| v.is_finite()))
    );
    assert_eq!(loader.broken().len(), 1);
    let warning = loader.take_warnings().remove(0);
    assert!(warning.contains("07.jpg: broken image") && warning.contains("truncated"), "{warning}");
}

#[test]
fn memory_is_bounded() {
    for prefetch in [0, 1, 3] {
        let data = Arc::new(Numbered::new(400, &[]));
        let config = LoaderOptions { prefetch, ..config(10, 2) };
        let mut loader = Loader::over(images(data.clone()), &config).expect("is sound");
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(
            data.loads.load(Ordering::SeqCst),
            0,
            "nothing is read before the first batch is asked for"
        );
        loader.next_batch().expect("a batch");
        std::thread::sleep(Duration::from_millis(150));
        // The batch that was delivered, and those ahead.
        assert_eq!(data.loads.load(Ordering::SeqCst), 10 * (1 + prefetch.max(1)), "prefetch {prefetch}");
    }
}

#[test]
fn a_panic_is_an_error_not_a_hang() {
    for workers in [0, 1, 3] {
        let mut data = Numbered::new(20, &[]);
        data.panics_at = Some(13);
        let mut loader = loader(data, &config(5, workers));
        let error = (0..4).find_map(|_| loader.next_batch().err()).expect("meets the panic");
        let text = error.to_string();
        assert!(text.contains("numbered/13.jpg") && text.contains("a fault of the reader"), "{text}");
        assert_eq!(error.exit_status(), 1);
    }
}

#[test]
fn dropping_stops_promptly() {
    struct Slow;
    impl Dataset for Slow {
        fn len(&self) -> usize {
            10_000
        }
        fn classes(&self) -> &[String] {
            &[]
        }
        fn label(&self, _: usize) -> Option<u32> {
            None
        }
        fn load(&self, _: usize) -> palimpsest_core::Result<palimpsest_core::data::Image> {
            std::thread::sleep(Duration::from_millis(5));
            let pixels = vec![1u8; 12];
            Ok(palimpsest_core::data::Image { width: 2, height: 2, channels: 3, pixels }.into())
        }
        fn location(&self, _: usize) -> String {
            String::new()
        }
    }
    let mut config = config(2, 2);
    let mut loader = Loader::over(images(Arc::new(Slow)), &config).expect("is sound");
    loader.next_batch().expect("a batch");
    assert!(loader.wait_seconds() >= 0.004, "{}", loader.wait_seconds());
    drop(loader);

    // A batch of a thousand is in the making for 2.5 s; to drop it takes an image's time.
    config.batch = 1_000;
    let mut loader = Loader::over(images(Arc::new(Slow)), &config).expect("is sound");
    std::thread::scope(|scope| {
        let handle = scope.spawn(move || {
            loader.next_batch().expect("a batch");
            let start = Instant::now();
            drop(loader);
            start.elapsed()
        });
        let took = handle.join().expect("ends");
        assert!(took < Duration::from_millis(500), "{took:?}");
    });
}

#[test]
fn a_batch_larger_than_the_data_is_refused() {
    assert_error(
        Loader::over(images(Arc::new(Numbered::new(7, &[]))), &config(8, 2)).map(drop),
        &["batch = 8", "7 samples"],
    );
    assert_error(
        Loader::over(images(Arc::new(Numbered::new(7, &[]))), &config(0, 2)).map(drop),
        &["batch = 0"],
    );
}

#[test]
fn the_embedded_sample_as_grey_batches() {
    let data = open(&DataSpec::new("fashion-mnist"), Split::Train).expect("opens");
    let transform = Transform::new(28, 1, Augment::pad_and_crop(), &[0.286], &[0.353]).expect("is sound");
    let options = LoaderOptions { batch: 32, ..LoaderOptions::default() };
    let mut loader = Loader::over(Images { dataset: data, transform }, &options).expect("is sound");
    let batch = loader.next_batch().expect("a batch");
    assert_eq!(batch.shape, [32, 1, 28, 28]);
    assert!(batch.labels.iter().all(|l| (0..10).contains(l)));
    let mean = batch.pixels.normalised().iter().sum::<f32>() / batch.pixels.len() as f32;
    assert!(mean.abs() < 0.4, "{mean}");
}

/// Whatever the number of processes, together they have the batches of one.
#[test]
fn shares_make_up_the_batch_of_one_process() {
    let source = || Numbered::new(50, &[3, 17, 18, 40]);
    let whole = take(&mut loader(source(), &config(12, 2)), 9);
    for size in [2, 3, 4] {
        let mut parts: Vec<_> = (0..size)
            .map(|rank| loader(source(), &LoaderOptions { share: Share { rank, size }, ..config(12, 2) }))
            .collect();
        for due in &whole {
            let made: Vec<Batch> = parts.iter_mut().map(|part| take(part, 1).remove(0)).collect();
            let pixels: Vec<f32> =
                made.iter().flat_map(|batch| batch.pixels.normalised().into_owned()).collect();
            let indices: Vec<usize> = made.iter().flat_map(|batch| batch.indices.iter().copied()).collect();
            let first: Vec<u64> = made.iter().map(|batch| batch.first_sample).collect();
            assert_eq!(
                (&pixels, &indices),
                (&due.pixels.normalised().into_owned(), &due.indices),
                "{size} processes"
            );
            let share = 12 / size as u64;
            assert_eq!(
                first,
                (0..size as u64).map(|rank| due.first_sample + rank * share).collect::<Vec<_>>()
            );
        }
    }
}
