//! A target of this crate's own that looks at the model's encoder under other parameters. In a process of its
//! own, as what registers itself is known everywhere.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::OnceLock;

use palimpsest_core::geometry::Geometry;
use palimpsest_core::model::{Mode, Model};
use palimpsest_core::params::Params;
use palimpsest_core::settings::Settings;
use palimpsest_core::target::{Target, TargetEntry, TargetInput, TargetNeeds};
use palimpsest_core::teacher::{TeacherLayer, TeacherSource};
use palimpsest_core::train::gradients;
use palimpsest_core::{DType, DeviceHandle, Error, Result, Tensor, inventory, settings};
use palimpsest_tests::batches;
use palimpsest_tests::differences::check;
use palimpsest_tests::micro::{self, DECODER_STYLE, ENCODER_STYLE, Parts, SHAPE};

settings! {
    /// The teacher's patch tokens.
    struct TeacherTokens {
        /// After so many blocks.
        blocks: usize = 3;
    }
}

thread_local! {
    /// What the target saw last, on this thread.
    static SEEN: RefCell<Option<Tensor>> = const { RefCell::new(None) };
}

impl Target for TeacherTokens {
    fn width(&self, geometry: &Geometry) -> usize {
        geometry.dim
    }

    fn needs(&self, _: &Geometry) -> TargetNeeds {
        TargetNeeds { teacher: BTreeSet::from([layer(self.blocks)]), ..TargetNeeds::default() }
    }

    fn generate(&self, input: &TargetInput<'_>) -> Result<Tensor> {
        let tokens = input.teacher(&layer(self.blocks))?;
        SEEN.set(Some(tokens.clone()));
        tokens.narrow(1, input.geometry.prefix, input.geometry.tokens())
    }
}

inventory::submit! {
    TargetEntry {
        name: "teacher-tokens",
        summary: "the teacher's patch tokens after some blocks",
        fields: TeacherTokens::fields,
        build: |section| Ok(Box::new(section.read::<TeacherTokens>()?)),
    }
}

/// Tokens of the student's encoder under the average of its weights, with the last norm after the last block.
fn layer(blocks: usize) -> TeacherLayer {
    TeacherLayer { source: TeacherSource::Average, blocks, normed: blocks == 3 }
}

fn objective(name: &str, blocks: usize) -> String {
    format!(
        "[objective.{name}]\nkind = \"reconstruction\"\ndistance = \"l2\"\nhead = \"{name}\"\n\
         target = {{ kind = \"teacher-tokens\", blocks = {blocks} }}\n"
    )
}

fn model(style: Parts<'_>, objectives: &str) -> Result<Model> {
    Model::build(&Parts { objectives, train: "ema = 0.9", ..style }.recipe())
}

/// One handle for all: tensors of two backends don't meet.
fn device() -> DeviceHandle {
    static DEVICE: OnceLock<DeviceHandle> = OnceLock::new();
    DEVICE.get_or_init(micro::device).clone()
}

/// A student, and a teacher with other weights.
fn weights(model: &Model) -> [Params; 2] {
    [3, 4].map(|seed| Params::upload(&device(), micro::lively(model, seed), DType::F64, DType::F64).unwrap())
}

fn f64s(tensor: &Tensor) -> Vec<f64> {
    tensor.download().unwrap().into_f64()
}

const MODE: Mode = Mode { step: 7, training: true, observe: false };

#[test]
fn a_target_sees_the_same_encoder_under_the_teachers_parameters() {
    for style in [ENCODER_STYLE, DECODER_STYLE] {
        for blocks in [1, 3] {
            let model = model(style, &objective("it", blocks)).unwrap();
            assert_eq!(model.needs().target.teacher, BTreeSet::from([layer(blocks)]));
            let [student, teacher] = weights(&model);
            let batch = batches::noise(3, SHAPE, 21, 40);
            let plan = model.plan(&batch, 7, 0.5, None).unwrap();
            let device = device();
            let prepared = model.prepare(&device, DType::F64, &batch, &plan, MODE).unwrap();
            let prepared = model.with_teacher(prepared, &teacher).unwrap();
            model.forward(&student, &prepared).unwrap();
            let seen = f64s(&SEEN.take().expect("the target was made"));
            let of = |params| f64s(&model.encoder.features(params, &prepared.patches, blocks).unwrap());
            assert_eq!(seen, of(&teacher), "after {blocks} blocks");
            assert_ne!(seen, of(&student), "after {blocks} blocks");
        }
    }
}

