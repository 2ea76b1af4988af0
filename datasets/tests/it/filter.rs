//! `data.filter`: how images are resized.

use palimpsest_core::recipe::{Filter, Recipe};
use palimpsest_datasets::RecipeData;

fn recipe(preset: &str, overrides: &[&str]) -> Recipe {
    let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
    Recipe::parse("a.toml", &format!("preset = \"{preset}\""), &overrides).expect("a recipe")
}

#[test]
fn each_method_has_its_own() {
    // Bicubic: interpolation=3 in MAE's main_pretrain.py, which DiffMAE and CAN follow; SlowFast's AUG.INTERPOLATION
    // for MaskFeat; center_crop_arr for MaskDiT's latents. torchvision's default, bilinear, in SimMIM's data_simmim.py,
    // which the paper's code has too.
    for (preset, filter) in [
        ("mae", Filter::Bicubic),
        ("diffmae", Filter::Bicubic),
        ("can", Filter::Bicubic),
        ("maskfeat", Filter::Bicubic),
        ("maskdit", Filter::Bicubic),
        ("simmim", Filter::Bilinear),
        ("paper", Filter::Bilinear),
        ("paper-released", Filter::Bilinear),
        ("pixel-dae", Filter::Bilinear),
    ] {
        assert_eq!(recipe(preset, &[]).data.filter, filter, "{preset}");
    }
}

#[test]
fn it_counts_where_it_is_not_bilinear() {
    let plain = recipe("simmim", &[]);
    assert!(!plain.to_toml().contains("filter"), "older recipes keep their hash");
    assert_eq!(plain.hash(), recipe("simmim", &["data.filter=bilinear"]).hash());
    let bicubic = recipe("mae", &[]);
    assert_ne!(bicubic.hash(), recipe("mae", &["data.filter=bilinear"]).hash());
    // What a run's folder keeps is the same recipe.
    let again = Recipe::parse("config.toml", &bicubic.to_toml(), &[]).expect("a recipe");
    assert_eq!(again.hash(), bicubic.hash());
}

#[test]
fn training_and_evaluation_are_resized_with_it() {
    let pixels = |filter: &str| {
        let filter = format!("data.filter={filter}");
        let more =
            ["data.image_size=20", "data.channels=1", "data.mean=[0.3]", "data.std=[0.3]", "train.batch=8"];
        let overrides: Vec<&str> = more.iter().copied().chain([&*filter, "data.crop_scale=[]"]).collect();
        let recipe = recipe("simmim", &overrides);
        let data = RecipeData::open(&recipe).expect("the embedded sample");
        let mut loader = data.loader(&recipe).expect("a loader");
        let trained = palimpsest_core::data::BatchSource::next_batch(&mut loader)
            .expect("a batch")
            .pixels
            .into_normalised();
        (trained, data.first_test_images(8).expect("images").pixels.into_normalised())
    };
    let (bilinear, bicubic) = (pixels("bilinear"), pixels("bicubic"));
    assert_ne!(bilinear.0, bicubic.0);
    assert_ne!(bilinear.1, bicubic.1);
}
