//! Tensors in safetensors files, and files that are seen whole or not at all.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::TensorView;

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
    let bytes: Vec<(Dtype, Vec<u8>)> = tensors.iter().map(|(_, tensor)| to_bytes(tensor)).collect();
    let mut views = vec![];
    for ((name, tensor), (dtype, bytes)) in tensors.iter().zip(&bytes) {
        let view = TensorView::new(*dtype, tensor.shape().to_vec(), bytes)
            .map_err(|e| Error::failure(format!("{name}: {e}")))?;
        views.push((name.as_str(), view));
    }
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

fn to_bytes(tensor: &HostTensor) -> (Dtype, Vec<u8>) {
    match tensor.data() {
        HostData::F32(v) => (Dtype::F32, v.iter().flat_map(|x| x.to_le_bytes()).collect()),
        HostData::F64(v) => (Dtype::F64, v.iter().flat_map(|x| x.to_le_bytes()).collect()),
        HostData::Bf16(v) => (Dtype::BF16, v.iter().flat_map(|x| x.to_le_bytes()).collect()),
        HostData::I64(v) => (Dtype::I64, v.iter().flat_map(|x| x.to_le_bytes()).collect()),
        HostData::Bool(v) => (Dtype::BOOL, v.iter().map(|&x| u8::from(x)).collect()),
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
