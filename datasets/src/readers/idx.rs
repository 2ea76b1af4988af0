//! The IDX format of MNIST and its kin: <http://yann.lecun.com/exdb/mnist/>.
//!
//! Big-endian; two zero bytes, the type (8 for unsigned bytes), the number of dimensions, their
//! sizes as 32-bit integers, the data. Files may be gzip'd.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use palimpsest_core::data::{Dataset, Image};
use palimpsest_core::{Error, Result};

use crate::part_names::{NamedParts, PartKind};
use crate::reader::{Opened, Reader, ReaderEntry};
use crate::spec::DataSpec;
use crate::split::{Split, hold_out};

/// What a gzip'd file may unpack to, beside a multiple of its size.
const MOST_BYTES: u64 = 1 << 26;

/// An array of unsigned bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdxArray {
    /// The sizes, slowest first.
    pub shape: Vec<usize>,
    /// The product of `shape` bytes.
    pub data: Vec<u8>,
}

impl IdxArray {
    /// Reads a file, plain or gzip'd (told by its content).
    ///
    /// # Errors
    /// A missing file, a wrong magic number, fewer or more bytes than the header says.
    pub fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, &e))?;
        let size = file.metadata().map_err(|e| Error::io(path, &e))?.len();
        let mut file = BufReader::new(file);
        let mut start = Vec::new();
        file.by_ref().take(2).read_to_end(&mut start).map_err(|e| Error::io(path, &e))?;
        let gzip = start == [0x1F, 0x8B];
        let whole = start.chain(file);
        let array = match gzip {
            // A few lines on black shrink to a fiftieth; what claims far more is a bomb.
            true => Self::parse_within(MultiGzDecoder::new(whole), MOST_BYTES + 200 * size),
            false => Self::parse(whole),
        };
        array.map_err(|e| e.at(path.display()))
    }

    /// Reads an uncompressed stream.
    ///
    /// # Errors
    /// As [`IdxArray::read`].
    pub fn parse(source: impl Read) -> Result<Self> {
        Self::parse_within(source, 1 << 40)
    }

    fn parse_within(mut source: impl Read, most: u64) -> Result<Self> {
        let failed = |e: std::io::Error| {
            Error::user(format!("can't be read: {e}")).help("download or unpack the file again")
        };
        let mut magic = [0; 4];
        let mut got = 0;
        while got < 4 {
            match source.read(&mut magic[got..]).map_err(failed)? {
                0 => break,
                n => got += n,
            }
        }
        let dimensions = usize::from(magic[3]);
        if got < 4 || magic[..3] != [0, 0, 8] || !(1..=4).contains(&dimensions) {
            return Err(Error::user(format!(
                "not an IDX file of unsigned bytes: it begins with {:02x?}",
                &magic[..got]
            ))
            .help("IDX begins with [00, 00, 08, 01..04]; check that this is the right file"));
        }
        let mut sizes = Vec::new();
        source.by_ref().take(4 * dimensions as u64).read_to_end(&mut sizes).map_err(failed)?;
        if sizes.len() < 4 * dimensions {
            return Err(Error::user(format!("the header of {dimensions} sizes is truncated"))
                .help("download the file again"));
        }
        let shape: Vec<usize> =
            sizes.chunks_exact(4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize).collect();
        let want = shape.iter().try_fold(1_u64, |n, &s| n.checked_mul(s as u64)).filter(|&n| n <= 1 << 40);
        let want = want.ok_or_else(|| {
            Error::user(format!("its header says {shape:?}, which can't be")).help("download the file again")
        })?;
        if want > most {
            return Err(Error::user(format!(
                "its header says {shape:?}, {want} bytes, far more than the file holds"
            ))
            .help("download the file again"));
        }
        // Grows with what is there: a header that lies must not take memory.
        let mut data = Vec::new();
        source.take(want + 1).read_to_end(&mut data).map_err(failed)?;
        if data.len() as u64 != want {
            let had = if data.len() as u64 > want { "more".to_owned() } else { data.len().to_string() };
            return Err(Error::user(format!("its header says {shape:?}, {want} bytes, but {had} follow"))
                .help("download the file again"));
        }
        Ok(Self { shape, data })
    }
}

