//! Draws of a class-sorted folder.

use std::collections::BTreeMap;
use std::path::Path;

use palimpsest_core::data::{Dataset, Share, Split};
use palimpsest_core::head::{Class, Examples};
use palimpsest_core::recipe::Recipe;
use palimpsest_datasets::draw::{Draw, Positions, Unlabelled};
use palimpsest_datasets::{DataSpec, RecipeData, open};
use tempfile::tempdir;

use crate::files::{assert_error, png, put};

/// 20 classes of 12 training images and 5 test images, but of the first 3 and 1.
fn sorted(root: &Path) {
    for class in 0..20 {
        let (train, test) = if class == 0 { (3, 1) } else { (12, 5) };
        (0..train).for_each(|i| {
            drop(put(root, &format!("train/{class:02}/{i:02}.png"), png(8, 8, class + 20 * i)))
        });
        (0..test).for_each(|i| drop(put(root, &format!("test/{class:02}/{i:02}.png"), png(8, 8, class + i))));
    }
}

fn by_class(data: &dyn Dataset, positions: &Positions) -> BTreeMap<u32, usize> {
    let mut counts = BTreeMap::new();
    for i in 0..positions.len() {
        *counts.entry(data.label(positions.at(i)).expect("a class")).or_default() += 1;
    }
    counts
}

#[test]
fn a_draw_is_exact_spread_and_the_seeds() {
    let folder = tempdir().expect("a folder");
    sorted(folder.path());
    let data = open(&DataSpec::at("folder", folder.path()), Split::Train).expect("opens");
    let draw = |limit, seed| {
        let draw = Draw { seed, limits: [limit, 0], ..Draw::default() };
        draw.by_class(&*data, Split::Train, Unlabelled::LeftOut).expect("is drawn")
    };
    let listed = |positions: &Positions| (0..positions.len()).map(|i| positions.at(i)).collect::<Vec<_>>();
    for limit in [1, 19, 20, 21, 50, 64, 65, 100, 230] {
        let positions = draw(limit, 7);
        let counts = by_class(&*data, &positions);
        assert_eq!(counts.values().sum::<usize>(), limit);
        assert_eq!(counts.len(), limit.min(20), "every class, if there are images for all");
        let without_small: Vec<_> =
            counts.iter().filter(|(class, _)| **class != 0).map(|(_, n)| *n).collect();
        let (least, most) = (without_small.iter().min(), without_small.iter().max());
        assert!(limit < 20 || most <= least.map(|least| least + 1).as_ref(), "{limit}: {counts:?}");
        assert!(listed(&positions).is_sorted_by(|a, b| a < b), "none twice");
        assert_eq!(listed(&positions), listed(&draw(limit, 7)));
        let size = positions.size(&*data, Unlabelled::LeftOut);
        assert_eq!((size.images, size.classes), (limit, limit.min(20)));
        if limit < 230 {
            assert_ne!(listed(&positions), listed(&draw(limit, 8)), "{limit}");
        }
    }
    assert_eq!(draw(100, 0).len(), 100);
    assert_eq!(draw(0, 0).len(), data.len());
    assert_eq!(draw(10_000, 0).len(), data.len());
    let shots = |shots| Draw { shots, ..Draw::default() }.by_class(&*data, Split::Train, Unlabelled::LeftOut);
    assert!(by_class(&*data, &shots(3).expect("is drawn")).values().all(|&n| n == 3));
    assert_error(
        shots(4).map(|_| ()),
        &["--shots: the class `00` has 3 training images, not 4; ask for fewer"],
    );
}

