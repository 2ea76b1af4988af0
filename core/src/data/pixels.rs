//! The pixels of a batch: as the files have them where those have 8 bits, else normalised.

use std::borrow::Cow;
use std::sync::Arc;

use crate::tensor::{DType, DeviceHandle, HostData, HostTensor, OpKind, Tensor};
use crate::{Device, Result};

/// How the values of a channel are centred and scaled: `(v - mean) / std` of values in 0..1.
#[derive(Debug)]
pub struct Normalisation {
    mean: Vec<f32>,
    std: Vec<f32>,
    /// `(v / 255 - mean) / std` of each channel and byte.
    table: Vec<[f32; 256]>,
}

impl Normalisation {
    /// By a mean and a standard deviation for each channel.
    ///
    /// # Panics
    /// If there are not as many means as deviations.
    pub fn new(mean: &[f32], std: &[f32]) -> Self {
        assert_eq!(mean.len(), std.len(), "a mean and a deviation for each channel");
        let of = |(&m, &s): (&f32, &f32)| std::array::from_fn(|v| (v as f32 / 255.0 - m) / s);
        let table = mean.iter().zip(std).map(of).collect();
        Self { mean: mean.to_vec(), std: std.to_vec(), table }
    }

    /// The mean of each channel.
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// The standard deviation of each channel.
    pub fn std(&self) -> &[f32] {
        &self.std
    }

    /// `(v / 255 - mean) / std` of each channel and byte.
    pub fn table(&self) -> &[[f32; 256]] {
        &self.table
    }
}

impl PartialEq for Normalisation {
    fn eq(&self, other: &Self) -> bool {
        (&self.mean, &self.std) == (&other.mean, &other.std)
    }
}

/// Bytes of images, [B, C, H, W], and what normalises them.
#[derive(Debug, Clone, PartialEq)]
pub struct PixelBytes {
    /// The bytes.
    pub values: Vec<u8>,
    /// How many make up a plane: H * W.
    pub plane: usize,
    /// What normalises them.
    pub by: Arc<Normalisation>,
}

impl PixelBytes {
    /// The normalised values.
    pub fn normalised(&self) -> Vec<f32> {
        let mut out = vec![0.0; self.values.len()];
        let planes = out.chunks_exact_mut(self.plane.max(1)).zip(self.values.chunks_exact(self.plane.max(1)));
        for ((to, from), table) in planes.zip(self.by.table().iter().cycle()) {
            to.iter_mut().zip(from).for_each(|(to, &byte)| *to = table[usize::from(byte)]);
        }
        out
    }

    /// The normalised values as a tensor [B, C, H, W] of 32-bit floats, computed on the device by the same three
    /// operations as on the host: only bytes travel there. The backend must have `cast` for bytes.
    ///
    /// # Errors
    /// No memory there, or `shape` doesn't fit.
    pub fn normalised_on(&self, device: &DeviceHandle, shape: [usize; 4]) -> Result<Tensor> {
        let channels = shape[1];
        let each = |values: &[f32]| device.floats([1, channels, 1, 1], values.to_vec(), DType::F32);
        let bytes = device.upload(HostTensor::new(shape, HostData::U8(self.values.clone()))?)?;
        let scale = device.full([1, 1, 1, 1], 255.0, DType::F32)?;
        bytes.cast(DType::F32)?.div(&scale)?.sub(&each(self.by.mean())?)?.div(&each(self.by.std())?)
    }
}

/// Pixels of images, [B, C, H, W].
#[derive(Debug, Clone)]
pub enum Pixels {
    /// As the files have them, in a quarter of the memory.
    Bytes(PixelBytes),
    /// Normalised, of files that have more than 8 bits, and where something was done to normalised values.
    Normalised(Vec<f32>),
}

impl Pixels {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.values.len(),
            Self::Normalised(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of memory that they take.
    pub fn memory(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.values.len(),
            Self::Normalised(values) => size_of_val(&values[..]),
        }
    }

    /// The normalised values.
    pub fn normalised(&self) -> Cow<'_, [f32]> {
        match self {
            Self::Bytes(bytes) => Cow::Owned(bytes.normalised()),
            Self::Normalised(values) => Cow::Borrowed(values),
        }
    }

    /// The normalised values, by value.
    pub fn into_normalised(self) -> Vec<f32> {
        match self {
            Self::Bytes(bytes) => bytes.normalised(),
            Self::Normalised(values) => values,
        }
    }

    /// The normalised values, to be changed; from then on there are no bytes.
    pub fn normalised_mut(&mut self) -> &mut Vec<f32> {
        if let Self::Bytes(bytes) = self {
            *self = Self::Normalised(bytes.normalised());
        }
        match self {
            Self::Normalised(values) => values,
            Self::Bytes(_) => unreachable!("changed above"),
        }
    }

    /// A tensor of them, of this shape. A GPU whose backend can normalises bytes itself; the processor reads them from a
    /// table. The values are the same.
    ///
    /// # Errors
    /// No memory there, or `shape` doesn't fit.
    pub(super) fn upload(&self, device: &DeviceHandle, shape: [usize; 4], dtype: DType) -> Result<Tensor> {
        match self {
            Self::Bytes(bytes)
                if device.id != Device::Cpu
                    && device.backend.supports(OpKind::Cast, DType::U8, device.id) =>
            {
                let images = bytes.normalised_on(device, shape)?;
                if dtype == DType::F32 { Ok(images) } else { images.cast(dtype) }
            }
            _ => device.floats(shape, self.normalised().into_owned(), dtype),
        }
    }

    /// The values `start..end`, in whole images.
    pub(super) fn slice(&self, start: usize, end: usize) -> Self {
        match self {
            Self::Bytes(bytes) => Self::Bytes(PixelBytes {
                values: bytes.values[start..end].to_vec(),
                by: bytes.by.clone(),
                ..*bytes
            }),
            Self::Normalised(values) => Self::Normalised(values[start..end].to_vec()),
        }
    }

    /// Leaves out all but the first.
    pub(super) fn truncate(&mut self, count: usize) {
        match self {
            Self::Bytes(bytes) => bytes.values.truncate(count),
            Self::Normalised(values) => values.truncate(count),
        }
    }

    /// Puts others behind these.
    pub(super) fn append(&mut self, next: Self) {
        match (self, next) {
            (Self::Bytes(bytes), Self::Bytes(next)) if bytes.by == next.by => {
                bytes.values.extend(next.values)
            }
            (pixels, next) => pixels.normalised_mut().extend(&next.normalised()[..]),
        }
    }
}

/// Bytes are equal to what they are normalised to.
impl PartialEq for Pixels {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            _ => self.normalised() == other.normalised(),
        }
    }
}

impl From<Vec<f32>> for Pixels {
    fn from(values: Vec<f32>) -> Self {
        Self::Normalised(values)
    }
}