/// Two targets share one pass of the teacher; each gets the tokens after its own blocks.
#[test]
fn targets_share_a_teacher() {
    let model = model(ENCODER_STYLE, &(objective("a", 1) + &objective("b", 2))).unwrap();
    assert_eq!(model.needs().target.teacher, BTreeSet::from([layer(1), layer(2)]));
    let [student, teacher] = weights(&model);
    let batch = batches::noise(2, SHAPE, 21, 40);
    let plan = model.plan(&batch, 7, 0.5, None).unwrap();
    let prepared = model.prepare(&device(), DType::F64, &batch, &plan, MODE).unwrap();
    let prepared = model.with_teacher(prepared, &teacher).unwrap();
    assert_eq!(model.forward(&student, &prepared).unwrap().losses.len(), 2);
    // The objectives' order is the recipe's: the second target was made last.
    let seen = f64s(&SEEN.take().expect("the target was made"));
    assert_eq!(seen, f64s(&model.encoder.features(&teacher, &prepared.patches, 2).unwrap()));
}

/// The teacher's weights get no gradient, even where they are leaves; the student's is that of a target which
/// stands still.
#[test]
fn no_gradient_flows_to_the_teacher() {
    let model = model(DECODER_STYLE, &objective("it", 3)).unwrap();
    let [student, teacher] = weights(&model);
    let (student, teacher) = (student.track().unwrap(), teacher.track().unwrap());
    let batch = batches::noise(3, SHAPE, 21, 40);
    let plan = model.plan(&batch, 7, 0.5, None).unwrap();
    let device = device();
    let prepare = |teacher: &Params| {
        let prepared = model.prepare(&device, DType::F64, &batch, &plan, MODE).unwrap();
        model.with_teacher(prepared, teacher).unwrap()
    };
    let prepared = prepare(&teacher);
    let total = model.forward(&student, &prepared).unwrap().total().unwrap();
    let leaves: Vec<&Tensor> = student.tensors().iter().chain(teacher.tensors()).collect();
    let mut found = total.backward(&leaves).unwrap();
    let of_teacher = found.split_off(student.tensors().len());
    assert!(found.iter().flatten().any(|gradient| f64s(gradient).iter().any(|g| *g != 0.0)));
    assert!(of_teacher.iter().flatten().all(|gradient| f64s(gradient).iter().all(|g| *g == 0.0)));

    // A student that is its own teacher: the target moves with the weights, and its gradient doesn't.
    let prepared = prepare(&student);
    let values = micro::lively(&model, 3);
    let worst = check(&model, &values, &device, &prepared, 8);
    assert!(worst.error < 1e-5, "error {:e} at {}", worst.error, worst.at);
    let whole = gradients(&model, &student, &prepared, 0).unwrap().gradients;
    let parts = gradients(&model, &student, &prepared, 1).unwrap().gradients;
    for (whole, parts) in whole.iter().zip(&parts) {
        let [whole, parts] = [whole, parts].map(|g| g.as_ref().map(f64s).unwrap_or_default());
        let scale = whole.iter().fold(1e-9f64, |most, g| most.max(g.abs()));
        assert!(whole.iter().zip(&parts).all(|(a, b)| (a - b).abs() <= 1e-12 * scale));
    }
}

#[test]
fn a_missing_teacher_or_block_is_told() {
    let message = |error: Error| error.to_string();
    let built = model(ENCODER_STYLE, &objective("it", 2)).unwrap();
    let [student, _] = weights(&built);
    let batch = batches::noise(2, SHAPE, 21, 40);
    let plan = built.plan(&batch, 7, 0.5, None).unwrap();
    let prepared = built.prepare(&device(), DType::F64, &batch, &plan, MODE).unwrap();
    assert_eq!(
        built.forward(&student, &prepared).map(drop).map_err(message),
        Err("the step has no teacher's tokens after 2 blocks".to_owned())
    );
    for blocks in [0, 4] {
        let found = model(ENCODER_STYLE, &objective("it", blocks)).map(drop).map_err(message);
        let told = found.expect_err("no such block");
        assert!(told.ends_with(&format!("its target looks at block {blocks} of 3; choose 1 to 3")), "{told}");
    }
}
