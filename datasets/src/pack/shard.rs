//! A shard while it is written: a file under another name, which gets its own when it is whole.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use palimpsest_core::{Error, Result};
use sha2::{Digest, Sha256};

use super::parquet_shard::{self, ParquetShard};
use super::sample::PackedSample;
use super::tar_shard::{self, TarShard};
use super::{PackFormat, PackPart, PackTargets};

/// Writes samples in a format.
pub(super) trait Shard {
    /// Writes a sample.
    ///
    /// # Errors
    /// A full disk.
    fn add(&mut self, sample: PackedSample) -> Result<()>;
    /// Writes what ends a shard.
    ///
    /// # Errors
    /// A full disk.
    fn finish(self: Box<Self>) -> Result<ShardFile>;
}

/// Starts a shard.
///
/// # Errors
/// A full disk.
pub(super) fn start(format: PackFormat, file: ShardFile, part: &PackPart) -> Result<Box<dyn Shard>> {
    Ok(match format {
        PackFormat::WebDataset => Box::new(TarShard::new(file, part.targets.clone())),
        PackFormat::Parquet => Box::new(ParquetShard::new(file, part)?),
    })
}

/// Bytes that a sample takes in a shard, about.
pub(super) fn size_of(format: PackFormat, sample: &PackedSample, targets: &PackTargets) -> u64 {
    match format {
        PackFormat::WebDataset => tar_shard::size_of(sample, targets),
        PackFormat::Parquet => parquet_shard::size_of(sample),
    }
}

/// What a shard is called; of parquet the number of all is part of it, and isn't known at first.
pub(super) fn file_name(format: PackFormat, part: &str, number: usize, of: Option<usize>) -> String {
    match (format, of) {
        (PackFormat::WebDataset, _) => format!("{part}-{number:06}.tar"),
        (PackFormat::Parquet, Some(of)) => format!("{part}-{number:05}-of-{of:05}.parquet"),
        (PackFormat::Parquet, None) => format!("{part}-{number:05}.whole"),
    }
}

/// The file of a shard, with the checksum of what is in it. It is removed unless it is [kept](ShardFile::keep).
pub(super) struct ShardFile {
    path: PathBuf,
    temporary: PathBuf,
    file: BufWriter<File>,
    sha: Sha256,
    bytes: u64,
    kept: bool,
}

impl ShardFile {
    /// # Errors
    /// A folder that can't be written.
    pub(super) fn create(path: PathBuf) -> Result<Self> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".tmp");
        let temporary = PathBuf::from(temporary);
        // What a killed process left is written over.
        let file = File::create(&temporary).map_err(|e| Error::io(&temporary, &e))?;
        let file = BufWriter::with_capacity(1 << 20, file);
        Ok(Self { path, temporary, file, sha: Sha256::new(), bytes: 0, kept: false })
    }

    /// Where the shard will be.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the shard its name, and tells its length and checksum.
    ///
    /// # Errors
    /// A full disk.
    pub(super) fn keep(mut self) -> Result<(u64, String)> {
        let renamed = self.file.flush().and_then(|()| {
            self.file.get_ref().sync_all()?;
            std::fs::rename(&self.temporary, &self.path)?;
            // The rename itself must reach the disk too.
            File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()
        });
        renamed.map_err(|e| Error::io(&self.path, &e))?;
        self.kept = true;
        Ok((self.bytes, hexadecimal(&std::mem::take(&mut self.sha).finalize())))
    }
}

impl Write for ShardFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.sha.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl Drop for ShardFile {
    fn drop(&mut self) {
        if !self.kept {
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

/// Bytes in hexadecimal digits.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
