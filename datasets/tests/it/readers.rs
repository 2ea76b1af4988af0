use std::io::Write;
use std::path::Path;

use palimpsest_core::data::Dataset;
use palimpsest_core::registry;
use palimpsest_datasets::cifar::{Cifar, CifarDataset};
use palimpsest_datasets::csv_list::{CsvKeys, CsvList};
use palimpsest_datasets::folder::FolderDataset;
use palimpsest_datasets::idx::{IdxArray, IdxDataset};
use palimpsest_datasets::open::open_with_notes;
use palimpsest_datasets::{DataSpec, DecodeOptions, ReaderEntry, Split, open};
use tempfile::tempdir;

use crate::files::{assert_error, bytes, jpeg, png, put, rgb_image};

fn places(data: &dyn Dataset, root: &Path) -> Vec<String> {
    let root = format!("{}/", root.display());
    (0..data.len()).map(|i| data.location(i).replace(&root, "")).collect()
}

#[test]
fn the_embedded_sample_is_balanced() {
    for (split, count) in [(Split::Train, 8_000), (Split::Test, 2_000)] {
        let data = open(&DataSpec::new("fashion-mnist"), split).expect("opens");
        assert_eq!((data.len(), data.classes().len()), (count, 10));
        let mut per_class = [0; 10];
        (0..count).for_each(|i| per_class[data.label(i).expect("has a label") as usize] += 1);
        assert_eq!(per_class, [count / 10; 10]);
        let image = data.load(count - 1).expect("loads");
        assert_eq!((image.width, image.height, image.channels), (28, 28, 1));
        assert!(bytes(image).pixels.iter().any(|&v| v > 100));
    }
    // The first training image of the original is an ankle boot.
    let data = open(&DataSpec::new("fashion-mnist"), Split::Train).expect("opens");
    assert_eq!(data.classes()[data.label(0).expect("has a label") as usize], "ankle boot");
}

#[test]
fn a_folder_with_classes() {
    let folder = tempdir().expect("a folder");
    let root = folder.path();
    for name in ["dog/b.PNG", "dog/deep/a.png", "cat/z.png", "cat/a.jpeg"] {
        put(root, name, if name.ends_with("jpeg") { jpeg(8, 8, 1) } else { png(8, 8, 1) });
    }
    for name in ["dog/notes.txt", "cat/.hidden.png", ".cache/x.png", "README"] {
        put(root, name, "text");
    }
    let data = FolderDataset::open(root, None, DecodeOptions::default()).expect("opens");
    assert_eq!(places(&data, root), ["cat/a.jpeg", "cat/z.png", "dog/b.PNG", "dog/deep/a.png"]);
    assert_eq!(data.classes(), ["cat", "dog"]);
    assert_eq!((0..4).map(|i| data.label(i)).collect::<Vec<_>>(), [Some(0), Some(0), Some(1), Some(1)]);
    assert_eq!(data.notes(), ["2 files that are no images were passed over"]);
    assert_eq!(bytes(data.load(1).expect("loads")).pixels, *rgb_image(8, 8, 1).as_raw());
}

#[test]
fn a_flat_folder_has_no_classes() {
    let folder = tempdir().expect("a folder");
    for name in ["b.png", "a.png", "more/c.png"] {
        put(folder.path(), name, png(4, 4, 0));
    }
    let data = FolderDataset::open(folder.path(), None, DecodeOptions::default()).expect("opens");
    assert_eq!(places(&data, folder.path()), ["a.png", "b.png", "more/c.png"]);
    assert!(data.classes().is_empty() && data.label(0).is_none());
}

#[test]
fn a_folder_with_splits() {
    let folder = tempdir().expect("a folder");
    let root = folder.path();
    for name in ["train/cat/1.png", "train/dog/2.png", "val/dog/3.png", "val/dog/readme.md"] {
        put(root, name, png(4, 4, 0));
    }
    let spec = DataSpec::at("folder", root);
    assert_eq!(
        places(&*open(&spec, Split::Train).expect("opens"), root),
        ["train/cat/1.png", "train/dog/2.png"]
    );
    let test = open_with_notes(&spec, Split::Test).expect("opens");
    assert_eq!(places(&*test.dataset, root), ["val/dog/3.png"]);
    // Labels are those of the training part, though `cat` is missing here.
    assert_eq!(test.dataset.label(0), Some(1));
    assert_eq!(test.notes, ["1 file that is no image was passed over"]);

    // Test images without classes give way to a validation part that has them.
    put(root, "test/4.png", png(4, 4, 0));
    assert_eq!(places(&*open(&spec, Split::Test).expect("opens"), root), ["val/dog/3.png"]);
    put(root, "val/dgo/5.png", png(4, 4, 0));
    assert_error(
        open(&spec, Split::Test),
        &["val", "no class `dgo` (did you mean `dog`?)", "training: cat, dog; test: dgo, dog"],
    );
}

