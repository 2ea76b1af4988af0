//! Processes that share images together have those of one, in its batches.

use std::path::Path;

use palimpsest_core::data::Share;
use palimpsest_core::head::{Broken, Class, Examples, ExamplesRequest, LabelledSplits, Target, examples_of};
use palimpsest_core::recipe::Recipe;
use palimpsest_core::settings::Section;
use palimpsest_targets::{LabelMap, Objects};
use tempfile::tempdir;

use crate::files::{assert_error, png, put};
use crate::segmentation::label_png;

fn opened<T: Target>(overrides: &[&str], augment: &str, limits: [usize; 2]) -> Box<dyn LabelledSplits<T>> {
    palimpsest_datasets::link();
    let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
    let recipe = Recipe::parse("test", "preset = \"mae\"\ndata.workers = 1", &overrides).expect("a recipe");
    let request = ExamplesRequest {
        data: &recipe.data,
        reader: &recipe.reader,
        image: [recipe.data.channels, 16, 16],
        seed: 5,
        shots: 0,
        limits,
    };
    let augment = Section::parse("augment", augment).expect("TOML");
    examples_of::<T>().expect("is linked").open::<T>(&augment, &request).expect("opens")
}

fn ranks(size: usize) -> impl Iterator<Item = Share> {
    (0..size).map(move |rank| Share { rank, size })
}

fn bits(pixels: &[f32]) -> Vec<u32> {
    pixels.iter().map(|value| value.to_bits()).collect()
}

/// Batches as what can be compared.
type Seen = Vec<(Vec<usize>, u64, [usize; 4], Vec<u32>)>;

fn pass<T: Target>(splits: &dyn LabelledSplits<T>, share: Share) -> (Seen, Broken) {
    let mut pass = splits.test(share).expect("starts");
    let seen = |examples: palimpsest_core::Result<Examples<T>>| {
        let Examples { batch, targets } = examples.expect("a batch");
        assert_eq!(targets.len(), batch.len());
        (batch.indices, batch.first_sample, batch.shape, bits(&batch.pixels.normalised()))
    };
    let batches = pass.by_ref().map(seen).collect();
    let broken = pass.broken().clone();
    (batches, broken)
}

/// The passes of ranks one after another are that of one process.
fn shared_pass<T: Target>(splits: &dyn LabelledSplits<T>, name: &str) -> Seen {
    let (whole, broken) = pass(splits, Share::WHOLE);
    for size in [2, 3, 4, 7, 100] {
        let (mut together, mut all) = (vec![], Broken::new());
        for share in ranks(size) {
            let (batches, broken) = pass(splits, share);
            together.extend(batches);
            for (index, sample) in broken {
                assert!(all.insert(index, sample).is_none(), "{name}: {index} is met twice");
            }
        }
        assert!(together == whole, "{name} on {size} ranks");
        assert_eq!(all, broken, "{name} on {size} ranks");
    }
    whole
}

#[test]
fn shares_of_a_pass_are_whole_batches_of_one_process() {
    let fashion = ["data.name=fashion-mnist"];
    let classes = opened::<Class>(&fashion, "", [100, 331]);
    assert_eq!(shared_pass(&*classes, "classes").len(), 6);
    let objects = opened::<Objects>(&["data.name=scenes"], "", [8, 37]);
    assert_eq!(shared_pass(&*objects, "objects").len(), 3);
    let maps = opened::<LabelMap>(&["data.name=scenes"], "", [8, 37]);
    assert_eq!(shared_pass(&*maps, "label maps").len(), 3);
}

/// Images of several sizes in a row, some of which can't be read.
fn label_maps(root: &Path) {
    put(root, "classes.txt", "sky\nroad\n");
    for i in 0..40u32 {
        let side = if i < 20 { 8 } else { 8 + i % 2 };
        for part in ["train", "val"] {
            let bytes = if [3, 19, 33].contains(&i) { b"broken".to_vec() } else { png(side, side, i) };
            put(root, &format!("images/{part}/{i:02}.png"), bytes);
            let labels = vec![(i % 2) as u8; (side * side) as usize];
            put(root, &format!("annotations/{part}/{i:02}.png"), label_png(side, side, &labels, None));
        }
    }
}

#[test]
fn images_of_other_sizes_and_broken_ones_are_shared_too() {
    let folder = tempdir().expect("a folder");
    label_maps(folder.path());
    let path = format!("data.path={}", folder.path().display());
    let maps = opened::<LabelMap>(&["data.name=index-png", &path, "data.bad_files=3"], "", [0, 0]);
    let seen = shared_pass(&*maps, "label maps");
    // Of sixteen in a row, 15 that can be read; of the next, 4 until the sizes change with every image.
    let sizes: Vec<usize> = seen.iter().map(|(indices, ..)| indices.len()).collect();
    assert_eq!(sizes[..3], [15, 4, 1]);
    assert_eq!(sizes.iter().sum::<usize>(), 37);

    // No process has met too many, but all together have.
    let maps = opened::<LabelMap>(&["data.name=index-png", &path, "data.bad_files=2"], "", [0, 0]);
    let mut all = Broken::new();
    for share in ranks(3) {
        let mut pass = maps.test(share).expect("starts");
        assert!(pass.by_ref().all(|batch| batch.is_ok()));
        all.extend(pass.broken().clone());
        let whole = pass.forgives(&all);
        match all.len() {
            3 => assert_error(whole, &["3 of 40 files are broken", "data.bad_files = 2"]),
            _ => assert!(whole.is_ok()),
        }
    }
    assert_eq!(all.len(), 3);
    let mut pass = maps.test(Share::WHOLE).expect("starts");
    assert!(pass.by_ref().any(|batch| batch.is_err()));
}

/// The partner of an image may be another process's.
#[test]
fn mixed_batches_are_those_of_one_process() {
    let fashion = ["data.name=fashion-mnist"];
    for (augment, batch) in [
        ("mixup = 0.8\ncutmix = 1.0", 12),
        ("mixup = 0.8\nmix_probability = 0.5", 15),
        ("cutmix = 1.0", 10),
        ("", 12),
    ] {
        let splits = opened::<Class>(&fashion, augment, [60, 10]);
        let mut whole = splits.train(batch, Share::WHOLE).expect("starts");
        let whole: Vec<_> = (0..7).map(|_| whole.next_batch().expect("a batch")).collect();
        let mixed = whole.iter().flat_map(|examples| &examples.targets).any(|target| target.share < 1.0);
        assert_eq!(mixed, !augment.is_empty());
        for size in [2, 3, 4, 5] {
            let mut parts: Vec<_> =
                ranks(size).map(|share| splits.train(batch, share).expect("starts")).collect();
            for due in &whole {
                let made: Vec<_> = parts.iter_mut().map(|part| part.next_batch().expect("a batch")).collect();
                for (share, made) in ranks(size).zip(&made) {
                    let part = share.of(batch);
                    assert_eq!((made.batch.len(), made.targets.len()), (part.len(), part.len()));
                    let due = due.slice(part.start, part.end);
                    assert_eq!(made.batch.first_sample, due.batch.first_sample);
                    assert_eq!(
                        (&made.batch.indices, &made.batch.labels),
                        (&due.batch.indices, &due.batch.labels)
                    );
                    assert_eq!(made.targets, due.targets, "{augment}, {size} ranks");
                    assert!(
                        bits(&made.batch.pixels.normalised()) == bits(&due.batch.pixels.normalised()),
                        "{augment}, {size} ranks"
                    );
                }
            }
        }
    }
}
