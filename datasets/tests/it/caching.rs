use std::sync::Arc;
use std::sync::atomic::Ordering;

use palimpsest_core::data::{BatchSource, Dataset};
use palimpsest_datasets::cache::Cached;
use palimpsest_datasets::{Augment, IMAGENET_MEAN, IMAGENET_STD, Images, Loader, LoaderOptions, Transform};

use crate::files::Numbered;

/// Bytes of an image of [`Numbered`].
fn size() -> usize {
    Numbered::new(1, &[]).load(0).expect("an image").pixels.len()
}

#[test]
fn images_are_read_once_while_there_is_room() {
    let inner = Arc::new(Numbered::new(10, &[4]));
    let cached = Cached::new(inner.clone(), 6 * size() + 1);
    for _ in 0..3 {
        for index in 0..10 {
            match (cached.load(index), inner.load(index)) {
                (Ok(found), Ok(wanted)) => assert_eq!(found, wanted),
                (found, wanted) => assert_eq!(found.is_err(), wanted.is_err()),
            }
        }
    }
    assert_eq!(cached.kept(), 6);
    // Of 30 reads of the data themselves, and those of the cache: six once, three that found no room and a broken one each time.
    assert_eq!(inner.loads.load(Ordering::SeqCst), 30 + 6 + 3 * 4);
    assert_eq!((cached.len(), cached.label(3), cached.location(4)), (10, inner.label(3), inner.location(4)));
}

#[test]
fn batches_are_the_same_with_a_cache() {
    let batches = |cache: Option<usize>, workers: usize| {
        let mut dataset: Arc<dyn Dataset> = Arc::new(Numbered::new(24, &[7]));
        if let Some(bytes) = cache {
            dataset = Arc::new(Cached::new(dataset, bytes));
        }
        let transform = Transform::new(12, 3, Augment::random_resized(0.2), &IMAGENET_MEAN, &IMAGENET_STD);
        let images = Images { dataset, transform: transform.expect("is sound") };
        let options = LoaderOptions { batch: 8, workers, seed: 3, ..LoaderOptions::default() };
        let mut loader = Loader::over(images, &options).expect("is sound");
        (0..9).map(|_| loader.next_batch().expect("a batch")).collect::<Vec<_>>()
    };
    let wanted = batches(None, 0);
    for (cache, workers) in [(0, 2), (5 * size(), 3), (100 * size(), 4)] {
        assert_eq!(batches(Some(cache), workers), wanted);
    }
}
