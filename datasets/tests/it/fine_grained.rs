//! Small trees in the sets' true layouts, and broken ones.

use std::path::Path;

use palimpsest_datasets::{DataSpec, Split, open};

use crate::files::{assert_error, fixture, jpeg, put};

/// Files' names and classes of a part.
fn content(name: &str, root: &Path, split: Split) -> Vec<(String, String)> {
    let data = open(&DataSpec::at(name, root), split).expect("opens");
    (0..data.len())
        .map(|i| {
            data.load(i).expect("loads");
            let file = data.location(i).rsplit('/').next().expect("a name").to_owned();
            (file, data.classes()[data.label(i).expect("a label") as usize].clone())
        })
        .collect()
}

fn pairs(want: &[(&str, &str)]) -> Vec<(String, String)> {
    want.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

fn error(name: &str, root: &Path, split: Split, parts: &[&str]) {
    assert_error(open(&DataSpec::at(name, root), split).map(|_| ()), parts);
}

fn mat(root: &Path, from: &str, to: &str) {
    put(root, to, std::fs::read(fixture("mat").join(from)).expect("the fixture"));
}

fn cub(root: &Path) {
    put(root, "CUB_200_2011/classes.txt", "1 001.Black_footed_Albatross\n2 002.Laysan_Albatross\n");
    put(
        root,
        "CUB_200_2011/images.txt",
        "1 001.Black_footed_Albatross/Black_0046.jpg\n2 001.Black_footed_Albatross/Black_0009.jpg\n\
         3 002.Laysan_Albatross/Laysan_0002.jpg\n",
    );
    put(root, "CUB_200_2011/image_class_labels.txt", "1 1\n2 1\n3 2\n");
    put(root, "CUB_200_2011/train_test_split.txt", "1 0\n2 1\n3 1\n");
    for file in [
        "001.Black_footed_Albatross/Black_0046",
        "001.Black_footed_Albatross/Black_0009",
        "002.Laysan_Albatross/Laysan_0002",
    ] {
        put(root, &format!("CUB_200_2011/images/{file}.jpg"), jpeg(8, 8, 1));
    }
}

#[test]
fn cub_200_2011() {
    let folder = tempfile::tempdir().expect("a folder");
    cub(folder.path());
    let train =
        pairs(&[("Black_0009.jpg", "Black footed Albatross"), ("Laysan_0002.jpg", "Laysan Albatross")]);
    assert_eq!(content("cub", folder.path(), Split::Train), train);
    // The archive's own folder will do as well.
    assert_eq!(content("cub", &folder.path().join("CUB_200_2011"), Split::Train), train);
    assert_eq!(
        content("cub", folder.path(), Split::Test),
        pairs(&[("Black_0046.jpg", "Black footed Albatross")])
    );
}

#[test]
fn broken_cub() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    error("cub", root, Split::Train, &["no `images.txt` in this folder, nor in `CUB_200_2011`", "; "]);
    cub(root);
    put(root, "CUB_200_2011/image_class_labels.txt", "1 1\n2 7\n3 2\n");
    error("cub", root, Split::Train, &["image_class_labels.txt:2: unknown class 7; "]);
    put(root, "CUB_200_2011/image_class_labels.txt", "1 1\n2 1\n3 x\n");
    error("cub", root, Split::Train, &["image_class_labels.txt:3: class `x` is not a number"]);
    put(root, "CUB_200_2011/image_class_labels.txt", "1 1\n2 1\n");
    error("cub", root, Split::Train, &["images.txt:3: image `3` is not in image_class_labels.txt; "]);
    cub(root);
    put(root, "CUB_200_2011/train_test_split.txt", "1 0\n2 1\n");
    error("cub", root, Split::Train, &["images.txt:3: image `3` is not in train_test_split.txt; "]);
    cub(root);
    for (name, text, part) in [
        (
            "images.txt",
            "1 001.Black_footed_Albatross/Black_0046.jpg\n1 x.jpg\n",
            "images.txt:2: the image 1 is given twice; ",
        ),
        (
            "image_class_labels.txt",
            "1 1\n2 1\n3 2\n2 2\n",
            "image_class_labels.txt:4: the image 2 is given twice; ",
        ),
        (
            "train_test_split.txt",
            "1 0\n2 1\n3 1\n1 1\n",
            "train_test_split.txt:4: the image 1 is given twice; ",
        ),
        ("train_test_split.txt", "1 0\n2 1\n3 2\n", "train_test_split.txt:3: the part 2; "),
        ("classes.txt", "1 001.A\n2 002.B\n1 003.C\n", "classes.txt:3: the class 1 is given twice; "),
        (
            "images.txt",
            "1 001.Black_footed_Albatross/Black_0046.jpg\n2 002.Laysan_Albatross/Laysan_0002.jpg\n\
             3 002.Laysan_Albatross/Laysan_0002.jpg\n",
            "images.txt:3: the image `002.Laysan_Albatross/Laysan_0002.jpg` is listed twice; ",
        ),
    ] {
        cub(root);
        put(root, &format!("CUB_200_2011/{name}"), text);
        error("cub", root, Split::Train, &[part]);
    }
    cub(root);
    std::fs::remove_file(root.join("CUB_200_2011/images/002.Laysan_Albatross/Laysan_0002.jpg"))
        .expect("removes");
    error("cub", root, Split::Train, &["images.txt:3: no such file", "Laysan_0002.jpg`; unpack"]);
    std::fs::remove_file(root.join("CUB_200_2011/classes.txt")).expect("removes");
    error("cub", root, Split::Train, &["classes.txt: no such file or folder; "]);
}

