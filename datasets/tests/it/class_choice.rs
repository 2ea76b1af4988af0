//! `data.classes`: some classes of a set are a set of their own.

use std::path::Path;

use palimpsest_core::data::Dataset;
use palimpsest_core::recipe::Recipe;
use palimpsest_datasets::{DataSource, Draw, RecipeData};
use tempfile::{TempDir, tempdir};

use crate::files::{assert_error, png, put};

fn try_recipe(root: &Path, more: &[&str]) -> palimpsest_core::Result<Recipe> {
    let mut overrides = vec![
        "data.name=folder".to_owned(),
        format!("data.path={}", root.display()),
        "data.channels=3".to_owned(),
        "data.image_size=8".to_owned(),
        "train.batch=4".to_owned(),
        "train.accumulate=1".to_owned(),
    ];
    overrides.extend(more.iter().map(|&text| text.to_owned()));
    Recipe::parse("mae-micro.toml", include_str!("../../../recipes/mae-micro.toml"), &overrides)
}

fn recipe(root: &Path, more: &[&str]) -> Recipe {
    try_recipe(root, more).expect("is sound")
}

fn opened(root: &Path, more: &[&str]) -> RecipeData {
    RecipeData::open(&recipe(root, more)).expect("opens")
}

/// A folder with as many images of each class as are said, by part.
fn folder(parts: &[(&str, &[(&str, usize)])]) -> TempDir {
    let folder = tempdir().expect("a folder");
    for (part, classes) in parts {
        for (class, count) in *classes {
            // An image tells its class and number, whatever lies beside it.
            let own = 1000 * class.bytes().map(u32::from).sum::<u32>();
            (0..*count).for_each(|i| {
                drop(put(folder.path(), &format!("{part}/{class}/{i}.png"), png(8, 8, own + i as u32)))
            });
        }
    }
    folder
}

fn pets() -> TempDir {
    folder(&[
        ("train", &[("cat", 6), ("dog", 9), ("newt", 5), ("owl", 7)]),
        ("val", &[("cat", 3), ("dog", 2), ("newt", 2), ("owl", 4)]),
    ])
}

fn labels(part: &dyn Dataset) -> Vec<u32> {
    (0..part.len()).map(|index| part.label(index).expect("a class")).collect()
}

#[test]
fn both_parts_have_the_chosen_classes_alone_in_the_order_of_the_list() {
    let folder = pets();
    let source = DataSource::from(&recipe(folder.path(), &["data.classes=[owl,cat]"]));
    let parts = source.images().expect("opens");
    assert_eq!(parts.train.classes(), ["owl", "cat"]);
    assert_eq!(parts.test.classes(), ["owl", "cat"]);
    // Images keep the order of the set, where cats come first.
    assert_eq!(labels(&*parts.train), [vec![1; 6], vec![0; 7]].concat());
    assert_eq!(labels(&*parts.test), [vec![1; 3], vec![0; 4]].concat());
    assert!(parts.train.location(0).ends_with("cat/0.png") && parts.test.location(3).ends_with("owl/0.png"));
    let place = folder.path().display();
    let told = format!(
        "data `folder` at {place}: trained on train (13 of 27 images), measured on val (7 of 11 images); \
         2 of 4 classes: owl, cat"
    );
    assert_eq!(parts.notes, [told]);
}

