//! Readers of pictures, with or without classes, that aren't tied to one distributed set.

use std::path::PathBuf;
use std::sync::Arc;

use palimpsest_core::data::Dataset;
use palimpsest_core::{Error, Result};

use crate::cifar::{Cifar, CifarDataset};
use crate::csv_list::CsvList;
use crate::embedded::fashion_mnist;
use crate::folder::{FolderDataset, class_folders};
use crate::idx::IdxDataset;
use crate::reader::{DatasetInfo, Opened, Reader};
use crate::spec::DataSpec;
use crate::split::{Split, Subset};
use crate::stl10::{Stl10, Stl10Dataset};

pub(crate) static READERS: [Reader; 8] = [
    Reader::pictures(
        DatasetInfo {
            name: "fashion-mnist",
            summary: "embedded sample of Fashion-MNIST: 8,000 + 2,000 pictures, 28x28 grey, 10 classes",
            layout: "nothing: it is part of the program",
        },
        |_, split| Ok(Opened { dataset: fashion_mnist(split)?, notes: Vec::new() }),
    ),
    Reader::pictures(
        DatasetInfo {
            name: "folder",
            summary: "JPEG, PNG and WebP pictures in a folder, with or without a sub-folder per class",
            layout: "CLASS/**/*.jpg or **/*.jpg; optionally under train/ and test/ (or val/, validation/)",
        },
        open_folder,
    ),
    Reader::pictures(
        DatasetInfo {
            name: "cifar10",
            summary: "CIFAR-10, binary version: 50,000 + 10,000 pictures, 32x32 RGB, 10 classes",
            layout: "cifar-10-batches-bin/{data_batch_1..5,test_batch}.bin, or one .bin file",
        },
        |spec, split| open_cifar(spec, split, Cifar::Ten),
    ),
    Reader::pictures(
        DatasetInfo {
            name: "cifar100",
            summary: "CIFAR-100, binary version: 50,000 + 10,000 pictures, 32x32 RGB, 100 (or 20) classes",
            layout: "cifar-100-binary/{train,test}.bin, or one .bin file",
        },
        |spec, split| {
            open_cifar(spec, split, if spec.coarse { Cifar::HundredCoarse } else { Cifar::HundredFine })
        },
    ),
    Reader::pictures(
        DatasetInfo {
            name: "stl10",
            summary: "STL-10: 5,000 + 8,000 pictures, 96x96 RGB, 10 classes",
            layout: "stl10_binary/{train,test}_{X,y}.bin, class_names.txt",
        },
        |spec, split| Stl10Dataset::open(spec.path()?, Stl10::Labelled, split).map(Opened::plain),
    ),
    Reader::pictures(
        DatasetInfo {
            name: "stl10-unlabeled",
            summary: "STL-10's 100,000 pictures without classes to train on; its 8,000 with classes to test on",
            layout: "stl10_binary/unlabeled_X.bin, test_{X,y}.bin, class_names.txt",
        },
        |spec, split| Stl10Dataset::open(spec.path()?, Stl10::Unlabelled, split).map(Opened::plain),
    ),
    Reader::pictures(
        DatasetInfo {
            name: "idx",
            summary: "pictures and labels in the IDX format of MNIST, plain or gzip'd",
            layout: "{train,t10k}-{images-idx3,labels-idx1}-ubyte[.gz], or one file of pictures",
        },
        open_idx,
    ),
    Reader::pictures(
        DatasetInfo {
            name: "csv",
            summary: "a list of picture files, with or without labels",
            layout: "a .csv with the header `path,label` or `path`; or a folder with train.csv and test.csv",
        },
        open_csv,
    ),
];

fn held_out_note(split: Split, spec: &DataSpec) -> String {
    format!(
        "no test part: `{split}` is without or of the held-out {:.0} %, by hash of the path",
        100.0 * spec.holdout
    )
}

