//! Targets of features: what a teacher sees, how its tokens are normalised, and how recipes name teachers.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use palimpsest_core::encoder::patchify;
use palimpsest_core::interop::Source;
use palimpsest_core::model::{Mode, Model};
use palimpsest_core::recipe::Recipe;
use palimpsest_core::settings::Section;
use palimpsest_core::target;
use palimpsest_core::target::TargetInput;
use palimpsest_core::teacher::{FrozenTeacher, TeacherLayer, TeacherSource, pin};
use palimpsest_core::train::Trainer;
use palimpsest_core::{DType, DeviceHandle, Tensor};
use palimpsest_tests::batches;
use palimpsest_tests::files::here;
use palimpsest_tests::micro::{self, DECODER_STYLE, ENCODER_STYLE, Parts, SHAPE};

const MODE: Mode = Mode { step: 7, training: true, observe: false };

fn objective(target: &str) -> String {
    format!(
        "[objective.masked]\nkind = \"reconstruction\"\ndistance = \"l2\"\non = \"all\"\n\
         target = {{ kind = \"features\", {target} }}\n"
    )
}

fn recipe(style: Parts<'_>, train: &str, target: &str) -> Recipe {
    Parts { objectives: &objective(target), train, ..style }.recipe()
}

fn f64s(tensor: &Tensor) -> Vec<f64> {
    tensor.download().unwrap().into_f64()
}

/// One handle for all: tensors of two backends don't meet.
fn device() -> DeviceHandle {
    static DEVICE: OnceLock<DeviceHandle> = OnceLock::new();
    DEVICE.get_or_init(micro::device).clone()
}

/// A folder of the test's own, empty.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("teachers").join(name);
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// The target [B, L, D] of tokens [B, P + L, D] with a class token, by its settings.
fn target_of(settings: &str, tokens: &[(usize, bool, &Tensor)]) -> Vec<f64> {
    let model = Model::build(&recipe(ENCODER_STYLE, "ema = 0.9", settings)).unwrap();
    let batch = batches::noise(2, SHAPE, 21, 40);
    let patches =
        patchify(&batch.images(&tokens[0].2.device(), DType::F64).unwrap(), model.geometry()).unwrap();
    let layer = |&(blocks, normed, tokens): &(usize, bool, &Tensor)| {
        (TeacherLayer { source: TeacherSource::Average, blocks, normed }, tokens.clone())
    };
    let teacher = tokens.iter().map(layer).collect();
    let section = Section::parse(
        "target",
        &format!(
            "kind = \"features\"\n{}",
            settings
                .replace(", norm", "\nnorm")
                .replace(", blocks", "\nblocks")
                .replace(", final", "\nfinal")
                .replace(", mean", "\nmean")
        ),
    );
    let (_, target) = target::build(&section.unwrap()).unwrap();
    let input = TargetInput {
        geometry: model.geometry(),
        batch: &batch,
        patches: &patches,
        noised: None,
        eps: None,
        teacher: Some(&teacher),
    };
    f64s(&target.generate(&input).unwrap())
}

/// Tokens [2, 1 + 16, 16] whose values depend on each other.
fn tokens(seed: u64) -> Tensor {
    let noise = batches::noise(2, [17, 16, 1], seed, 0).pixels.into_normalised();
    let mixed = |i: usize| {
        let (row, column) = (i / 16 * 16, i % 16);
        let beside = f64::from(noise[row + (column + 1) % 16]);
        3.0 + f64::from(noise[i]) * (1.0 + 0.1 * column as f64) + 0.6 * beside
    };
    device().f64s([2, 17, 16], (0..noise.len()).map(mixed).collect(), DType::F64).unwrap()
}

/// The patches' tokens [32, 16], row by row.
fn patches_of(tokens: &Tensor) -> Vec<Vec<f64>> {
    let values = f64s(tokens);
    let rows: Vec<&[f64]> = values.chunks(16).collect();
    rows.chunks(17).flat_map(|image| image[1..].iter().map(|row| row.to_vec())).collect()
}

fn mean_and_variance(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (mean, values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / values.len() as f64)
}

fn near(found: &[f64], want: impl IntoIterator<Item = f64>, tolerance: f64) {
    let want: Vec<f64> = want.into_iter().collect();
    assert_eq!(found.len(), want.len());
    for (i, (a, b)) in found.iter().zip(&want).enumerate() {
        assert!((a - b).abs() <= tolerance, "[{i}]: {a}, want {b}");
    }
}

