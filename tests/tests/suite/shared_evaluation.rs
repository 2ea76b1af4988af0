//! Ranks that share test images have the scores of one process, to the last digit. Here they are threads.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use palimpsest_core::collective::Collective;
use palimpsest_core::data::Split;
use palimpsest_core::finetune::{HeadKind, TaskHeadEntry};
use palimpsest_core::head::{Evaluation, FrozenEval, FrozenHead, PartSize, Scores, broken_messages};
use palimpsest_core::model::Model;
use palimpsest_core::params::Params;
use palimpsest_core::recipe::Recipe;
use palimpsest_core::settings::Section;
use palimpsest_core::{DType, Error, ErrorKind, Result, registry};
use palimpsest_datasets::{Draw, RecipeData};
use palimpsest_targets::contact_sheet::{ContactSheet, Tile};
use palimpsest_tests::micro;
use palimpsest_tests::ranks::on_ranks;

const FASHION: [&str; 2] = ["data.name=fashion-mnist", "data.workers=1"];

/// Features, as bits.
#[derive(Debug, Clone, PartialEq)]
struct Rows {
    bits: Vec<u32>,
    width: usize,
    labels: Vec<i64>,
    indices: Vec<usize>,
}

/// What a rank knows in the end.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    features: [Rows; 2],
    sizes: [PartSize; 2],
    broken: Vec<String>,
    scores: Vec<Scores>,
}

/// An encoder with random weights, and what is made of its features.
fn with_task<T>(
    overrides: &[&str],
    limits: [usize; 2],
    engine: Option<Arc<dyn Collective>>,
    interrupted: &AtomicBool,
    act: impl FnOnce(&FrozenEval<'_>) -> Result<T>,
) -> Result<T> {
    palimpsest_heads::link();
    palimpsest_datasets::link();
    let recipe: Recipe = micro::preset("mae", overrides);
    let model = Model::build(&recipe)?;
    let values = model.specs.initial(7)?;
    let params = Params::upload(&micro::device(), values, DType::F32, DType::F32)?;
    let data = RecipeData::open(&recipe)?.labelled(&Draw { seed: 3, limits, ..Draw::default() })?;
    let task = FrozenEval::new(&*model.encoder, &params, &*data, "mean".parse()?, 0, 3)?;
    act(&task.until(interrupted).among(engine))
}

fn head(name: &str, settings: &str) -> Box<dyn FrozenHead> {
    let entry = registry::find::<TaskHeadEntry>("head", name).expect("is linked");
    let HeadKind::Frozen(build) = entry.build else { panic!("{name} is trained") };
    build(&Section::parse(name, settings).expect("TOML")).expect("fits")
}

fn known(
    overrides: &[&str],
    limits: [usize; 2],
    engine: Option<Arc<dyn Collective>>,
    heads: &[(&str, &str)],
) -> Known {
    let known = |task: &FrozenEval<'_>| {
        let scores = |(name, settings): &(&str, &str)| Ok(task.evaluate(&*head(name, settings))?.scores);
        let scores = heads.iter().map(scores).collect::<Result<_>>()?;
        let features = |split| {
            let features = task.features(split)?;
            let bits = features.values.iter().map(|value| value.to_bits()).collect();
            Ok(Rows {
                bits,
                width: features.width,
                labels: features.labels.clone(),
                indices: features.indices.clone(),
            })
        };
        Ok(Known {
            scores,
            features: [features(Split::Train)?, features(Split::Test)?],
            sizes: task.sizes()?,
            broken: broken_messages(&task.features(Split::Test)?.broken, "test"),
        })
    };
    with_task(overrides, limits, engine, &AtomicBool::new(false), known).expect("is evaluated")
}

/// Test images that no number of ranks divides: 1,003 in 16 batches, of which the last has 43.
#[test]
fn scores_are_those_of_one_process_to_the_last_digit() {
    let heads = [("knn", "k = [5, 20]"), ("linear", "epochs = 4")];
    let due = known(&FASHION, [300, 1003], None, &heads);
    assert_eq!((due.features[1].labels.len(), due.sizes[1].images), (1003, 1003));
    for size in [1, 2, 4] {
        for found in on_ranks(size, |engine| known(&FASHION, [300, 1003], Some(engine), &heads)) {
            assert!(found.features == due.features, "features on {size} ranks");
            assert_eq!((&found.scores, &found.sizes), (&due.scores, &due.sizes), "{size} ranks");
        }
    }
}

