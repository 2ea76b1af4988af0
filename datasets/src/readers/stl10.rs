//! STL-10's binary files: <https://cs.stanford.edu/~acoates/stl10/>.
//!
//! An image is three planes of 96 x 96 bytes, each column by column; labels are bytes from 1.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use palimpsest_core::data::{Dataset, Image};
use palimpsest_core::{Error, Result};

use crate::formats::unpacked::unpacked;
use crate::reader::{NoKeys, Opened, Reader, ReaderEntry};
use crate::spec::DataSpec;
use crate::split::Split;

const SIDE: usize = 96;
const PLANE: usize = SIDE * SIDE;
const RECORD: usize = 3 * PLANE;

/// Which of its parts are trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stl10 {
    /// 5,000 images with classes.
    Labelled,
    /// 100,000 images without.
    Unlabelled,
}

/// A part of STL-10. Images are read when they are asked for: the part without classes has 2.8 GB.
pub struct Stl10Dataset {
    path: PathBuf,
    file: Mutex<File>,
    count: usize,
    labels: Vec<u8>,
    classes: Vec<String>,
}

impl Stl10Dataset {
    /// Opens a part in the layout of the archive: `folder` is `stl10_binary` or the one above. The test
    /// part is the same for both, and has classes.
    ///
    /// # Errors
    /// A file that is missing or truncated, or a label out of range.
    pub fn open(folder: &Path, part: Stl10, split: Split) -> Result<Self> {
        let root = unpacked(folder, &["stl10_binary"], "test_X.bin")?;
        let name = match (part, split) {
            (_, Split::Test) => "test",
            (Stl10::Labelled, Split::Train) => "train",
            (Stl10::Unlabelled, Split::Train) => "unlabeled",
        };
        let path = root.join(format!("{name}_X.bin"));
        let file = File::open(&path).map_err(|e| Error::io(&path, &e))?;
        let size = file.metadata().map_err(|e| Error::io(&path, &e))?.len();
        let truncated = |path: &Path, what: String| {
            Error::user(what).at(path.display()).help("the file is truncated: download it again")
        };
        if size == 0 || !size.is_multiple_of(RECORD as u64) {
            return Err(truncated(&path, format!("{size} bytes are no whole number of images of {RECORD}")));
        }
        let count = (size / RECORD as u64) as usize;
        let (mut labels, mut classes) = (vec![], vec![]);
        if name != "unlabeled" {
            let names = root.join("class_names.txt");
            let text = std::fs::read_to_string(&names).map_err(|e| Error::io(&names, &e))?;
            classes =
                text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
            let location = root.join(format!("{name}_y.bin"));
            labels = std::fs::read(&location).map_err(|e| Error::io(&location, &e))?;
            if labels.len() != count {
                return Err(truncated(&location, format!("{} labels for {count} images", labels.len())));
            }
            if let Some(i) = labels.iter().position(|&l| l == 0 || usize::from(l) > classes.len()) {
                return Err(Error::user(format!("label {i} is {}, not 1 to {}", labels[i], classes.len()))
                    .at(location.display())
                    .help("check that the file is of this data set"));
            }
        }
        Ok(Self { path, file: Mutex::new(file), count, labels, classes })
    }
}

impl Dataset for Stl10Dataset {
    fn len(&self) -> usize {
        self.count
    }
    fn classes(&self) -> &[String] {
        &self.classes
    }
    fn label(&self, index: usize) -> Option<u32> {
        self.labels.get(index).map(|&label| u32::from(label) - 1)
    }
    fn load(&self, index: usize) -> Result<Image> {
        let mut record = vec![0; RECORD];
        {
            let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            file.seek(SeekFrom::Start((index * RECORD) as u64))
                .and_then(|_| file.read_exact(&mut record))
                .map_err(|e| Error::io(&self.path, &e))?;
        }
        let pixels: Vec<u8> = (0..PLANE)
            .flat_map(|i| {
                let at = (i % SIDE) * SIDE + i / SIDE;
                [record[at], record[PLANE + at], record[2 * PLANE + at]]
            })
            .collect();
        Ok(Image { width: SIDE, height: SIDE, channels: 3, pixels }.into())
    }
    fn location(&self, index: usize) -> String {
        format!("{}, image {index}", self.path.display())
    }
}

/// `stl10`
pub struct Stl10Labelled;

impl Reader for Stl10Labelled {
    type Settings = NoKeys;

    fn open(_: &NoKeys, spec: &DataSpec, split: Split) -> Result<Opened> {
        spec.of_8_bits()?;
        let data: Arc<dyn Dataset> = Arc::new(Stl10Dataset::open(spec.path()?, Stl10::Labelled, split)?);
        Ok(Opened::new(data).part(split.to_string()))
    }
}

palimpsest_core::inventory::submit! {
    ReaderEntry::images::<Stl10Labelled>(
        "stl10",
        "STL-10: 5,000 + 8,000 images, 96x96 RGB, 10 classes",
        "stl10_binary/{train,test}_{X,y}.bin, class_names.txt",
    )
}

/// `stl10-unlabeled`
pub struct Stl10Unlabelled;

impl Reader for Stl10Unlabelled {
    type Settings = NoKeys;

    fn open(_: &NoKeys, spec: &DataSpec, split: Split) -> Result<Opened> {
        spec.of_8_bits()?;
        let data: Arc<dyn Dataset> = Arc::new(Stl10Dataset::open(spec.path()?, Stl10::Unlabelled, split)?);
        Ok(Opened::new(data).part(if split == Split::Train { "unlabeled" } else { "test" }))
    }
}

palimpsest_core::inventory::submit! {
    ReaderEntry::images::<Stl10Unlabelled>(
        "stl10-unlabeled",
        "STL-10's 100,000 images without classes to train on; its 8,000 with classes to test on",
        "stl10_binary/unlabeled_X.bin, test_{X,y}.bin, class_names.txt",
    )
}
