//! Data sets by name, as a recipe gives them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use palimpsest_core::data::Dataset;
use palimpsest_core::error::unknown_name;
use palimpsest_core::{Error, Result};

use crate::cifar::{Cifar, CifarDataset};
use crate::csv_list::CsvList;
use crate::decode::DecodeOptions;
use crate::embedded::fashion_mnist;
use crate::folder::{FolderDataset, class_folders};
use crate::idx::IdxDataset;
use crate::split::{Split, Subset};

/// Which data, where, and how to read them.
#[derive(Debug, Clone, PartialEq)]
pub struct DataSpec {
    /// One of [`list`]'s names.
    pub name: String,
    /// The folder or file; not needed for the embedded sample.
    pub path: Option<PathBuf>,
    /// 1 (grey) or 3 (RGB): what picture files are decoded to. CIFAR and IDX bring their own.
    pub channels: usize,
    /// The share that is held out for testing where the data bring no test part.
    pub holdout: f64,
    /// `idx`: the file of labels, where it isn't beside the pictures under the usual name.
    pub labels: Option<PathBuf>,
    /// `csv`: the classes, in the order of the labels; empty for those that occur.
    pub classes: Vec<String>,
    /// `cifar100`: the 20 coarse classes in place of the 100 fine ones.
    pub coarse: bool,
    /// Pictures with more pixels are refused.
    pub max_pixels: u64,
}

impl Default for DataSpec {
    fn default() -> Self {
        let DecodeOptions { channels, max_pixels } = DecodeOptions::default();
        Self {
            name: "fashion-mnist".to_owned(),
            path: None,
            channels,
            holdout: 0.1,
            labels: None,
            classes: Vec::new(),
            coarse: false,
            max_pixels,
        }
    }
}

impl DataSpec {
    /// The data set `name`, with the defaults.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// The data set `name` at `path`, with the defaults.
    pub fn at(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self { path: Some(path.into()), ..Self::new(name) }
    }

    fn path(&self) -> Result<&Path> {
        self.path.as_deref().ok_or_else(|| {
            Error::user(format!("the data set `{}` needs a path", self.name))
                .mend("set `path` to its folder or file")
        })
    }

    fn decode(&self) -> DecodeOptions {
        DecodeOptions { channels: self.channels, max_pixels: self.max_pixels }
    }
}

/// What the user is told of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatasetInfo {
    /// The name in a recipe.
    pub name: &'static str,
    /// One line on what it is.
    pub summary: &'static str,
    /// The files that are expected at `path`.
    pub layout: &'static str,
}

/// An opened data set.
pub struct Opened {
    /// The samples.
    pub dataset: Arc<dyn Dataset>,
    /// What the user may want to know, one sentence each: files passed over, a part held out.
    pub notes: Vec<String>,
}

impl Opened {
    fn plain(dataset: impl Dataset + 'static) -> Self {
        Self { dataset: Arc::new(dataset), notes: Vec::new() }
    }
}

struct Reader {
    info: DatasetInfo,
    open: fn(&DataSpec, Split) -> Result<Opened>,
}

static READERS: [Reader; 6] = [
    Reader {
        info: DatasetInfo {
            name: "fashion-mnist",
            summary: "embedded sample of Fashion-MNIST: 8,000 + 2,000 pictures, 28x28 grey, 10 classes",
            layout: "nothing: it is part of the program",
        },
        open: |_, split| Ok(Opened { dataset: fashion_mnist(split)?, notes: Vec::new() }),
    },
    Reader {
        info: DatasetInfo {
            name: "folder",
            summary: "JPEG, PNG and WebP pictures in a folder, with or without a sub-folder per class",
            layout: "CLASS/**/*.jpg or **/*.jpg; optionally under train/ and test/ (or val/, validation/)",
        },
        open: open_folder,
    },
    Reader {
        info: DatasetInfo {
            name: "cifar10",
            summary: "CIFAR-10, binary version: 50,000 + 10,000 pictures, 32x32 RGB, 10 classes",
            layout: "cifar-10-batches-bin/{data_batch_1..5,test_batch}.bin, or one .bin file",
        },
        open: |spec, split| open_cifar(spec, split, Cifar::Ten),
    },
    Reader {
        info: DatasetInfo {
            name: "cifar100",
            summary: "CIFAR-100, binary version: 50,000 + 10,000 pictures, 32x32 RGB, 100 (or 20) classes",
            layout: "cifar-100-binary/{train,test}.bin, or one .bin file",
        },
        open: |spec, split| {
            open_cifar(spec, split, if spec.coarse { Cifar::HundredCoarse } else { Cifar::HundredFine })
        },
    },
    Reader {
        info: DatasetInfo {
            name: "idx",
            summary: "pictures and labels in the IDX format of MNIST, plain or gzip'd",
            layout: "{train,t10k}-{images-idx3,labels-idx1}-ubyte[.gz], or one file of pictures",
        },
        open: open_idx,
    },
    Reader {
        info: DatasetInfo {
            name: "csv",
            summary: "a list of picture files, with or without labels",
            layout: "a .csv with the header `path,label` or `path`; or a folder with train.csv and test.csv",
        },
        open: open_csv,
    },
];

/// The data sets that can be opened.
pub fn list() -> Vec<DatasetInfo> {
    READERS.iter().map(|reader| reader.info).collect()
}

/// Opens a part of a data set.
///
/// # Errors
/// An unknown name, a path that is missing or has another layout, broken files of fixed format.
/// Broken pictures are found only when they are loaded.
pub fn open(spec: &DataSpec, split: Split) -> Result<Arc<dyn Dataset>> {
    open_with_notes(spec, split).map(|opened| opened.dataset)
}

/// As [`open`], with what the user may want to know.
///
/// # Errors
/// As [`open`].
pub fn open_with_notes(spec: &DataSpec, split: Split) -> Result<Opened> {
    let reader = READERS
        .iter()
        .find(|reader| reader.info.name == spec.name)
        .ok_or_else(|| unknown_name("data set", &spec.name, READERS.iter().map(|reader| reader.info.name)))?;
    (reader.open)(spec, split)
}

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
