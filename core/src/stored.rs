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

/// Writes a file beside its place, syncs it and renames it there. Another process that writes it at the same time
/// is waited for.
///
/// # Errors
/// A full disk or a folder that can't be written; nothing half-written stays.
pub fn write_atomically(path: &Path, data: &[u8]) -> Result<()> {
    replace_atomically(path, |file| file.write_all(data))
}

/// [`write_atomically`], with what `fill` writes into the file, which is empty.
///
/// # Errors
/// As above.
pub fn replace_atomically(path: &Path, fill: impl FnOnce(&mut File) -> std::io::Result<()>) -> Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    check_regular(&temporary)?;
    let write = || -> std::io::Result<()> {
        // One name, so that what a killed process left is written over.
        let mut file = lock_at(&temporary)?;
        let written = file
            .set_len(0)
            .and_then(|()| fill(&mut file))
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&temporary, path));
        // Before the lock is given back.
        written.inspect_err(|_| drop(fs::remove_file(&temporary)))?;
        // The rename itself must reach the disk too.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    };
    write().map_err(|e| Error::io(path, &e))
}

/// A file at `path` that no other process writes. While one is waited for, the file may have got its final name.
fn lock_at(path: &Path) -> std::io::Result<File> {
    loop {
        let file = File::options().create(true).truncate(false).write(true).open(path)?;
        // Some network file systems have no locks.
        let _ = file.lock();
        if same_file(&file, path)? {
            return Ok(file);
        }
    }
}

#[cfg(unix)]
fn same_file(file: &File, path: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata()?, fs::metadata(path)) {
        (ours, Ok(there)) => Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino())),
        (_, Err(e)) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
        (_, Err(e)) => Err(e),
    }
}

#[cfg(not(unix))]
fn same_file(_: &File, path: &Path) -> std::io::Result<bool> {
    path.try_exists()
}

/// Refuses a pipe or a socket, on which reading or writing would wait for ever. What is missing passes.
///
/// # Errors
/// Something there that is neither a file nor a link to one.
pub fn check_regular(path: &Path) -> Result<()> {
    match fs::metadata(path) {
        Ok(there) if !there.is_file() => Err(Error::user("is no regular file")
            .at(path.display())
            .help("put a file in its place, or remove it")),
        _ => Ok(()),
    }
}

/// The bytes of a file.
///
/// # Errors
/// No file there, or one that can't be read.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    check_regular(path)?;
    fs::read(path).map_err(|e| Error::io(path, &e))
}

/// A tensor as a file holds it. Its bytes are made one tensor after another, so that a checkpoint is in memory as
/// tensors and as a file, not a third time.
pub(crate) struct Stored<'a>(pub(crate) &'a HostTensor);

impl View for Stored<'_> {
    fn dtype(&self) -> Dtype {
        match self.0.data() {
            HostData::F32(_) => Dtype::F32,
            HostData::F64(_) => Dtype::F64,
            HostData::Bf16(_) => Dtype::BF16,
            HostData::I64(_) => Dtype::I64,
            HostData::Bool(_) => Dtype::BOOL,
            HostData::U8(_) => Dtype::U8,
        }
    }

    fn shape(&self) -> &[usize] {
        self.0.shape().dims()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let mut bytes = Vec::with_capacity(self.data_len());
        // Nothing fails: the bytes go to memory.
        let _ = each_byte(self.0, |some| {
            bytes.extend_from_slice(some);
            Ok(())
        });
        Cow::Owned(bytes)
    }

    fn data_len(&self) -> usize {
        self.0.shape().count() * self.0.dtype().size()
    }
}

/// Gives the bytes of a tensor as a file holds them, some thousand at a time.
pub(crate) fn each_byte(
    tensor: &HostTensor,
    mut take: impl FnMut(&[u8]) -> std::io::Result<()>,
) -> std::io::Result<()> {
    fn some<const N: usize, T: Copy>(
        values: &[T],
        bytes: impl Fn(T) -> [u8; N],
        take: &mut impl FnMut(&[u8]) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        let mut buffer = vec![0; N * values.len().min(1 << 13)];
        for values in values.chunks(1 << 13) {
            for (place, &value) in buffer.as_chunks_mut::<N>().0.iter_mut().zip(values) {
                *place = bytes(value);
            }
            take(&buffer[..N * values.len()])?;
        }
        Ok(())
    }
    match tensor.data() {
        HostData::F32(v) => some(v, f32::to_le_bytes, &mut take),
        HostData::F64(v) => some(v, f64::to_le_bytes, &mut take),
        HostData::Bf16(v) => some(v, half::bf16::to_le_bytes, &mut take),
        HostData::I64(v) => some(v, i64::to_le_bytes, &mut take),
        HostData::Bool(v) => some(v, |x| [u8::from(x)], &mut take),
        HostData::U8(v) => take(v),
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