/// Images (and labels) of IDX arrays, held in memory.
pub struct IdxDataset {
    images: IdxArray,
    labels: Option<Vec<u8>>,
    classes: Vec<String>,
    location: String,
}

impl IdxDataset {
    /// Opens images of [count, height, width] or [count, height, width, 1 or 3], with labels of
    /// `[count]` if given. The classes are named by their numbers.
    ///
    /// # Errors
    /// Files that are broken or don't belong together.
    pub fn open(images: &Path, labels: Option<&Path>) -> Result<Self> {
        let array = IdxArray::read(images)?;
        let labels = labels.map(|path| IdxArray::read(path).map(|array| (array, path))).transpose()?;
        let location = images.display().to_string();
        let data = Self::from_arrays(array, labels.as_ref().map(|(a, _)| a.clone()), None, &location);
        data.map_err(|e| match &labels {
            Some((_, path)) => e.at(path.display()),
            None => e,
        })
    }

    /// From arrays already read; `place` is for messages.
    ///
    /// # Errors
    /// Arrays that don't belong together, or a label without a class.
    pub fn from_arrays(
        images: IdxArray,
        labels: Option<IdxArray>,
        classes: Option<Vec<String>>,
        location: &str,
    ) -> Result<Self> {
        let sound = match images.shape[..] {
            [_, h, w] => h > 0 && w > 0,
            [_, h, w, c] => h > 0 && w > 0 && (c == 1 || c == 3),
            _ => false,
        };
        if !sound {
            return Err(Error::user(format!("{:?} are not images", images.shape))
                .at(location)
                .help("sizes must be [count, height, width] or [count, height, width, 1 or 3]"));
        }
        let count = images.shape[0];
        if let Some(labels) = &labels
            && labels.shape != [count]
        {
            return Err(Error::user(format!("labels of {:?} for {count} images", labels.shape))
                .help("give the label file of the same split"));
        }
        let labels = labels.map(|l| l.data);
        let largest = labels.iter().flatten().copied().max();
        let classes = match classes {
            Some(classes) => classes,
            None => largest.map_or(0..0, |m| 0..usize::from(m) + 1).map(|i| i.to_string()).collect(),
        };
        if let Some(label) = largest
            && usize::from(label) >= classes.len()
        {
            return Err(Error::user(format!("label {label} where there are {} classes", classes.len()))
                .at(location)
                .help("check the label file"));
        }
        Ok(Self { images, labels, classes, location: location.to_owned() })
    }

    /// Finds the images and labels of a split in a folder in MNIST's naming (`train-images-idx3-ubyte`,
    /// `t10k-labels-idx1-ubyte`, `.gz` or not, `-` or `.` before `idx`), with the usual words for parts.
    ///
    /// # Errors
    /// No images there, or those of several sets.
    pub fn find(folder: &Path, test: bool) -> Result<(PathBuf, Option<PathBuf>)> {
        let mut named = vec![];
        for entry in std::fs::read_dir(folder).map_err(|e| Error::io(folder, &e))? {
            let path = entry.map_err(|e| Error::io(folder, &e))?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            let Some((stem, rest)) = name.split_once("images") else { continue };
            let shape = rest.trim_end_matches(".gz").trim_start_matches(['-', '.']);
            if path.is_file() && matches!(shape, "idx3-ubyte" | "idx4-ubyte") {
                // MNIST's test part has ten thousand images.
                let stem = stem.trim_end_matches(['-', '_', '.']);
                named.push((stem.replace("t10k", "test"), path));
            }
        }
        // Plain before gzip'd.
        named.sort();
        let parts = NamedParts::of(named.iter().map(|(part, _)| part.clone()));
        let split = if test { Split::Test } else { Split::Train };
        let Some(part) = parts.candidates(split).next() else {
            let stem = if test { "t10k" } else { "train" };
            return Err(Error::user(format!("no `{stem}-images-idx3-ubyte` or `.gz` in the folder"))
                .at(folder.display())
                .help("give the folder with MNIST's four files, or the file of images itself"));
        };
        let kind = PartKind::of_name(part);
        let same: BTreeSet<&str> =
            named.iter().map(|(part, _)| &**part).filter(|part| PartKind::of_name(part) == kind).collect();
        if same.len() > 1 {
            let names = same.into_iter().collect::<Vec<_>>().join("`, `");
            return Err(Error::user(format!("images of `{names}`"))
                .at(folder.display())
                .help("give each set a folder of its own, or give the file of images itself"));
        }
        let images = named.iter().find(|(own, _)| own == part).map(|(_, path)| path.clone());
        let images = images.unwrap_or_default();
        let labels = Self::labels_beside(&images);
        Ok((images, labels))
    }