#[test]
fn features_are_normalised_as_their_formulas_say() {
    let tokens = tokens(3);
    let rows = patches_of(&tokens);
    let one = [(3, true, &tokens)];
    near(&target_of("norm = \"none\"", &one), rows.concat(), 0.0);
    let layer = rows.iter().flat_map(|row| {
        let (mean, variance) = mean_and_variance(row);
        row.iter().map(move |v| (v - mean) / (variance + 1e-5).sqrt()).collect::<Vec<_>>()
    });
    near(&target_of("norm = \"layer\"", &one), layer, 1e-12);
    let columns: Vec<(f64, f64)> =
        (0..16).map(|c| mean_and_variance(&rows.iter().map(|row| row[c]).collect::<Vec<_>>())).collect();
    let batch = rows.iter().flat_map(|row| {
        row.iter()
            .zip(&columns)
            .map(|(v, (mean, variance))| (v - mean) / (variance + 1e-5).sqrt())
            .collect::<Vec<_>>()
    });
    near(&target_of("norm = \"batch\"", &one), batch, 1e-12);
}

/// A symmetric matrix W that makes the covariance S, with the ridge r on its diagonal, the unit: W (S + r) W = 1.
#[test]
fn whitened_features_have_covariance_one() {
    let tokens = tokens(4);
    let rows = patches_of(&tokens);
    let found = target_of("norm = \"whiten\"", &[(3, true, &tokens)]);
    let white: Vec<&[f64]> = found.chunks(16).collect();
    let means: Vec<f64> = (0..16).map(|c| rows.iter().map(|row| row[c]).sum::<f64>() / 32.0).collect();
    let product = |a: &dyn Fn(usize, usize) -> f64, b: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
        let cell = |i: usize| (0..32).map(|row| a(row, i / 16) * b(row, i % 16)).sum::<f64>() / 32.0;
        (0..256).map(cell).collect()
    };
    let before = |row: usize, c: usize| rows[row][c] - means[c];
    let after = |row: usize, c: usize| white[row][c];
    let ridge = 1e-3 * (0..16).map(|c| product(&before, &before)[17 * c]).sum::<f64>() / 16.0;
    // X' Y = S W and Y' Y = W S W. So (Y' Y) + r W W = 1, and r W W is what little S W of the ridge leaves.
    let own = product(&after, &after);
    for i in 0..16 {
        for j in 0..16 {
            let want = f64::from(u8::from(i == j));
            // The smallest variance here is above 20 ridges.
            assert!((own[16 * i + j] - want).abs() < 0.06, "[{i}, {j}]: {}", own[16 * i + j]);
        }
    }
    let cross = product(&before, &after);
    for i in 0..16 {
        for j in 0..16 {
            assert!((cross[16 * i + j] - cross[16 * j + i]).abs() < 1e-9, "W isn't symmetric");
        }
    }
    assert!(ridge > 0.0);
}

#[test]
fn several_blocks_are_averaged_after_their_norms() {
    let (a, b) = (tokens(5), tokens(6));
    let one = |tokens: &Tensor| target_of("norm = \"layer\", blocks = [-1]", &[(3, true, tokens)]);
    let mean: Vec<f64> = one(&a).iter().zip(one(&b)).map(|(a, b)| (a + b) / 2.0).collect();
    let found = target_of("norm = \"layer\", blocks = [2, -1]", &[(2, false, &a), (3, true, &b)]);
    near(&found, mean.clone(), 1e-15);
    let both = "norm = \"layer\", mean_norm = \"layer\", blocks = [2, 3]";
    let again = target_of(both, &[(2, false, &a), (3, true, &b)]);
    let normed = mean.chunks(16).flat_map(|row| {
        let (mean, variance) = mean_and_variance(row);
        row.iter().map(move |v| (v - mean) / (variance + 1e-5).sqrt()).collect::<Vec<_>>()
    });
    near(&again, normed, 1e-12);
    let before_norm = "norm = \"layer\", blocks = [2, 3], final_norm = false";
    near(&target_of(before_norm, &[(2, false, &a), (3, false, &b)]), mean, 1e-15);
}