#[test]
fn nabirds_leaves_out_classes_without_images() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    put(
        root,
        "nabirds/classes.txt",
        "0 Birds\n1 Ducks, Geese, and Swans\n295 Common Eider (Adult male)\n817 Oldsquaw\n",
    );
    put(
        root,
        "nabirds/images.txt",
        "0000139e-21dc 0817/0000139e21dc.jpg\n0000d9fc-4e02 0295/0000d9fc4e02.jpg\n",
    );
    put(root, "nabirds/image_class_labels.txt", "0000139e-21dc 817\n0000d9fc-4e02 295\n");
    put(root, "nabirds/train_test_split.txt", "0000139e-21dc 0\n0000d9fc-4e02 1\n");
    put(root, "nabirds/images/0817/0000139e21dc.jpg", jpeg(8, 8, 1));
    put(root, "nabirds/images/0295/0000d9fc4e02.jpg", jpeg(8, 8, 2));
    assert_eq!(
        content("nabirds", root, Split::Train),
        pairs(&[("0000d9fc4e02.jpg", "Common Eider (Adult male)")])
    );
    assert_eq!(content("nabirds", root, Split::Test), pairs(&[("0000139e21dc.jpg", "Oldsquaw")]));
    let data = open(&DataSpec::at("nabirds", root), Split::Train).expect("opens");
    assert_eq!(data.classes(), ["Common Eider (Adult male)", "Oldsquaw"]);
    put(root, "nabirds/images.txt", "0000139e-21dc\n");
    error("nabirds", root, Split::Train, &["images.txt:1: `0000139e-21dc` is not of the form `IMAGE PATH`"]);
}

const INAT: &str = r#"{"info": {"year": 2018}, "licenses": [],
"images": [{"id": 7, "width": 800, "height": 600, "file_name": "train_val2018/Aves/2820/a.jpg", "license": 3},
           {"id": 9, "width": 800, "height": 600, "file_name": "train_val2018/Plantae/1/b.jpg", "license": 3}],
"annotations": [{"id": 7, "image_id": 7, "category_id": 2820}, {"id": 9, "image_id": 9, "category_id": 1}],
"categories": [{"id": 2820, "name": "Larus", "supercategory": "Aves"}, {"id": 1, "name": "Ficus", "supercategory": "Plantae"}]}"#;