#[test]
fn a_held_out_part_is_stable() {
    let folder = tempdir().expect("a folder");
    let root = folder.path();
    (0..120).for_each(|i| drop(put(root, &format!("c{}/{i}.png", i % 2), png(2, 2, i))));
    let spec = DataSpec { holdout: 0.2, ..DataSpec::at("folder", root) };
    let parts =
        || [Split::Train, Split::Test].map(|split| places(&*open(&spec, split).expect("opens"), root));
    let [train, test] = parts();
    assert_eq!(train.len() + test.len(), 120);
    assert!((8..=45).contains(&test.len()), "{}", test.len());
    assert!(test.iter().all(|t| !train.contains(t)));
    (120..200).for_each(|i| drop(put(root, &format!("c{}/{i}.png", i % 2), png(2, 2, i))));
    let [more_train, more_test] = parts();
    assert!(train.iter().all(|t| more_train.contains(t)) && test.iter().all(|t| more_test.contains(t)));

    let all = DataSpec { holdout: 0.0, ..spec.clone() };
    assert_eq!(open(&all, Split::Train).expect("opens").len(), 200);
    assert_error(open(&all, Split::Test), &["test part is empty", "holdout"]);
    assert_error(open(&DataSpec { holdout: 1.5, ..spec }, Split::Test), &["holdout = 1.5"]);
}

#[test]
fn broken_folders() {
    let folder = tempdir().expect("a folder");
    let root = folder.path();
    assert_error(open(&DataSpec::at("folder", root.join("none")), Split::Train), &["none", "no such file"]);
    assert_error(open(&DataSpec::at("folder", root), Split::Train), &["no images (0 other files)", "webp"]);
    let file = put(root, "a.png", b"lies");
    assert_error(open(&DataSpec::at("folder", &file), Split::Train), &["this is a file"]);
    assert_error(open(&DataSpec::new("folder"), Split::Train), &["needs a path", "`path`"]);
    let data = FolderDataset::open(root, None, DecodeOptions::default()).expect("opens");
    assert_error(data.load(0), &["a.png", "not a JPEG"]);
}

#[test]
fn names() {
    assert_error(
        open(&DataSpec::new("foldr"), Split::Train),
        &["unknown data set `foldr`", "did you mean `folder`?"],
    );
    assert_eq!(
        registry::all::<ReaderEntry>().iter().map(|reader| reader.name).collect::<Vec<_>>(),
        [
            ["ade20k", "aircraft", "aircraft-family", "aircraft-manufacturer", "camvid", "cars"].as_slice(),
            &["cifar10", "cifar100", "coco", "csv", "cub", "fashion-mnist", "flowers", "folder", "idx"],
            &[
                "inat2017",
                "inat2018",
                "inat2021",
                "index-png",
                "nabirds",
                "parquet",
                "pets",
                "scenes",
                "stl10",
                "stl10-unlabeled"
            ],
            &["voc", "webdataset", "yolo"],
        ]
        .concat()
    );
    assert_eq!("test".parse::<Split>().expect("is one"), Split::Test);
    assert_error("tset".parse::<Split>(), &["did you mean `test`?"]);
}

fn cifar_records(variant: Cifar, count: usize) -> Vec<u8> {
    let labels = variant.record() - 3072;
    (0..count)
        .flat_map(|i| {
            let head = [(i % 10) as u8, (i % 10 * 2) as u8];
            let planes = [1_u8, 2, 3].map(|plane| vec![plane * 10 + i as u8; 1024]).concat();
            [&head[..labels], &planes].concat()
        })
        .collect()
}

#[test]
fn cifar_10_in_its_layout() {
    let folder = tempdir().expect("a folder");
    let inner = folder.path().join("cifar-10-batches-bin");
    for i in 1..=5 {
        put(&inner, &format!("data_batch_{i}.bin"), cifar_records(Cifar::Ten, 4));
    }
    put(&inner, "test_batch.bin", cifar_records(Cifar::Ten, 3));
    put(&inner, "batches.meta.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n");
    for path in [folder.path(), &inner] {
        let spec = DataSpec::at("cifar10", path);
        let train = open(&spec, Split::Train).expect("opens");
        assert_eq!((train.len(), open(&spec, Split::Test).expect("opens").len()), (20, 3));
        assert_eq!(train.classes()[1], "b");
        assert_eq!(train.label(5), Some(1));
        assert!(train.location(5).ends_with("data_batch_2.bin, record 1"), "{}", train.location(5));
        let image = bytes(train.load(5).expect("loads"));
        assert_eq!((image.width, image.height, &image.pixels[..6]), (32, 32, &[11, 21, 31, 11, 21, 31][..]));
    }
    let one = CifarDataset::from_files(Cifar::Ten, &[inner.join("test_batch.bin")]).expect("opens");
    assert_eq!(one.len(), 3);

    let bad = put(&inner, "data_batch_3.bin", &cifar_records(Cifar::Ten, 4)[..7_000]);
    let bad = bad.to_str().expect("Unicode");
    let spec = DataSpec::at("cifar10", folder.path());
    assert_error(open(&spec, Split::Train), &[bad, "7000 bytes are 2 records of 3073 and 854 bytes over"]);
    let mut wrong = cifar_records(Cifar::Ten, 4);
    wrong[3073] = 10;
    put(&inner, "data_batch_3.bin", wrong);
    assert_error(open(&spec, Split::Train), &[bad, "record 1 has label 10", "10 classes"]);
    put(&inner, "data_batch_3.bin", "");
    assert_error(open(&spec, Split::Train), &[bad, "0 bytes are 0 records"]);
    std::fs::remove_file(bad).expect("is there");
    assert_error(open(&spec, Split::Train), &[bad, "no such file"]);
}