/// What heads see: the same images for frozen heads as for trained ones, by the middle squares, with the index
/// that they have in their part.
#[test]
fn a_recipes_data_are_drawn_once_for_all_heads() {
    let folder = tempdir().expect("a folder");
    sorted(folder.path());
    let overrides = [
        "data.name=folder".to_owned(),
        format!("data.path={}", folder.path().display()),
        "data.image_size=8".to_owned(),
        "data.channels=3".to_owned(),
    ];
    let recipe = Recipe::parse("test", "preset = \"paper\"", &overrides).expect("a recipe");
    let draw = Draw { seed: 3, limits: [90, 30], ..Draw::default() };
    let data = RecipeData::open(&recipe).expect("opens");
    assert_eq!(data.counts(), [19 * 12 + 3, 19 * 5 + 1]);
    let frozen = data.labelled(&draw).expect("is drawn");
    let request = palimpsest_core::head::ExamplesRequest {
        data: &recipe.data,
        reader: &recipe.reader,
        image: [3, 8, 8],
        seed: 3,
        shots: 0,
        limits: [90, 30],
    };
    let augment = palimpsest_core::settings::Section::parse("augment", "").expect("TOML");
    let trained = palimpsest_core::head::examples_of::<Class>().expect("is linked");
    let trained = trained.open::<Class>(&augment, &request).expect("opens");
    assert_eq!(frozen.sizes(), trained.sizes());
    let seen = |examples: Result<Examples<Class>, _>| -> Vec<(usize, u32)> {
        let examples: Examples<Class> = examples.map_err(|e: palimpsest_core::Error| e).expect("a batch");
        examples
            .batch
            .indices
            .iter()
            .copied()
            .zip(examples.targets.iter().map(|target| target.class))
            .collect()
    };
    for (split, count) in [(Split::Train, 90), (Split::Test, 30)] {
        let of_frozen: Vec<_> = frozen.pass(split, Share::WHOLE).expect("starts").flat_map(seen).collect();
        let of_trained: Vec<_> = trained.pass(split, Share::WHOLE).expect("starts").flat_map(seen).collect();
        assert_eq!(of_frozen.len(), count);
        assert_eq!(of_frozen, of_trained);
        let part = open(&DataSpec::at("folder", folder.path()), split).expect("opens");
        assert!(of_frozen.iter().all(|&(index, class)| part.label(index) == Some(class)));
    }
    // Training goes over the drawn images alone, each once an epoch.
    let mut source = trained.train(30, Share::WHOLE).expect("starts");
    let mut once: Vec<usize> =
        (0..3).flat_map(|_| seen(source.next_batch())).map(|(index, _)| index).collect();
    once.sort_unstable();
    let drawn: Vec<usize> =
        frozen.pass(Split::Train, Share::WHOLE).expect("starts").flat_map(seen).map(|(i, _)| i).collect();
    assert_eq!(once, drawn);
}

/// What an annotation of one's own is looked up by: number and path of the image, whatever was drawn.
#[derive(Clone)]
struct Named {
    split: Split,
    index: usize,
    location: String,
}

impl palimpsest_core::head::Target for Named {
    const NAME: &'static str = "where an image is from";
}

#[test]
fn derived_targets_know_number_and_path_of_their_image() {
    let folder = tempdir().expect("a folder");
    sorted(folder.path());
    let overrides = ["data.name=folder".to_owned(), format!("data.path={}", folder.path().display())];
    let recipe = Recipe::parse("test", "preset = \"paper\"", &overrides).expect("a recipe");
    let request = palimpsest_core::head::ExamplesRequest {
        data: &recipe.data,
        reader: &recipe.reader,
        image: [3, 8, 8],
        seed: 3,
        shots: 0,
        limits: [40, 30],
    };
    let splits = palimpsest_datasets::examples::derived::derived(&request, |sample, _| {
        let named = Named { split: sample.split, index: sample.index, location: sample.location };
        Ok((sample.image, named))
    })
    .expect("opens");
    for (split, count) in [(Split::Train, 40), (Split::Test, 30)] {
        let part = open(&DataSpec::at("folder", folder.path()), split).expect("opens");
        let mut seen = 0;
        for examples in splits.pass(split, Share::WHOLE).expect("starts") {
            let examples = examples.expect("a batch");
            for (target, &index) in examples.targets.iter().zip(&examples.batch.indices) {
                assert_eq!((target.split, target.index), (split, index));
                assert_eq!(target.location, part.location(index));
                assert!(Path::new(&target.location).is_file(), "{}", target.location);
                seen += 1;
            }
        }
        assert_eq!(seen, count);
    }
}
