//! What the training loop asks of a data set and of a loader; readers live in `datasets`.

mod pixels;

use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::str::FromStr;

use crate::tensor::{DType, DeviceHandle, Tensor};
use crate::{Error, Result};

pub use pixels::{Normalisation, PixelBytes, Pixels};

/// Which part of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Split {
    /// What is trained on.
    Train,
    /// What is evaluated on.
    Test,
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Test => "test",
        })
    }
}

impl FromStr for Split {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "train" => Ok(Self::Train),
            "test" => Ok(Self::Test),
            // Many sets have three parts; two are what a run needs, and the names are kept for these.
            "val" | "valid" | "validation" | "dev" => Err(Error::user(format!("`{text}` is no part of its own here"))
                .help(
                    "`test` is the part that is measured: the test part, or the validation part where there is none; a third \
                     part is read by its own path, as data.path=SET/validation data.holdout=0 --split train",
                )),
            _ => Err(crate::error::unknown_name("split", text, ["train", "test"])),
        }
    }
}

/// The samples of an image by their type. What each type means is fixed: 0..1 is 0..255 of 8 bits, 0..65535 of 16
/// bits, and a float as it is. Floats are finite.
#[derive(Debug, Clone, PartialEq)]
pub enum Samples {
    /// 8 bits.
    U8(Vec<u8>),
    /// 16 bits.
    U16(Vec<u16>),
    /// Floats, of which 0..1 is dark to bright; there may be others.
    F32(Vec<f32>),
}

impl Samples {
    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(samples) => samples.len(),
            Self::U16(samples) => samples.len(),
            Self::F32(samples) => samples.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What they are, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::U8(_) => "8-bit",
            Self::U16(_) => "16-bit",
            Self::F32(_) => "float",
        }
    }
}

impl From<Vec<u8>> for Samples {
    fn from(samples: Vec<u8>) -> Self {
        Self::U8(samples)
    }
}

impl From<Vec<u16>> for Samples {
    fn from(samples: Vec<u16>) -> Self {
        Self::U16(samples)
    }
}

impl From<Vec<f32>> for Samples {
    fn from(samples: Vec<f32>) -> Self {
        Self::F32(samples)
    }
}

/// A decoded image: rows of interleaved channels ([height, width, channels]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image<P = Samples> {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// 1 (grey) or 3 (RGB), or what the data set says.
    pub channels: usize,
    /// `height * width * channels` samples.
    pub pixels: P,
}

/// An image of 8-bit samples, as screens show it.
pub type Image8 = Image<Vec<u8>>;

impl<T> From<Image<Vec<T>>> for Image
where
    Samples: From<Vec<T>>,
{
    fn from(image: Image<Vec<T>>) -> Self {
        let Image { width, height, channels, pixels } = image;
        Self { width, height, channels, pixels: pixels.into() }
    }
}

impl<P> Image<P> {
    /// Other samples of the same size.
    pub fn with_pixels<Q>(&self, pixels: Q) -> Image<Q> {
        Image { width: self.width, height: self.height, channels: self.channels, pixels }
    }
}

impl Image {
    /// The image, if its samples have 8 bits.
    ///
    /// # Errors
    /// The image as it was.
    pub fn into_8_bit(self) -> std::result::Result<Image8, Self> {
        match self {
            Self { width, height, channels, pixels: Samples::U8(pixels) } => {
                Ok(Image { width, height, channels, pixels })
            }
            other => Err(other),
        }
    }
}

/// Images by index, with or without labels. Reading is thread-safe and has no state.
pub trait Dataset: Send + Sync {
    /// How many samples there are.
    fn len(&self) -> usize;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The class names, in the order of the labels; empty where the data have no classes.
    fn classes(&self) -> &[String];
    /// The label of a sample, an index into `classes`.
    fn label(&self, index: usize) -> Option<u32>;
    /// Decodes a sample.
    ///
    /// # Errors
    /// A broken file: the error names it.
    fn load(&self, index: usize) -> Result<Image>;
    /// Where a sample comes from, for messages: a path, or a file and an index.
    fn location(&self, index: usize) -> String;
    /// The name of a sample within its part, with `/` between folders and the ending of its file, as `cats/7.jpg`;
    /// none where the data have no names. Two samples may have one name.
    fn name(&self, _index: usize) -> Option<String> {
        None
    }
    /// The image file that [`Dataset::load`] decodes, where decoding it again gives the same image; none where samples
    /// are stored otherwise.
    fn encoded(&self, _index: usize) -> Option<Encoded> {
        None
    }
}

/// Where the bytes of an image file (JPEG, PNG, WebP, …) are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encoded {
    /// A file of its own.
    File(PathBuf),
    /// A piece of a larger file.
    Piece {
        /// The larger file.
        file: PathBuf,
        /// Where the image begins.
        offset: u64,
        /// Its length in bytes.
        length: u64,
    },
    /// Bytes that had to be taken out of something that is packed.
    Bytes(Vec<u8>),
}

impl Encoded {
    /// The bytes.
    ///
    /// # Errors
    /// A file that can't be read, or that ends too early.
    pub fn read(self) -> Result<Vec<u8>> {
        match self {
            Self::File(path) => crate::stored::read(&path),
            Self::Piece { file, offset, length } => {
                let read = || {
                    let mut source = File::open(&file)?;
                    source.seek(SeekFrom::Start(offset))?;
                    let mut bytes = vec![];
                    source.take(length).read_to_end(&mut bytes)?;
                    if bytes.len() as u64 == length {
                        Ok(bytes)
                    } else {
                        Err(ErrorKind::UnexpectedEof.into())
                    }
                };
                read().map_err(|e: std::io::Error| Error::io(&file, &e))
            }
            Self::Bytes(bytes) => Ok(bytes),
        }
    }
}