#[test]
fn cifar_100_fine_and_coarse() {
    let folder = tempdir().expect("a folder");
    let inner = folder.path().join("cifar-100-binary");
    put(&inner, "train.bin", cifar_records(Cifar::HundredFine, 10));
    put(&inner, "test.bin", cifar_records(Cifar::HundredFine, 2));
    let spec = DataSpec::at("cifar100", folder.path());
    let fine = open(&spec, Split::Train).expect("opens");
    let coarse = open(&spec.clone().with_keys("coarse = true").expect("TOML"), Split::Train).expect("opens");
    assert_error(
        open(&spec.clone().with_keys("coarce = true").expect("TOML"), Split::Train),
        &["`data.reader.coarce`: unknown key `coarce`; did you mean `coarse`?"],
    );
    assert_error(
        open(&spec.with_keys("coarse = 1").expect("TOML"), Split::Train),
        &["`data.reader.coarse`: invalid type", "write a value like false"],
    );
    assert_eq!((fine.len(), fine.classes().len(), fine.label(7)), (10, 100, Some(14)));
    assert_eq!((coarse.len(), coarse.classes().len(), coarse.label(7)), (10, 20, Some(7)));
    assert_eq!(bytes(fine.load(7).expect("loads")).pixels[..3], [17, 27, 37]);
}

fn idx(shape: &[u32], fill: impl Fn(usize) -> u8) -> Vec<u8> {
    let count = shape.iter().product::<u32>() as usize;
    let mut bytes = vec![0, 0, 8, shape.len() as u8];
    bytes.extend(shape.iter().flat_map(|s| s.to_be_bytes()));
    bytes.extend((0..count).map(fill));
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).expect("packs");
    packed.finish().expect("packs")
}

#[test]
fn idx_plain_and_packed() {
    let folder = tempdir().expect("a folder");
    let root = folder.path();
    put(root, "train-images-idx3-ubyte.gz", gzip(&idx(&[6, 4, 5], |i| i as u8)));
    put(root, "train-labels-idx1-ubyte.gz", gzip(&idx(&[6], |i| i as u8 % 3)));
    put(root, "t10k-images.idx3-ubyte", idx(&[2, 4, 5], |i| i as u8));
    let spec = DataSpec::at("idx", root);
    let train = open(&spec, Split::Train).expect("opens");
    assert_eq!(
        (train.len(), train.classes(), train.label(4)),
        (6, &["0", "1", "2"].map(String::from)[..], Some(1))
    );
    let image = bytes(train.load(1).expect("loads"));
    assert_eq!((image.width, image.height, image.channels, image.pixels[0]), (5, 4, 1, 20));
    assert_eq!(open(&spec, Split::Test).expect("opens").label(0), None);

    let file = DataSpec { holdout: 0.0, ..DataSpec::at("idx", root.join("train-images-idx3-ubyte.gz")) };
    assert_eq!(open(&file, Split::Train).expect("opens").label(5), Some(2));
    let colour = put(root, "colour", idx(&[2, 2, 2, 3], |i| i as u8));
    assert_eq!(IdxDataset::open(&colour, None).expect("opens").load(0).expect("loads").channels, 3);
}