/// With all that is drawn of them.
#[test]
fn chosen_classes_are_what_a_folder_of_them_alone_is() {
    let whole = pets();
    let alone = folder(&[("train", &[("cat", 6), ("owl", 7)]), ("val", &[("cat", 3), ("owl", 4)])]);
    for more in [&[][..], &["data.limit=8"], &["seed=3", "data.limit=5", "data.crop_scale=[]"]] {
        let chosen = opened(whole.path(), &[&["data.classes=[cat,owl]"], more].concat());
        let others = opened(alone.path(), more);
        assert_eq!(chosen.identity(), others.identity());
        assert_eq!((chosen.classes(), chosen.counts()), (others.classes(), others.counts()));
        let recipe = recipe(alone.path(), more);
        let batches = |data: &RecipeData| {
            let mut loader = data.loader(&recipe).expect("starts");
            [0; 4].map(|_| loader.next_examples().expect("a batch").batch)
        };
        assert_eq!(batches(&chosen), batches(&others));
        assert_eq!(
            chosen.first_test_images(7).expect("images"),
            others.first_test_images(7).expect("images")
        );
        for draw in [
            Draw::default(),
            Draw { seed: 1, shots: 2, ..Draw::default() },
            Draw { seed: 2, limits: [5, 3], ..Draw::default() },
        ] {
            let [ours, theirs] = [&chosen, &others].map(|data| data.labelled(&draw).expect("two classes"));
            assert_eq!(ours.sizes(), theirs.sizes());
            let share = palimpsest_core::data::Share::WHOLE;
            let seen = |splits: &dyn palimpsest_core::head::LabelledSplits<palimpsest_core::head::Class>| {
                let pass = splits.test(share).expect("starts");
                pass.map(|examples| examples.expect("a batch").batch).collect::<Vec<_>>()
            };
            assert_eq!(seen(&*ours), seen(&*theirs));
        }
    }
    // Another order is another set: its labels are others.
    let turned = opened(whole.path(), &["data.classes=[owl,cat]"]);
    assert_ne!(turned.identity(), opened(whole.path(), &["data.classes=[cat,owl]"]).identity());
}

#[test]
fn the_key_is_in_a_recipe_only_where_it_says_something() {
    let root = Path::new("x");
    let plain = recipe(root, &[]);
    assert!(!plain.to_toml().contains("classes"), "old recipes keep their hash");
    assert_eq!(plain.hash(), recipe(root, &["data.classes=[]"]).hash());
    let chosen = recipe(root, &["data.classes=[shirt,t-shirt]"]);
    assert_ne!(plain.hash(), chosen.hash());
    assert_eq!(chosen.hash(), recipe(root, &["data.classes=[\"shirt\", \"t-shirt\"]"]).hash());
    assert_ne!(chosen.hash(), recipe(root, &["data.classes=[t-shirt,shirt]"]).hash());
    let kept = Recipe::parse("config.toml", &chosen.to_toml(), &[]).expect("is sound");
    assert_eq!(
        (kept.hash(), kept.data.classes),
        (chosen.hash(), vec!["shirt".to_owned(), "t-shirt".to_owned()])
    );
    // Digits are classes too, and so is what TOML takes for a truth value.
    assert_eq!(recipe(root, &["data.classes=[3,8]"]).data.classes, ["3", "8"]);
    assert_eq!(recipe(root, &["data.classes=[true,false]"]).data.classes, ["true", "false"]);
    assert_error(try_recipe(root, &["data.classes=shirt"]), &["`data.classes`", "\"shirt\"", "write a list"]);
    let twice = try_recipe(root, &["data.classes=[a,b,a]"]);
    assert_error(twice, &["override data.classes=[a,b,a]: `data.classes`: `a` is listed twice", "once"]);
    // They are classes of the set that they stand beside.
    let other = Recipe::parse("config.toml", &chosen.to_toml(), &["data.name=scenes".to_owned()]);
    assert!(other.expect("is sound").data.classes.is_empty());
}

#[test]
fn images_without_a_class_are_left_out_and_counted() {
    let folder = tempdir().expect("a folder");
    for (part, labels) in [("train", "aabbcc a c"), ("test", "zab  b")] {
        let mut list = String::from("path,label\n");
        for (i, label) in labels.chars().enumerate() {
            put(folder.path(), &format!("{part}{i}.png"), png(8, 8, i as u32));
            list.push_str(&format!("{part}{i}.png,{}\n", label.to_string().trim()));
        }
        put(folder.path(), &format!("{part}.csv"), list);
    }
    let data = opened(folder.path(), &["data.name=csv", "data.classes=[b,a]"]);
    assert_eq!(data.counts(), [5, 3]);
    let told = "train (5 of 10 images; 2 without a class left out), \
                measured on test (3 of 6 images; 2 without a class left out); 2 of 3 classes: b, a";
    // The class z of the test part alone is in nobody's way.
    assert!(data.notes()[0].contains(told), "{:?}", data.notes());
    let [train, _] = data.labelled(&Draw::default()).expect("two classes").sizes();
    assert_eq!(train.to_string(), "5 images of 2 classes");
}