/// A part by [`Subset::held_out`]; with `holdout = 0` the training part is the whole.
fn hold_out<D: Dataset + 'static>(
    data: D,
    spec: &DataSpec,
    split: Split,
    key: impl Fn(&D, usize) -> String,
) -> Result<Opened> {
    if split == Split::Train && spec.holdout == 0.0 {
        return Ok(Opened::plain(data));
    }
    let data = Arc::new(data);
    let inner: Arc<dyn Dataset> = Arc::clone(&data) as _;
    let subset = Subset::held_out(inner, split, spec.holdout, |i| key(&data, i))?;
    Ok(Opened { dataset: Arc::new(subset), notes: vec![held_out_note(split, spec)] })
}

fn open_folder(spec: &DataSpec, split: Split) -> Result<Opened> {
    let root = spec.path()?;
    if root.is_file() {
        return Err(Error::user("this is a file")
            .at(root.display())
            .mend("give the folder that has the pictures"));
    }
    let train = root.join("train");
    let tests: Vec<PathBuf> =
        ["test", "val", "validation"].iter().map(|name| root.join(name)).filter(|p| p.is_dir()).collect();
    let (mut opened, passed_over);
    if !train.is_dir() || tests.is_empty() {
        // Without both parts, one folder is split; its key is the path below that folder.
        let folder = if train.is_dir() { &train } else { root };
        let data = FolderDataset::open(folder, None, spec.decode())?;
        passed_over = data.passed_over();
        opened = hold_out(data, spec, split, FolderDataset::key).map_err(|e| e.at(folder.display()))?;
    } else if split == Split::Train {
        let data = FolderDataset::open(&train, None, spec.decode())?;
        passed_over = data.passed_over();
        opened = Opened::plain(data);
    } else {
        let classes = class_folders(&train)?;
        // Some sets (ImageNet) have test pictures without classes beside a validation part with them.
        let labelled = tests.iter().find(|t| class_folders(t).is_ok_and(|c| !c.is_empty()));
        let folder = labelled.filter(|_| !classes.is_empty()).unwrap_or(&tests[0]);
        let data = FolderDataset::open(folder, Some(&classes), spec.decode())?;
        passed_over = data.passed_over();
        opened = Opened::plain(data);
    }
    if passed_over > 0 {
        opened.notes.push(format!("{passed_over} files that are not pictures were passed over"));
    }
    Ok(opened)
}

fn open_cifar(spec: &DataSpec, split: Split, variant: Cifar) -> Result<Opened> {
    let path = spec.path()?;
    if path.is_file() {
        let data = CifarDataset::from_files(variant, &[path.to_owned()])?;
        return hold_out(data, spec, split, |_, i| i.to_string());
    }
    CifarDataset::open(variant, path, split).map(Opened::plain)
}

fn open_idx(spec: &DataSpec, split: Split) -> Result<Opened> {
    let path = spec.path()?;
    if path.is_dir() {
        let (images, labels) = IdxDataset::find(path, split == Split::Test)?;
        return IdxDataset::open(&images, labels.as_deref()).map(Opened::plain);
    }
    let labels = spec.labels.clone().or_else(|| IdxDataset::labels_beside(path));
    let data = IdxDataset::open(path, labels.as_deref())?;
    hold_out(data, spec, split, |_, i| i.to_string())
}

fn open_csv(spec: &DataSpec, split: Split) -> Result<Opened> {
    let path = spec.path()?;
    if !path.is_dir() {
        let data = CsvList::open(path, Some(&spec.classes), spec.decode())?;
        return hold_out(data, spec, split, CsvList::key);
    }
    let train = CsvList::open(&path.join("train.csv"), Some(&spec.classes), spec.decode())?;
    let test = ["test.csv", "val.csv"].iter().map(|name| path.join(name)).find(|p| p.is_file());
    match (split, test) {
        (_, None) => hold_out(train, spec, split, CsvList::key),
        (Split::Train, Some(_)) => Ok(Opened::plain(train)),
        (Split::Test, Some(list)) => {
            CsvList::open(&list, Some(train.classes()), spec.decode()).map(Opened::plain)
        }
    }
}