#[test]
fn broken_idx() {
    let folder = tempdir().expect("a folder");
    let root = folder.path();
    let whole = idx(&[6, 4, 5], |i| i as u8);
    let check = |bytes: &[u8], parts: &[&str]| {
        let path = put(root, "pictures", bytes);
        assert_error(IdxDataset::open(&path, None), &[&[path.to_str().expect("Unicode")], parts].concat());
    };
    check(&whole[..100], &["[6, 4, 5], 120 bytes, but 84 follow"]);
    check(&[&whole[..], &[0]].concat(), &["120 bytes, but more follow"]);
    check(&gzip(&whole[..100]), &["120 bytes, but 84 follow"]);
    let packed = gzip(&whole);
    check(&packed[..packed.len() / 2], &["can't be read"]);
    check(b"", &["not an IDX file"]);
    check(b"\x89PNG", &["not an IDX file", "[89, 50, 4e, 47]"]);
    check(&whole[..9], &["header of 3 sizes is truncated"]);
    check(&[0, 0, 8, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255], &["can't be"]);
    // 4 GiB that are not there: refused without taking them.
    check(&[0, 0, 8, 3, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0], &["4294967296 bytes, but 0 follow"]);
    check(&idx(&[6], |_| 0), &["[6] are not images"]);

    let images = put(root, "images", &whole);
    let labels = put(root, "labels", idx(&[5], |_| 0));
    assert_error(IdxDataset::open(&images, Some(&labels)), &["labels", "[5] for 6 images"]);
    assert_error(IdxDataset::open(&root.join("none"), None), &["none", "no such file"]);
    assert_error(open(&DataSpec::at("idx", root), Split::Train), &["train-images-idx3-ubyte"]);
    assert_eq!(IdxArray::read(&images).expect("reads").shape, [6, 4, 5]);
}

#[test]
fn csv_lists() {
    let folder = tempdir().expect("a folder");
    let root = folder.path();
    for name in ["p/a.png", "p/b, c.png", "p/d.png"] {
        put(root, name, png(3, 3, 0));
    }
    let open_list = |text: &str, classes: &[&str]| {
        let list = put(root, "list.csv", text);
        let classes: Vec<_> = classes.iter().map(|c| (*c).to_owned()).collect();
        CsvList::open(&list, &CsvKeys::default(), &classes, DecodeOptions::default())
    };
    let data =
        open_list("path,label,note\np/a.png,dog,\n\"p/b, c.png\",cat,x\np/d.png,,\n", &[]).expect("opens");
    assert_eq!(data.classes(), ["cat", "dog"]);
    assert_eq!([0, 1, 2].map(|i| data.label(i)), [Some(1), Some(0), None]);
    assert_eq!(data.load(1).expect("loads").width, 3);
    let data = open_list("\u{feff}label,path\r\n10,p/a.png\r\n9,p/d.png\r\n", &[]).expect("opens");
    assert_eq!((data.classes(), data.label(0)), (&["9", "10"].map(String::from)[..], Some(1)));
    let data = open_list("path\np/a.png\n", &[]).expect("opens");
    assert_eq!((data.len(), data.label(0)), (1, None));

    assert_error(
        open_list("path,label\np/a.png,dgo\n", &["cat", "dog"]),
        &["list.csv:2", "unknown class `dgo`", "`dog`"],
    );
    assert_error(
        open_list("path,label\np/a.png,dog\n\np/none.png,cat\n", &[]),
        &["list.csv:4", "no such file `p/none.png`"],
    );
    assert_error(
        open_list("path,label\np/b, c.png,cat\n", &[]),
        &["list.csv:2", "3 fields where the header has 2", "quotes"],
    );
    assert_error(
        open_list("bild,label\np/a.png,cat\n", &[]),
        &["list.csv:1", "no column of paths", "bild,label", "data.reader.path_column"],
    );
    assert_error(open_list("path,label\n,cat\n", &[]), &["list.csv:2", "path is empty"]);
    assert_error(open_list("path,label\n", &[]), &["no rows"]);
    assert_error(open_list("", &[]), &["no column of paths"]);
    assert_error(
        CsvList::open(&root.join("none.csv"), &CsvKeys::default(), &[], DecodeOptions::default()),
        &["none.csv", "no such file"],
    );
    let list = put(root, "latin.csv", b"path\np/a.png\n\xFF\xFE.png\n");
    let latin = CsvList::open(&list, &CsvKeys::default(), &[], DecodeOptions::default());
    assert_error(latin, &["latin.csv:3", "UTF-8"]);
}

#[test]
fn a_folder_with_csv_lists() {
    let folder = tempdir().expect("a folder");
    let root = folder.path();
    put(root, "a.png", png(3, 3, 0));
    put(root, "b.png", png(3, 3, 0));
    put(root, "train.csv", "path,label\na.png,cat\nb.png,dog\n");
    put(root, "val.csv", "path,label\na.png,dog\n");
    let spec = DataSpec::at("csv", root);
    assert_eq!(open(&spec, Split::Train).expect("opens").len(), 2);
    assert_eq!(open(&spec, Split::Test).expect("opens").label(0), Some(1));
    put(root, "test.csv", "path,label\na.png,cow\n");
    assert_error(open(&spec, Split::Test), &["test.csv:2", "unknown class `cow`", "cat, dog"]);
}