#[test]
fn inaturalist() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    put(root, "train_val2018/Aves/2820/a.jpg", jpeg(8, 8, 1));
    put(root, "train_val2018/Plantae/1/b.jpg", jpeg(8, 8, 1));
    put(root, "train2018.json", INAT);
    assert_eq!(content("inat2018", root, Split::Train), pairs(&[("a.jpg", "Larus"), ("b.jpg", "Ficus")]));
    let data = open(&DataSpec::at("inat2018", root), Split::Train).expect("opens");
    assert_eq!(data.classes(), ["Ficus", "Larus"]);
    // The year before has other names of files.
    put(root, "val2017.json", INAT);
    assert_eq!(content("inat2017", root, Split::Test).len(), 2);
    error("inat2018", root, Split::Test, &["val2018.json: no such file"]);

    put(root, "train2018.json", INAT.replace("\"category_id\": 2820", "\"category_id\": 28"));
    error("inat2018", root, Split::Train, &["train2018.json: image 7: unknown class 28; "]);
    put(root, "train2018.json", INAT.replace("\"image_id\": 9", "\"image_id\": 8"));
    error("inat2018", root, Split::Train, &["image 9: no annotation gives its category; "]);
    put(root, "train2018.json", INAT.replace("1/b.jpg", "1/c.jpg"));
    error("inat2018", root, Split::Train, &["image 9: no such file", "c.jpg"]);
    put(root, "train2018.json", &INAT[..200]);
    error("inat2018", root, Split::Train, &["train2018.json:3:", "EOF", "; copy"]);
    for (from, to, part) in [
        ("{\"id\": 9, \"width\"", "{\"id\": 7, \"width\"", "image 7: the id of `images` 7 is given twice; "),
        ("\"image_id\": 9", "\"image_id\": 7", "the `image_id` of `annotations` 7 is given twice; "),
        ("{\"id\": 1, \"name\"", "{\"id\": 2820, \"name\"", "the id of `categories` 2820 is given twice; "),
    ] {
        put(root, "train2018.json", INAT.replace(from, to));
        error("inat2018", root, Split::Train, &["train2018.json: ", part]);
    }
    // 2021, the small training part.
    for part in ["train_mini", "val"] {
        put(root, &format!("{part}.json"), INAT.replace("train_val2018", part));
        put(root, &format!("{part}/Aves/2820/a.jpg"), jpeg(8, 8, 1));
        put(root, &format!("{part}/Plantae/1/b.jpg"), jpeg(8, 8, 1));
    }
    for split in [Split::Train, Split::Test] {
        assert_eq!(content("inat2021", root, split).len(), 2);
    }
    put(root, "train2018.json", INAT.replace("file_name", "filename"));
    error("inat2018", root, Split::Train, &["missing field `file_name`"]);
}

#[test]
fn stanford_cars() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    mat(root, "cars_meta.mat", "devkit/cars_meta.mat");
    mat(root, "cars_train_annos.mat", "devkit/cars_train_annos.mat");
    for file in ["cars_train/00001.jpg", "cars_train/00002.jpg", "cars_test/00001.jpg"] {
        put(root, file, jpeg(8, 8, 1));
    }
    let train =
        [("00001.jpg", "Ram C/V Cargo Van Minivan 2012"), ("00002.jpg", "AM General Hummer SUV 2000")];
    assert_eq!(content("cars", root, Split::Train), pairs(&train));
    error("cars", root, Split::Test, &["cars_test_annos_withlabels.mat: no such file"]);
    mat(root, "cars_test_annos_withlabels.mat", "devkit/cars_test_annos_withlabels.mat");
    let test = pairs(&[("00001.jpg", "Acura RL Sedan 2012")]);
    assert_eq!(content("cars", root, Split::Test), test);
    mat(root, "cars_test_annos_withlabels.mat", "cars_test_annos_withlabels.mat");
    assert_eq!(content("cars", root, Split::Test), test);
    // The file that came first has no labels.
    mat(root, "cars_without_labels.mat", "cars_test_annos_withlabels.mat");
    error("cars", root, Split::Test, &["annotation 1: no variable `class` among `bbox_x1`", "; "]);
    mat(root, "cars_unknown_class.mat", "devkit/cars_train_annos.mat");
    error("cars", root, Split::Train, &["cars_train_annos.mat: annotation 2: unknown class 8 of 3; "]);
    mat(root, "imagelabels.mat", "devkit/cars_train_annos.mat");
    error("cars", root, Split::Train, &["cars_train_annos.mat: no variable `annotations` among `labels`; "]);
    std::fs::remove_dir_all(root.join("devkit")).expect("removes");
    error("cars", root, Split::Train, &["no `devkit` in this folder"]);
}

