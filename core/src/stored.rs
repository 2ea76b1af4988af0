//! Tensors in safetensors files, and files that are seen whole or not at all.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::{TensorView, View};

use crate::tensor::{HostData, HostTensor};
use crate::{Error, Result};

/// A safetensors file of named tensors.
///
/// # Errors
/// Names that are no names.
pub(crate) fn serialize(
    tensors: &[(String, HostTensor)],
    metadata: HashMap<String, String>,
) -> Result<Vec<u8>> {
    let views = tensors.iter().map(|(name, tensor)| (name.as_str(), Stored(tensor)));
    safetensors::serialize(views, Some(metadata)).map_err(|e| Error::failure(e.to_string()))
}

/// Writes a file beside its place, syncs it and renames it there.
///
/// # Errors
/// A full disk or a folder that can't be written; nothing half-written stays.
pub(crate) fn write_atomically(path: &Path, data: &[u8]) -> Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    let written = (|| {
        let mut file = File::create(&temporary)?;
        file.write_all(data)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        // The rename itself must reach the disk too.
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    })();
    written.map_err(|e| {
        let _ = fs::remove_file(&temporary);
        Error::io(path, &e)
    })
}

/// A tensor as a file holds it. Its bytes are made one tensor after another, so that a checkpoint is in memory as
/// tensors and as a file, not a third time.
struct Stored<'a>(&'a HostTensor);

impl View for Stored<'_> {
    fn dtype(&self) -> Dtype {
        match self.0.data() {
            HostData::F32(_) => Dtype::F32,
            HostData::F64(_) => Dtype::F64,
            HostData::Bf16(_) => Dtype::BF16,
            HostData::I64(_) => Dtype::I64,
            HostData::Bool(_) => Dtype::BOOL,
        }
    }

    fn shape(&self) -> &[usize] {
        self.0.shape().dims()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(match self.0.data() {
            HostData::F32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            HostData::F64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            HostData::Bf16(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            HostData::I64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            HostData::Bool(v) => v.iter().map(|&x| u8::from(x)).collect(),
        })
    }

    fn data_len(&self) -> usize {
        self.0.shape().count() * self.0.dtype().size()
    }
}

/// A tensor of a file.
///
/// # Errors
/// An element type that no parameter has.
pub(crate) fn from_view(view: &TensorView<'_>) -> Result<HostTensor> {
    fn each<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
        bytes.as_chunks::<N>().0.iter().map(|chunk| read(*chunk)).collect()
    }
    let bytes = view.data();
    let data = match view.dtype() {
        Dtype::F32 => HostData::F32(each(bytes, f32::from_le_bytes)),
        Dtype::F64 => HostData::F64(each(bytes, f64::from_le_bytes)),
        Dtype::BF16 => HostData::Bf16(each(bytes, half::bf16::from_le_bytes)),
        // Published weights; half the precision, so nothing is lost.
        Dtype::F16 => HostData::F32(each(bytes, |b| half::f16::from_le_bytes(b).to_f32())),
        Dtype::I64 => HostData::I64(each(bytes, i64::from_le_bytes)),
        Dtype::BOOL => HostData::Bool(bytes.iter().map(|&b| b != 0).collect()),
        other => return Err(Error::user(format!("has the unknown type {other:?}"))),
    };
    HostTensor::new(view.shape().to_vec(), data)
}