#[test]
fn classes_of_one_part_alone() {
    let folder = folder(&[
        ("train", &[("cat", 4), ("dog", 4), ("owl", 4)]),
        ("test", &[("cat", 2), ("dog", 2), ("fox", 2)]),
    ]);
    let root = folder.path();
    assert_error(RecipeData::open(&recipe(root, &[])).map(drop), &["no class `fox`"]);
    // What isn't chosen is in nobody's way.
    assert_eq!(opened(root, &["data.classes=[dog,cat]"]).counts(), [8, 4]);
    let data = opened(root, &["data.classes=[owl,cat]"]);
    assert!(
        data.notes().contains(&"the test part has 1 of 2 classes, not owl".to_owned()),
        "{:?}",
        data.notes()
    );
    let chosen = recipe(root, &["data.classes=[owl]"]);
    let none =
        "`data.classes`: the test part has no image of these classes; choose classes that both parts have";
    assert_error(RecipeData::open(&chosen).map(drop), &[none]);
    let data = opened(root, &["data.classes=[owl]", "eval.heads=[]"]);
    assert!(data.notes().iter().any(|note| note.contains("training images are shown")), "{:?}", data.notes());
}

#[test]
fn one_class_is_pre_trained_on_and_refused_by_heads() {
    let folder = pets();
    let data = opened(folder.path(), &["data.classes=[dog]"]);
    assert_eq!(data.counts(), [9, 2]);
    assert_eq!(data.without_classes().expect("a reason"), "the training part has images of 1 class");
    let refused = data.labelled(&Draw::default()).map(drop);
    assert_error(refused, &["images of two classes, not 9 images of 1 class", "data.classes"]);
}

#[test]
fn what_cannot_be_chosen_is_told() {
    let folder = pets();
    let refused = |more: &[&str], parts: &[&str]| {
        let recipe = recipe(folder.path(), more);
        assert_error(RecipeData::open(&recipe).map(drop), parts);
    };
    refused(
        &["data.classes=[cat,dogg]"],
        &["`data.classes`: unknown class `dogg`; did you mean `dog`? (one of: dog, newt, owl)"],
    );
    // `shirt` is nearer, and listed already.
    let shirts =
        ["data.name=fashion-mnist", "data.path=\"\"", "data.channels=1", "data.classes=[shirt,t-shirt]"];
    refused(&shirts, &["unknown class `t-shirt`; did you mean `t-shirt/top`?"]);
    // Objects and label maps: an image has several classes.
    let scenes = ["data.name=scenes", "data.path=\"\"", "data.classes=[bag]"];
    refused(
        &scenes,
        &["`data.classes`: no image of the train part has a class of its own", "leave the key out"],
    );
    let source = DataSource::from(&recipe(folder.path(), &scenes));
    assert_error(
        source.objects().map(drop),
        &["`data.classes`: classes can't be chosen of data with objects"],
    );
    assert_error(source.label_maps().map(drop), &["`data.classes`", "data with label maps"]);
    let bare = tempdir().expect("a folder");
    (0..20).for_each(|i| drop(put(bare.path(), &format!("{i}.png"), png(8, 8, i))));
    let recipe = recipe(bare.path(), &["data.classes=[cat]"]);
    let text = ["`data.classes`: the train part has no classes to choose from", "leave the key out"];
    assert_error(RecipeData::open(&recipe).map(drop), &text);
    // Without a test part, the images that are held out are of the chosen classes too, and no others than without a choice.
    let whole = crate::class_choice::folder(&[(".", &[("cat", 40), ("dog", 40), ("owl", 40)])]);
    let data = opened(whole.path(), &["data.classes=[cat,dog]", "data.holdout=0.25"]);
    let alone = crate::class_choice::folder(&[(".", &[("cat", 40), ("dog", 40)])]);
    assert_eq!(data.counts().iter().sum::<usize>(), 80);
    assert_eq!(data.identity(), opened(alone.path(), &["data.holdout=0.25"]).identity());
}