/// One batch of 40 test images, two of 70 training images: some ranks have none.
#[test]
fn a_part_of_fewer_batches_than_ranks_is_shared() {
    let heads = [("knn", "k = 5")];
    let due = known(&FASHION, [70, 40], None, &heads);
    for found in on_ranks(4, |engine| known(&FASHION, [70, 40], Some(engine), &heads)) {
        assert_eq!(found, due);
    }
}

/// Two classes of 8 px photos, some of which can't be read.
fn photos(root: &Path) {
    for (part, count) in [("train", 20), ("test", 150)] {
        for i in 0..count {
            let folder = root.join(part).join(["a", "b"][i % 2]);
            std::fs::create_dir_all(&folder).unwrap();
            let pixels = (0..8 * 8 * 3).map(|at| (at * 3 + i * 29) as u8).collect();
            let mut sheet = ContactSheet::new(1, [""]);
            sheet.push_row(vec![Tile::from_rgb(8, 8, pixels)]);
            let broken = part == "test" && [7, 65, 66, 149].contains(&i);
            let bytes = if broken { b"broken".to_vec() } else { sheet.to_png().unwrap() };
            std::fs::write(folder.join(format!("{i:03}.png")), bytes).unwrap();
        }
    }
}

#[test]
fn broken_files_are_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    photos(folder.path());
    let path = format!("data.path={}", folder.path().display());
    let overrides = ["data.name=folder", &path, "data.workers=0", "data.bad_files=4"];
    let heads = [("knn", "k = 3")];
    let due = known(&overrides, [0, 0], None, &heads);
    assert_eq!((due.sizes[1].images, due.sizes[1].broken, due.broken.len()), (146, 4, 5));
    for found in on_ranks(3, |engine| known(&overrides, [0, 0], Some(engine), &heads)) {
        assert_eq!(found, due);
    }
    // Together they have met more than are forgiven: all say so, as one process does.
    let strict = ["data.name=folder", &path, "data.workers=0", "data.bad_files=3"];
    let told = on_ranks(3, |engine| {
        let features = |task: &FrozenEval<'_>| task.features(Split::Test).map(drop);
        let run = with_task(&strict, [0, 0], Some(engine), &AtomicBool::new(false), features);
        run.unwrap_err().to_string()
    });
    for text in told {
        assert!(text.contains("4 of 150 files are broken, more than data.bad_files = 3"), "{text}");
    }
}

/// A head in whose midst one rank is asked to stop.
struct Long<'a> {
    interrupted: &'a AtomicBool,
    stops: bool,
}

impl FrozenHead for Long<'_> {
    fn evaluate(&self, task: &FrozenEval<'_>) -> Result<Evaluation> {
        task.features(Split::Test)?;
        self.interrupted.store(self.stops, Ordering::Relaxed);
        task.go_on()?;
        Ok(Evaluation { scores: vec![("one".to_owned(), 1.0)], artifacts: vec![], notes: vec![] })
    }
}

#[test]
fn one_rank_that_is_asked_to_stop_stops_all() {
    for before in [true, false] {
        let kinds = on_ranks(3, |engine| {
            let stops = engine.world().rank == 1;
            let interrupted = AtomicBool::new(before && stops);
            let long = Long { interrupted: &interrupted, stops };
            let run = |task: &FrozenEval<'_>| task.evaluate(&long).map(drop);
            with_task(&FASHION, [100, 300], Some(engine), &interrupted, run).unwrap_err().kind()
        });
        assert_eq!(kinds, [ErrorKind::Interrupted; 3]);
    }
}

/// A head that fails in one rank.
struct Failing(bool);

impl FrozenHead for Failing {
    fn evaluate(&self, _: &FrozenEval<'_>) -> Result<Evaluation> {
        match self.0 {
            true => Err(Error::failure("no memory")),
            false => Ok(Evaluation { scores: vec![], artifacts: vec![], notes: vec![] }),
        }
    }
}

#[test]
fn an_error_of_one_rank_is_told_by_the_engine_to_the_others() {
    let told = on_ranks(3, |engine| {
        let failing = Failing(engine.world().rank == 2);
        let run = |task: &FrozenEval<'_>| task.evaluate(&failing).map(drop);
        let error =
            with_task(&FASHION, [100, 300], Some(engine.clone()), &AtomicBool::new(false), run).unwrap_err();
        // As whoever started the work does.
        engine.abort(&error.to_string());
        error.to_string()
    });
    assert_eq!(told[2], "no memory");
    assert!(told[..2].iter().all(|text| text.contains("no memory")), "{told:?}");
}