#[test]
fn fgvc_aircraft() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = "fgvc-aircraft-2013b/data";
    let root = folder.path();
    put(root, &format!("{data}/variants.txt"), "707-320\nF/A-18\nMD-80\n");
    put(root, &format!("{data}/families.txt"), "Boeing 707\nF/A-18\nMD-80\n");
    put(root, &format!("{data}/manufacturers.txt"), "Boeing\nMcDonnell Douglas\n");
    put(root, &format!("{data}/images_variant_trainval.txt"), "1025794 707-320\n1340192 F/A-18\n");
    put(root, &format!("{data}/images_variant_test.txt"), "1514522 MD-80\n");
    put(root, &format!("{data}/images_family_trainval.txt"), "1025794 Boeing 707\n1340192 F/A-18\n");
    put(root, &format!("{data}/images_manufacturer_test.txt"), "1514522 McDonnell Douglas\n");
    for image in ["1025794", "1340192", "1514522"] {
        put(root, &format!("{data}/images/{image}.jpg"), jpeg(8, 8, 1));
    }
    let train = pairs(&[("1025794.jpg", "707-320"), ("1340192.jpg", "F/A-18")]);
    assert_eq!(content("aircraft", root, Split::Train), train);
    assert_eq!(
        content("aircraft", &root.join("fgvc-aircraft-2013b"), Split::Test),
        pairs(&[("1514522.jpg", "MD-80")])
    );
    assert_eq!(content("aircraft-family", root, Split::Train)[0].1, "Boeing 707");
    assert_eq!(content("aircraft-manufacturer", root, Split::Test)[0].1, "McDonnell Douglas");
    put(root, &format!("{data}/images_variant_trainval.txt"), "1025794 707-302\n");
    error(
        "aircraft",
        root,
        Split::Train,
        &["trainval.txt:1: unknown class `707-302`; did you mean `707-320`?"],
    );
    put(root, &format!("{data}/images_variant_trainval.txt"), "9999999 707-320\n");
    error("aircraft", root, Split::Train, &["trainval.txt:1: no such file", "9999999.jpg"]);
    put(root, &format!("{data}/images_variant_trainval.txt"), "\n");
    error("aircraft", root, Split::Train, &["trainval.txt: the list has no images"]);
}

#[test]
fn oxford_flowers() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    mat(root, "imagelabels.mat", "imagelabels.mat");
    mat(root, "setid.mat", "setid.mat");
    (1..=4).for_each(|i| drop(put(root, &format!("jpg/image_0000{i}.jpg"), jpeg(8, 8, i))));
    let train = pairs(&[("image_00003.jpg", "2"), ("image_00001.jpg", "2")]);
    assert_eq!(content("flowers", root, Split::Train), train);
    assert_eq!(
        content("flowers", root, Split::Test),
        pairs(&[("image_00002.jpg", "1"), ("image_00004.jpg", "3")])
    );
    let named = |names: &[&str]| {
        let spec = DataSpec::at("flowers", root).with_keys(&format!("classes = {names:?}")).expect("TOML");
        open(&spec, Split::Test)
    };
    let data = named(&["pink primrose", "orchid", "bell"]).expect("opens");
    assert_eq!(data.classes()[data.label(1).expect("a label") as usize], "bell");
    assert_error(named(&["pink primrose"]).map(|_| ()), &["imagelabels.mat: 1 names for 3 classes; "]);
    mat(root, "setid_beyond.mat", "setid.mat");
    error("flowers", root, Split::Test, &["setid.mat: tstid: image 9 has no label in imagelabels.mat; "]);
    put(root, "setid.mat", &std::fs::read(fixture("mat/setid.mat")).expect("reads")[..200]);
    error("flowers", root, Split::Test, &["setid.mat: broken MAT-file: it ends", "too early; "]);
}

#[test]
fn oxford_pets() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    put(
        root,
        "annotations/trainval.txt",
        "Abyssinian_100 1 1 1\nAbyssinian_101 1 1 1\namerican_bulldog_100 2 2 1\n",
    );
    put(root, "annotations/test.txt", "american_bulldog_201 2 2 1\n");
    put(root, "annotations/list.txt", "#Image CLASS-ID SPECIES BREED ID\n");
    for image in ["Abyssinian_100", "Abyssinian_101", "american_bulldog_100", "american_bulldog_201"] {
        put(root, &format!("images/{image}.jpg"), jpeg(8, 8, 1));
    }
    let train = content("pets", root, Split::Train);
    assert_eq!(train[0].1, "Abyssinian");
    assert_eq!(train[2], ("american_bulldog_100.jpg".to_owned(), "american bulldog".to_owned()));
    assert_eq!(
        content("pets", root, Split::Test),
        pairs(&[("american_bulldog_201.jpg", "american bulldog")])
    );
    put(root, "annotations/test.txt", "pug_1 3 2 1\n");
    error("pets", root, Split::Test, &["test.txt:1: unknown class 3 (`pug`); "]);
    put(root, "annotations/trainval.txt", "Abyssinian_100 1 1 1\npug_1 1 2 1\n");
    error("pets", root, Split::Train, &["trainval.txt:2: class 1 is `pug` here and `Abyssinian` above; "]);
}
