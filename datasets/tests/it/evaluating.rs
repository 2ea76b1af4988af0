use std::sync::Arc;

use palimpsest_core::data::Batch;
use palimpsest_datasets::{
    Augment, EvalLoader, IMAGENET_MEAN, IMAGENET_STD, Images, LoaderOptions, Transform,
};

use crate::files::{Numbered, assert_error};

fn config(workers: usize) -> LoaderOptions {
    LoaderOptions { batch: 4, workers, ..LoaderOptions::default() }
}

/// The middle squares, of 12 x 12.
fn loader(data: Numbered, config: &LoaderOptions) -> EvalLoader {
    let transform = Transform::new(12, 3, Augment::centre(12), &IMAGENET_MEAN, &IMAGENET_STD);
    let images = Images { dataset: Arc::new(data), transform: transform.expect("is sound") };
    EvalLoader::over(images, config).expect("is sound")
}

fn pass(data: Numbered, config: &LoaderOptions) -> (Vec<Batch>, Vec<usize>) {
    let mut loader = loader(data, config);
    let batches = loader.by_ref().map(|b| b.expect("a batch")).collect();
    (batches, loader.broken().keys().copied().collect())
}

#[test]
fn one_pass_in_order_with_a_smaller_last_batch() {
    let mut want = None;
    for workers in [0, 1, 3] {
        let (batches, broken) = pass(Numbered::new(10, &[]), &config(workers));
        let indices: Vec<_> = batches.iter().map(|b| b.indices.clone()).collect();
        assert_eq!(indices, [vec![0, 1, 2, 3], vec![4, 5, 6, 7], vec![8, 9]]);
        assert_eq!(batches.iter().map(|b| b.first_sample).collect::<Vec<_>>(), [0, 4, 8]);
        assert!(broken.is_empty() && batches[2].shape == [2, 3, 12, 12]);
        assert_eq!(*want.get_or_insert(batches.clone()), batches);
    }
}

#[test]
fn broken_files_are_left_out() {
    for workers in [0, 2] {
        let (whole, _) = pass(Numbered::new(10, &[]), &config(workers));
        let (batches, broken) = pass(Numbered::new(10, &[1, 4, 5, 6, 7]), &config(workers));
        assert_eq!(broken, [1, 4, 5, 6, 7]);
        let indices: Vec<_> = batches.iter().map(|b| b.indices.clone()).collect();
        assert_eq!(indices, [vec![0, 2, 3], vec![8, 9]]);
        let image = 3 * 12 * 12;
        assert_eq!(batches[0].pixels.normalised()[image..], whole[0].pixels.normalised()[2 * image..]);
        assert_eq!(batches[0].labels, [-1, 2, -1]);
        let strict = LoaderOptions { bad_files: Some(2), ..config(workers) };
        let mut loader = loader(Numbered::new(10, &[1, 4, 5]), &strict);
        assert!(loader.next().expect("a batch").is_ok());
        assert_error(
            loader.next().expect("an error"),
            &["3 of 10 files are broken", "more than data.bad_files = 2"],
        );
        assert!(loader.next().is_none());
    }
}
