//! The binary version of CIFAR-10 and CIFAR-100: <https://www.cs.toronto.edu/~kriz/cifar.html>.
//!
//! A record is one label byte (two in CIFAR-100: coarse, fine) and 32x32 pixels as three planes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use palimpsest_core::data::{Dataset, Image};
use palimpsest_core::{Error, Result};

use crate::reader::{NoKeys, Opened, Reader, ReaderEntry};
use crate::spec::DataSpec;
use crate::split::{Split, hold_out};

const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;

/// Which of the CIFAR data sets, and which of its labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cifar {
    /// Ten classes.
    Ten,
    /// CIFAR-100 with its 100 fine classes.
    HundredFine,
    /// CIFAR-100 with its 20 coarse classes.
    HundredCoarse,
}

impl Cifar {
    fn labels(self) -> usize {
        if self == Self::Ten { 1 } else { 2 }
    }

    /// Bytes in a record.
    pub fn record(self) -> usize {
        self.labels() + 3 * PLANE
    }

    fn class_count(self) -> usize {
        match self {
            Self::Ten => 10,
            Self::HundredFine => 100,
            Self::HundredCoarse => 20,
        }
    }

    fn folder(self) -> &'static str {
        if self == Self::Ten { "cifar-10-batches-bin" } else { "cifar-100-binary" }
    }

    fn files(self, split: Split) -> Vec<String> {
        match (self, split) {
            (Self::Ten, Split::Train) => (1..=5).map(|i| format!("data_batch_{i}.bin")).collect(),
            (Self::Ten, Split::Test) => vec!["test_batch.bin".to_owned()],
            (_, split) => vec![format!("{split}.bin")],
        }
    }

    fn class_file(self) -> &'static str {
        match self {
            Self::Ten => "batches.meta.txt",
            Self::HundredFine => "fine_label_names.txt",
            Self::HundredCoarse => "coarse_label_names.txt",
        }
    }
}

struct Part {
    path: PathBuf,
    bytes: Vec<u8>,
}

/// Records of one or more binary files, held in memory.
pub struct CifarDataset {
    variant: Cifar,
    parts: Vec<Part>,
    /// The number of records up to the end of each part.
    ends: Vec<usize>,
    classes: Vec<String>,
}

impl CifarDataset {
    /// Opens a split in the layout of the archive: `folder` is the unpacked folder or the one above.
    ///
    /// # Errors
    /// A file that is missing, truncated or has labels out of range.
    pub fn open(variant: Cifar, folder: &Path, split: Split) -> Result<Self> {
        let inner = folder.join(variant.folder());
        let folder = if inner.is_dir() { inner } else { folder.to_owned() };
        let files: Vec<_> = variant.files(split).iter().map(|name| folder.join(name)).collect();
        Self::from_files(variant, &files).map_err(|e| {
            e.help(format!(
                "unpack the binary version of the archive, with its folder `{}`",
                variant.folder()
            ))
        })
    }

    /// Opens the given binary files, one after the other.
    ///
    /// # Errors
    /// As [`CifarDataset::open`].
    pub fn from_files(variant: Cifar, files: &[PathBuf]) -> Result<Self> {
        let (mut parts, mut ends, mut count) = (Vec::new(), Vec::new(), 0);
        for path in files {
            let bytes = std::fs::read(path).map_err(|e| Error::io(path, &e))?;
            let record = variant.record();
            let (whole, rest) = (bytes.len() / record, bytes.len() % record);
            if whole == 0 || rest != 0 {
                return Err(Error::user(format!(
                    "{} bytes are {whole} records of {record} and {rest} bytes over",
                    bytes.len()
                ))
                .at(path.display())
                .help("the file is truncated or of another data set: download it again"));
            }
            let wrong = bytes.chunks_exact(record).position(|r| label(variant, r) >= variant.class_count());
            if let Some(wrong) = wrong {
                let given = label(variant, &bytes[wrong * record..]);
                return Err(Error::user(format!(
                    "record {wrong} has label {given}, but there are {} classes",
                    variant.class_count()
                ))
                .at(path.display())
                .help("check that the file is of this data set"));
            }
            count += whole;
            ends.push(count);
            parts.push(Part { path: path.clone(), bytes });
        }
        let named = files.first().and_then(|f| f.parent()).map(|folder| folder.join(variant.class_file()));
        let classes = named
            .and_then(|path| std::fs::read_to_string(path).ok())
            .map(|text| text.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect())
            .filter(|names: &Vec<String>| names.len() == variant.class_count())
            .unwrap_or_else(|| (0..variant.class_count()).map(|i| i.to_string()).collect());
        Ok(Self { variant, parts, ends, classes })
    }

