//! Positions that blocks tell: they belong to tokens, not to places in a row, and training draws them by the step.

use palimpsest_core::DType;
use palimpsest_core::encoder::{BlockContext, patchify};
use palimpsest_core::model::{Mode, Model};
use palimpsest_core::params::Params;
use palimpsest_core::recipe::Recipe;
use palimpsest_core::tensor::Tensor;
use palimpsest_tests::batches;
use palimpsest_tests::candidates::apart;
use palimpsest_tests::micro::{self, DECODER_STYLE, Parts, SHAPE};

use crate::gradients::NEWER;

fn recipe(encoder: &str) -> Recipe {
    let objectives = "[objective.it]\nkind = \"reconstruction\"\non = \"masked\"\ndistance = \"l2\"\ntarget = { kind = \"pixels\" }\n";
    Parts { encoder, objectives, noise: "", ..DECODER_STYLE }.recipe()
}

fn values(tensor: &Tensor) -> Vec<f64> {
    tensor.download().unwrap().into_f64()
}

/// Kept in another order, every token comes out as it did, in that order.
#[test]
fn a_token_takes_its_position_along() {
    let device = micro::device();
    for (name, encoder) in NEWER {
        let model = Model::build(&recipe(encoder)).unwrap();
        let params = Params::upload(&device, micro::lively(&model, 3), DType::F64, DType::F64).unwrap();
        let geometry = *model.geometry();
        let images = batches::noise(2, SHAPE, 5, 0).images(&device, DType::F64).unwrap();
        let tokens = model.encoder.embed(&params, &patchify(&images, &geometry).unwrap()).unwrap();
        let (l, prefix, dim) = (geometry.tokens(), geometry.prefix, geometry.dim);
        let run = |keep: Option<&Tensor>| {
            let entered = model.encoder.assemble(&params, &tokens, keep).unwrap();
            let context = BlockContext { keep, ..BlockContext::default() };
            values(&model.encoder.blocks(&params, entered, 0..geometry.depth, &context).unwrap().0)
        };
        let whole = run(None);
        // Of the second image another order than of the first.
        let order: Vec<i64> =
            (0..2 * l).map(|i| if i < l { l - 1 - i } else { (i * 5 + 3) % l } as i64).collect();
        let keep = device.indices([2, l], order.clone()).unwrap();
        let row = |values: &[f64], image: usize, token: usize| {
            let start = (image * (prefix + l) + token) * dim;
            values[start..start + dim].to_vec()
        };
        let turned = run(Some(&keep));
        for (at, &from) in order.iter().enumerate() {
            let (image, place) = (at / l, at % l);
            let (found, due) =
                (row(&turned, image, prefix + place), row(&whole, image, prefix + from as usize));
            let gap = apart(&found, &due);
            assert!(gap < 1e-9, "{name}, image {image}, token {from}: {gap:e}");
        }
    }
}

/// A step's draw is a function of the seed and the step; evaluation draws none.
#[test]
fn training_draws_positions_by_the_step() {
    let device = micro::device();
    let (_, dinov3) = NEWER[0];
    let model = Model::build(&recipe(dinov3)).unwrap();
    let params = Params::upload(&device, micro::lively(&model, 3), DType::F64, DType::F64).unwrap();
    let batch = batches::noise(2, SHAPE, 5, 0);
    let plan = model.plan(&batch, 0, 0.0, None).unwrap();
    let loss = |step: u64, training: bool| {
        let mode = Mode { step, training, observe: false };
        let prepared = model.prepare(&device, DType::F64, &batch, &plan, mode).unwrap();
        model.forward(&params, &prepared).unwrap().losses[0].value.item().unwrap()
    };
    assert_eq!(loss(3, true), loss(3, true));
    assert_ne!(loss(3, true), loss(4, true));
    assert_ne!(loss(3, true), loss(3, false));
    assert_eq!(loss(3, false), loss(4, false));
}