    /// The file of labels that belongs to a file of images by MNIST's naming, if it exists.
    pub fn labels_beside(images: &Path) -> Option<PathBuf> {
        let name = images.file_name()?.to_str()?;
        let labels = name.replace("images", "labels").replace("idx3", "idx1").replace("idx4", "idx1");
        // Either may be gzip'd, or have the other separator.
        let plain = labels.trim_end_matches(".gz");
        let (a, b) = (plain.replace(".idx", "-idx"), plain.replace("-idx", ".idx"));
        let all = [labels.clone(), a.clone(), format!("{a}.gz"), b.clone(), format!("{b}.gz")];
        let beside = all.into_iter().filter(|labels| *labels != name).map(|name| images.with_file_name(name));
        beside.into_iter().find(|path| path.is_file())
    }
}

impl Dataset for IdxDataset {
    fn len(&self) -> usize {
        self.images.shape[0]
    }
    fn classes(&self) -> &[String] {
        &self.classes
    }
    fn label(&self, index: usize) -> Option<u32> {
        self.labels.as_ref().map(|labels| u32::from(labels[index]))
    }
    fn load(&self, index: usize) -> Result<Image> {
        let [height, width] = [self.images.shape[1], self.images.shape[2]];
        let channels = self.images.shape.get(3).copied().unwrap_or(1);
        let size = height * width * channels;
        let pixels = self.images.data[index * size..(index + 1) * size].to_vec();
        Ok(Image { width, height, channels, pixels }.into())
    }
    fn location(&self, index: usize) -> String {
        format!("{}, image {index}", self.location)
    }
}

palimpsest_core::settings! {
    /// `[data.reader]` of `idx`.
    pub struct IdxKeys {
        /// The file of labels, where it isn't beside the images under the usual name.
        labels: String = String::new();
    }
}

/// `idx`
pub struct Idx;

impl Reader for Idx {
    type Settings = IdxKeys;

    fn open(keys: &IdxKeys, spec: &DataSpec, split: Split) -> Result<Opened> {
        spec.of_8_bits()?;
        let path = spec.path()?;
        if path.is_dir() {
            let (images, labels) = IdxDataset::find(path, split == Split::Test)?;
            let part = images.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let part = part.split("images").next().unwrap_or_default().trim_end_matches(['-', '_', '.']);
            let data: Arc<dyn Dataset> = Arc::new(IdxDataset::open(&images, labels.as_deref())?);
            return Ok(Opened::new(data).part(part));
        }
        let labels = match keys.labels.as_str() {
            "" => IdxDataset::labels_beside(path),
            labels => Some(PathBuf::from(labels)),
        };
        let data = IdxDataset::open(path, labels.as_deref())?;
        hold_out(data, spec, split, |_, i| i.to_string())
    }
}

palimpsest_core::inventory::submit! {
    ReaderEntry::images::<Idx>(
        "idx",
        "images and labels in the IDX format of MNIST, plain or gzip'd",
        "{train,t10k}-{images-idx3,labels-idx1}-ubyte[.gz], or one file of images",
    )
}