/// A batch as the loader delivers it.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The pixels, [batch, channels, height, width].
    pub pixels: Pixels,
    /// [batch, channels, height, width].
    pub shape: [usize; 4],
    /// The label of each image, -1 for none.
    pub labels: Vec<i64>,
    /// The index of each image in its part of the data set, whether or not samples were drawn of it.
    pub indices: Vec<usize>,
    /// The number of the batch's first sample, counted from the start of the run: what masks and
    /// noise are keyed by. The others follow it one by one.
    pub first_sample: u64,
}

impl Batch {
    /// How many images.
    pub fn len(&self) -> usize {
        self.shape[0]
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.shape[0] == 0
    }

    /// The images as a tensor [B, C, H, W] of a float type, normalised: on a GPU by its backend where the batch has bytes
    /// and the backend takes them, else before they go there. The values are the same either way.
    ///
    /// # Errors
    /// No memory there, or the pixels don't fill the shape.
    pub fn images(&self, device: &DeviceHandle, dtype: DType) -> Result<Tensor> {
        self.pixels.upload(device, self.shape, dtype)
    }

    /// As bytes, for another process of this program.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let integers = self.shape.iter().map(|&side| side as i64).chain([self.first_sample as i64]);
        let integers = integers.chain(self.indices.iter().map(|&index| index as i64));
        let mut bytes: Vec<u8> =
            integers.chain(self.labels.iter().copied()).flat_map(i64::to_le_bytes).collect();
        bytes.extend(self.pixels.normalised().iter().flat_map(|value| value.to_le_bytes()));
        bytes
    }

    /// What [`Batch::to_bytes`] made.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| bytes.get(8 * at..8 * at + 8)?.try_into().ok().map(i64::from_le_bytes);
        let side = |at: usize| usize::try_from(word(at)?).ok();
        let shape = [side(0)?, side(1)?, side(2)?, side(3)?];
        let images = shape[0];
        let indices = (0..images).map(|i| side(5 + i)).collect::<Option<_>>()?;
        let labels = (0..images).map(|i| word(5 + images + i)).collect::<Option<_>>()?;
        let pixels = bytes.get(8 * (5 + 2 * images)..)?.as_chunks::<4>();
        let pixels: Vec<f32> = pixels.0.iter().map(|&value| f32::from_le_bytes(value)).collect();
        Some(Self { pixels: pixels.into(), shape, labels, indices, first_sample: word(4)? as u64 })
    }

    /// Puts the images of the batch that follows behind its own.
    ///
    /// # Panics
    /// If they have another size.
    pub fn append(&mut self, next: Self) {
        assert_eq!(self.shape[1..], next.shape[1..], "images of one size");
        self.shape[0] += next.shape[0];
        self.pixels.append(next.pixels);
        self.labels.extend(next.labels);
        self.indices.extend(next.indices);
    }

    /// Leaves out all but the first images.
    pub fn truncate(&mut self, images: usize) {
        let image: usize = self.shape[1..].iter().product();
        self.pixels.truncate(images * image);
        self.labels.truncate(images);
        self.indices.truncate(images);
        self.shape[0] = self.shape[0].min(images);
    }

    /// Images `start..end` as a batch of their own (for gradient accumulation).
    #[must_use]
    pub fn slice(&self, start: usize, end: usize) -> Self {
        let [_, c, h, w] = self.shape;
        let image = c * h * w;
        Self {
            pixels: self.pixels.slice(start * image, end * image),
            shape: [end - start, c, h, w],
            labels: self.labels[start..end].to_vec(),
            indices: self.indices[start..end].to_vec(),
            first_sample: self.first_sample + start as u64,
        }
    }
}

/// Which part of something that several processes share a process has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Its number, from 0.
    pub rank: usize,
    /// The number of processes.
    pub size: usize,
}

impl Share {
    /// All of it, for one process alone.
    pub const WHOLE: Self = Self { rank: 0, size: 1 };

    /// This process's part of `count` things in a row: all parts together are all of them, each once, and no two differ
    /// by more than one.
    pub fn of(&self, count: usize) -> std::ops::Range<usize> {
        let start = |rank: usize| rank * count / self.size;
        start(self.rank)..start(self.rank + 1)
    }
}

impl Default for Share {
    fn default() -> Self {
        Self::WHOLE
    }
}

/// A source of training batches. The batch of a step is a function of the step alone.
pub trait BatchSource: Send {
    /// The next batch: that of a step, or where [`BatchSource::parts`] says so, the next part of it.
    ///
    /// # Errors
    /// More broken files than the recipe allows.
    fn next_batch(&mut self) -> Result<Batch>;
    /// In how many equal parts the batch of a step comes, one after the other.
    fn parts(&self) -> usize {
        1
    }
    /// Takes back a batch that is done with, so that its memory is used again.
    fn recycle(&mut self, batch: Batch) {
        drop(batch);
    }
    /// Goes to the (first part of the) batch of optimiser step `step`, for a resumed run.
    ///
    /// # Errors
    /// A source that can't be restarted.
    fn seek(&mut self, step: u64) -> Result<()>;
    /// Batches in one pass over the data.
    fn steps_per_epoch(&self) -> u64;
    /// Messages on broken files since the last call, one for each file: another sample takes its place.
    fn take_warnings(&mut self) -> Vec<String> {
        vec![]
    }
}