/// The loss is that against the tokens of the average, step for step, and the average follows its formula as its decay grows.
#[test]
fn the_average_of_the_weights_teaches() {
    for style in [ENCODER_STYLE, DECODER_STYLE] {
        let train = "ema = 0.5\nema_end = 0.9\nema_shape = \"cosine\"\nsteps = 4";
        let mut recipe = recipe(style, train, "norm = \"none\"");
        recipe.optimizer.lr = 1e-2;
        recipe.optimizer.lr_batch = 0;
        let mut trainer = Trainer::with_values(
            recipe.clone(),
            Model::build(&recipe).unwrap(),
            device(),
            1,
            micro::lively(&Model::build(&recipe).unwrap(), 3),
            DType::F64,
        )
        .unwrap();
        let mut average: Option<Vec<Vec<f64>>> = None;
        for (step, batch) in batches::series(4, 4, SHAPE, 11).iter().enumerate() {
            let teacher = trainer.evaluated_params().unwrap();
            let plan = trainer.plan(batch).unwrap();
            let mode = Mode { step: step as u64, ..MODE };
            let model = &trainer.model;
            let inputs = model.prepare(&trainer.device, DType::F64, batch, &plan, mode).unwrap();
            let want = model.encoder.features(&teacher, &inputs.patches, 3).unwrap();
            let want = want.narrow(1, 1, 16).unwrap();
            let forward =
                model.forward(&trainer.params(), &model.with_teacher(inputs, &teacher).unwrap()).unwrap();
            let difference = forward.predictions["features"].sub(&want).unwrap();
            let loss = difference.mul(&difference).unwrap().mean_all().unwrap().item().unwrap();
            let before: Vec<Vec<f64>> = trainer.params().tensors().iter().map(f64s).collect();
            let report = trainer.train_step(batch, false).unwrap();
            assert!((report.loss() - loss).abs() < 1e-9 * loss, "step {step}: {} {loss}", report.loss());
            assert!(report.phases.teacher > 0.0);
            // By hand: the decay of step i of 4.
            let decay = 0.5 + 0.4 * (1.0 - (std::f64::consts::PI * step as f64 / 4.0).cos()) / 2.0;
            let now: Vec<Vec<f64>> = trainer.params().tensors().iter().map(f64s).collect();
            let moved = average.get_or_insert(before).iter().zip(&now).map(|(average, now)| {
                average.iter().zip(now).map(|(a, w)| decay * a + (1.0 - decay) * w).collect::<Vec<f64>>()
            });
            average = Some(moved.collect());
            let kept = trainer.evaluated_params().unwrap();
            for (kept, want) in kept.tensors().iter().zip(average.as_ref().unwrap()) {
                near(&f64s(kept), want.iter().copied(), 1e-7);
            }
        }
    }
}

#[test]
fn a_run_with_an_average_as_teacher_may_be_resumed() {
    let recipe = recipe(DECODER_STYLE, "ema = 0.9\nema_end = 1.0\nsteps = 6", "blocks = [1, 2, 3]");
    let batches = batches::series(6, 4, SHAPE, 13);
    let fresh = || Trainer::new(recipe.clone(), device(), 1).unwrap();
    let weights = |trainer: &Trainer| -> Vec<Vec<f64>> {
        let (own, average) = (trainer.params(), trainer.evaluated_params().unwrap());
        own.tensors().iter().chain(average.tensors()).map(f64s).collect()
    };
    let mut whole = fresh();
    batches.iter().for_each(|batch| drop(whole.train_step(batch, false).unwrap()));
    let mut first = fresh();
    batches[..3].iter().for_each(|batch| drop(first.train_step(batch, false).unwrap()));
    let checkpoint = first.checkpoint().unwrap();
    let mut second = fresh();
    second.restore(checkpoint).unwrap();
    batches[3..].iter().for_each(|batch| drop(second.train_step(batch, false).unwrap()));
    assert_eq!(weights(&whole), weights(&second));
}

/// A checkpoint of another width and patch, of images that were normalised otherwise.
#[test]
fn a_finished_run_teaches() {
    let folder = folder("run");
    let own = Parts { objectives: "[objective.masked]\nkind = \"reconstruction\"\n", ..DECODER_STYLE };
    let text = own
        .text()
        .replace("dim = 16\ndepth = 3", "dim = 24\ndepth = 2")
        .replace("image_size = 16", "image_size = 16\nmean = [0.5, 0.4, 0.3]\nstd = [0.2, 0.3, 0.25]");
    let teacher = Trainer::new(Recipe::parse("teacher", &text, &[]).unwrap(), device(), 1).unwrap();
    let file = folder.join("teacher.safetensors");
    teacher.checkpoint().unwrap().write(&file).unwrap();

    let target = format!("teacher = \"{}\", norm = \"none\"", file.display());
    let unpinned = recipe(ENCODER_STYLE, "", &target);
    let recipe = pin(unpinned.clone()).unwrap();
    let table = recipe.objective.section("masked").unwrap().section("target").unwrap();
    assert_eq!(table.table()["encoder"]["dim"].as_integer(), Some(24));
    assert_eq!(table.table()["mean"][0].as_float(), Some(0.5));
    // Pinned once, it stays so; and the weights count, wherever they lie.
    assert_eq!(pin(recipe.clone()).unwrap().hash(), recipe.hash());
    assert_ne!(recipe.hash(), unpinned.hash());
    let moved = folder.join("moved.safetensors");
    std::fs::copy(&file, &moved).unwrap();
    let elsewhere = recipe_of_moved(&target, &file, &moved);
    assert_eq!(pin(elsewhere).unwrap().hash(), recipe.hash());

    let mut trainer = Trainer::new(recipe, device(), 1).unwrap();
    assert_eq!(trainer.load_teachers().unwrap(), Vec::<String>::new());
    let batch = batches::noise(4, SHAPE, 21, 0);
    // The same pixels, as the teacher normalises them.
    let ours = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
    let theirs = ([0.5, 0.4, 0.3], [0.2, 0.3, 0.25]);
    let mut seen = batch.clone();
    for (i, value) in seen.pixels.normalised_mut().iter_mut().enumerate() {
        let c = i / 256 % 3;
        *value = (*value * ours.1[c] + ours.0[c] - theirs.0[c]) / theirs.1[c];
    }
    let patches =
        patchify(&seen.images(&trainer.device, DType::F32).unwrap(), teacher.model.geometry()).unwrap();
    let want =
        teacher.model.encoder.features(&teacher.params(), &patches, 2).unwrap().narrow(1, 1, 16).unwrap();
    let plan = trainer.plan(&batch).unwrap();
    let mode = Mode { step: 0, training: true, observe: false };
    let model = &trainer.model;
    let inputs = model.prepare(&trainer.device, DType::F32, &batch, &plan, mode).unwrap();
    let types = [DType::F32; 2];
    let frozen = FrozenTeacher::load_all(&trainer.recipe, model.geometry(), &trainer.device, types).unwrap();
    let forward = model.forward(&trainer.params(), &model.with_frozen(inputs, &frozen[0]).unwrap()).unwrap();
    let difference = forward.predictions["features"].sub(&want).unwrap();
    let loss = difference.mul(&difference).unwrap().mean_all().unwrap().item().unwrap();
    let report = trainer.train_step(&batch, false).unwrap();
    // f32, and pixels that were normalised twice.
    assert!((report.loss() - loss).abs() < 1e-5 * loss, "{} {loss}", report.loss());
}