    fn locate(&self, index: usize) -> (usize, usize) {
        let part = self.ends.partition_point(|&end| end <= index);
        (part, index - if part == 0 { 0 } else { self.ends[part - 1] })
    }

    fn record(&self, index: usize) -> &[u8] {
        let (part, within) = self.locate(index);
        let record = self.variant.record();
        &self.parts[part].bytes[within * record..(within + 1) * record]
    }
}

fn label(variant: Cifar, record: &[u8]) -> usize {
    usize::from(record[usize::from(variant == Cifar::HundredFine)])
}

impl Dataset for CifarDataset {
    fn len(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }
    fn classes(&self) -> &[String] {
        &self.classes
    }
    fn label(&self, index: usize) -> Option<u32> {
        Some(label(self.variant, self.record(index)) as u32)
    }
    fn load(&self, index: usize) -> Result<Image> {
        let planes = &self.record(index)[self.variant.labels()..];
        let pixels: Vec<u8> =
            (0..PLANE).flat_map(|i| [planes[i], planes[PLANE + i], planes[2 * PLANE + i]]).collect();
        Ok(Image { width: SIDE, height: SIDE, channels: 3, pixels }.into())
    }
    fn location(&self, index: usize) -> String {
        let (part, within) = self.locate(index);
        format!("{}, record {within}", self.parts[part].path.display())
    }
}

fn read(variant: Cifar, spec: &DataSpec, split: Split) -> Result<Opened> {
    spec.of_8_bits()?;
    let path = spec.path()?;
    if path.is_file() {
        let data = CifarDataset::from_files(variant, &[path.to_owned()])?;
        return hold_out(data, spec, split, |_, i| i.to_string());
    }
    let data: Arc<dyn Dataset> = Arc::new(CifarDataset::open(variant, path, split)?);
    Ok(Opened::new(data).part(split.to_string()))
}

/// `cifar10`
pub struct Cifar10;

impl Reader for Cifar10 {
    type Settings = NoKeys;

    fn open(_: &NoKeys, spec: &DataSpec, split: Split) -> Result<Opened> {
        read(Cifar::Ten, spec, split)
    }
}

palimpsest_core::inventory::submit! {
    ReaderEntry::images::<Cifar10>(
        "cifar10",
        "CIFAR-10, binary version: 50,000 + 10,000 images, 32x32 RGB, 10 classes",
        "cifar-10-batches-bin/{data_batch_1..5,test_batch}.bin, or one .bin file",
    )
}

palimpsest_core::settings! {
    /// `[data.reader]` of `cifar100`.
    pub struct Cifar100Keys {
        /// The 20 coarse classes in place of the 100 fine ones.
        coarse: bool = false;
    }
}

/// `cifar100`
pub struct Cifar100;

impl Reader for Cifar100 {
    type Settings = Cifar100Keys;

    fn open(keys: &Cifar100Keys, spec: &DataSpec, split: Split) -> Result<Opened> {
        read(if keys.coarse { Cifar::HundredCoarse } else { Cifar::HundredFine }, spec, split)
    }
}

palimpsest_core::inventory::submit! {
    ReaderEntry::images::<Cifar100>(
        "cifar100",
        "CIFAR-100, binary version: 50,000 + 10,000 images, 32x32 RGB, 100 (or 20) classes",
        "cifar-100-binary/{train,test}.bin, or one .bin file",
    )
}