fn recipe_of_moved(target: &str, file: &Path, moved: &Path) -> Recipe {
    recipe(ENCODER_STYLE, "", &target.replace(&file.display().to_string(), &moved.display().to_string()))
}

/// Published encoders: their weights say what they are, but for the number of heads.
#[test]
fn a_public_encoder_teaches() {
    for name in ["timm-registers", "hf-dinov3", "timm-aimv2", "timm-swiglu", "hf-beit"] {
        let file = here("golden/interop").join(format!("{name}.safetensors"));
        let mut more = "heads = 2".to_owned();
        if name == "hf-dinov3" {
            more.push_str(", rotary = \"dinov3\"");
        }
        let target = format!("teacher = \"{}\", norm = \"none\", encoder = {{ {more} }}", file.display());
        let recipe = pin(recipe(ENCODER_STYLE, "", &target)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let mut trainer = Trainer::new(recipe, device(), 1).unwrap();
        trainer.load_teachers().unwrap_or_else(|e| panic!("{name}: {e}"));
        let batch = batches::noise(4, SHAPE, 21, 0);
        let first = trainer.train_step(&batch, false).unwrap().loss();
        assert!(first.is_finite() && first > 0.0, "{name}: {first}");
    }
}

#[test]
fn what_a_teacher_lacks_is_told() {
    let told = |train: &str, target: &str| {
        let built = pin(recipe(ENCODER_STYLE, train, target)).and_then(|recipe| Model::build(&recipe));
        built.map(drop).expect_err(target).to_string()
    };
    let found = told("", "teacher = \"ema\"");
    assert_eq!(
        found,
        "`train.ema`: a target's teacher is the average of the weights, and none is kept; set train.ema to its decay, as 0.996"
    );
    for blocks in ["[0]", "[4]", "[1, 1]", "[3, -1]", "[-4]"] {
        let found = told("ema = 0.9", &format!("blocks = {blocks}"));
        assert!(found.contains("objective.masked.target.blocks") && found.contains("1 to 3"), "{found}");
    }
    let found = told("", "teacher = \"nowhere.safetensors\"");
    assert!(found.contains("objective.masked.target.teacher") && found.contains("nowhere"), "{found}");
    let golden = here("golden/interop/timm.safetensors");
    let target = format!("teacher = \"{}\", encoder = {{ heads = 2 }}", golden.display());
    let right = format!("{target}, sha256 = \"{}\"", Source::read(&golden).unwrap().sha256);
    let wrong = format!("{target}, sha256 = \"{}\"", "0".repeat(64));
    for (target, fits) in [(right, true), (wrong, false)] {
        let recipe = pin(recipe(ENCODER_STYLE, "", &target)).unwrap();
        let mut trainer = Trainer::new(recipe, device(), 1).unwrap();
        let loaded = trainer.load_teachers();
        assert_eq!(loaded.is_ok(), fits);
        if let Err(error) = loaded {
            assert!(error.to_string().contains("SHA-256"), "{error}");
        }
    }
}
