//! Safetensors files with a digest of all their bits, written a piece at a time and seen whole or not at all.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use rayon::prelude::*;
use safetensors::tensor::{Metadata, TensorInfo, View};
use sha2::{Digest, Sha256};

use crate::stored::{Stored, each_byte, replace_atomically};
use crate::tensor::HostTensor;
use crate::{Error, Result};

/// The metadata's key of the digest.
const CHECKSUM: &str = "checksum";
/// What stands in the digest's place while it is computed.
const UNSEALED: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// Bytes that are hashed in one piece, so that several threads can hash a file.
const PIECE: usize = 1 << 22;

/// What is called after each piece of a file, with the time that it took: who writes beside others rests here.
pub(crate) type Rest<'a> = dyn Fn(Duration) + 'a;

/// Writes a safetensors file with the digest of all its bits, which [`verify`] compares. Besides the tensors, a piece of
/// 4 MiB is in memory at a time, and this thread alone works. With `rest` the pieces reach the disk one by one, so that
/// there is no rush at the end.
///
/// # Errors
/// Names that are no names, a full disk or a folder that can't be written; nothing half-written stays.
pub(crate) fn write_sealed(
    path: &Path,
    tensors: &[(String, HostTensor)],
    mut metadata: HashMap<String, String>,
    rest: Option<&Rest<'_>>,
) -> Result<()> {
    metadata.insert(CHECKSUM.to_owned(), UNSEALED.to_owned());
    let mut tensors: Vec<&(String, HostTensor)> = tensors.iter().collect();
    // The order of the format: wider types first, then by name.
    tensors.sort_by(|(a, left), (b, right)| Stored(right).dtype().cmp(&Stored(left).dtype()).then(a.cmp(b)));
    let header = header(&tensors, metadata)?;
    replace_atomically(path, |file| {
        let mut sealing = Sealing {
            file,
            piece: Vec::with_capacity(PIECE),
            all: Sha256::new(),
            rest,
            began: Instant::now(),
        };
        sealing.add(&header)?;
        for (_, tensor) in &tensors {
            each_byte(tensor, |bytes| sealing.add(bytes))?;
        }
        let digest = sealing.finish()?;
        if let Some(place) = seal(&header) {
            file.seek(SeekFrom::Start(place.start as u64))?;
            file.write_all(digest.as_bytes())?;
        }
        Ok(())
    })
}

/// Whether a file is as [`write_sealed`] made it; `None` without a digest, as files were written before.
pub(crate) fn verify(data: &mut [u8]) -> Option<bool> {
    let place = seal(data)?;
    let stored = data[place.clone()].to_vec();
    data[place.clone()].copy_from_slice(UNSEALED.as_bytes());
    let pieces: Vec<_> = data.par_chunks(PIECE).map(Sha256::digest).collect();
    let mut all = Sha256::new();
    pieces.iter().for_each(|piece| all.update(piece));
    let whole = hexadecimal(all).as_bytes() == stored;
    data[place].copy_from_slice(&stored);
    Some(whole)
}

/// What stands before the tensors' bytes: its length, and where each tensor is.
fn header(tensors: &[&(String, HostTensor)], metadata: HashMap<String, String>) -> Result<Vec<u8>> {
    let mut end = 0;
    let infos = tensors.iter().map(|(name, tensor)| {
        let stored = Stored(tensor);
        let start = end;
        end += stored.data_len();
        let info =
            TensorInfo { dtype: stored.dtype(), shape: stored.shape().to_vec(), data_offsets: (start, end) };
        (name.clone(), info)
    });
    let infos = infos.collect();
    let failed = |why: String| Error::failure(why);
    let table = Metadata::new(Some(metadata), infos).map_err(|e| failed(e.to_string()))?;
    let mut text = serde_json::to_vec(&table).map_err(|e| failed(e.to_string()))?;
    // Tensors begin at a multiple of 8.
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut header = (text.len() as u64).to_le_bytes().to_vec();
    header.append(&mut text);
    Ok(header)
}

/// Where the digest stands. A quotation mark inside of another value is escaped, so this is found in no other place.
fn seal(data: &[u8]) -> Option<Range<usize>> {
    let key = format!("\"{CHECKSUM}\":\"");
    let length = u64::from_le_bytes(*data.first_chunk::<8>()?);
    let header = data.get(8..8usize.checked_add(usize::try_from(length).ok()?)?)?;
    let start = 8 + header.windows(key.len()).position(|part| part == key.as_bytes())? + key.len();
    (start + UNSEALED.len() <= 8 + header.len()).then(|| start..start + UNSEALED.len())
}

/// A file on its way to the disk, and the SHA-256 of the SHA-256 of each piece.
struct Sealing<'a> {
    file: &'a mut File,
    piece: Vec<u8>,
    all: Sha256,
    rest: Option<&'a Rest<'a>>,
    /// When the piece was begun.
    began: Instant,
}

impl Sealing<'_> {
    fn add(&mut self, mut bytes: &[u8]) -> std::io::Result<()> {
        while !bytes.is_empty() {
            let (fits, rest) = bytes.split_at(bytes.len().min(PIECE - self.piece.len()));
            self.piece.extend_from_slice(fits);
            bytes = rest;
            if self.piece.len() == PIECE {
                self.write_piece()?;
            }
        }
        Ok(())
    }

    fn write_piece(&mut self) -> std::io::Result<()> {
        self.all.update(Sha256::digest(&self.piece));
        self.file.write_all(&self.piece)?;
        self.piece.clear();
        if let Some(rest) = self.rest {
            let worked = self.began.elapsed();
            self.file.sync_data()?;
            rest(worked);
            self.began = Instant::now();
        }
        Ok(())
    }

    fn finish(mut self) -> std::io::Result<String> {
        if !self.piece.is_empty() {
            self.write_piece()?;
        }
        Ok(hexadecimal(self.all))
    }
}

fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stored::serialize;

    /// Beside what the library of the format makes of the same tensors: some longer than a piece, of three types, one
    /// without elements.
    #[test]
    fn a_sealed_file_is_what_the_library_writes_and_its_digest() {
        let long = (0..PIECE / 4 + 3).map(|i| i as f32 * 0.5).collect();
        let tensors = vec![
            ("b.long".to_owned(), HostTensor::f32([PIECE / 4 + 3], long).unwrap()),
            ("a".to_owned(), HostTensor::f32([2, 2], vec![1.0, -0.0, f32::MIN_POSITIVE, 4.0]).unwrap()),
            ("none".to_owned(), HostTensor::f32([0, 3], vec![]).unwrap()),
            ("z.wide".to_owned(), HostTensor::i64([3], vec![1, -2, 3]).unwrap()),
        ];
        let folder = std::env::temp_dir().join(format!("palimpsest-sealed-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("a.safetensors");
        // A value that holds the key in quotation marks.
        let metadata = HashMap::from([("recipe".to_owned(), "\"checksum\":\"0000".to_owned())]);
        write_sealed(&path, &tensors, metadata.clone(), None).unwrap();
        let mut data = std::fs::read(&path).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(verify(&mut data), Some(true));

        let place = seal(&data).unwrap();
        let mut with_digest = metadata;
        with_digest.insert(CHECKSUM.to_owned(), String::from_utf8(data[place].to_vec()).unwrap());
        let due = serialize(&tensors, with_digest).unwrap();
        assert_eq!(data.len(), due.len());
        let read = |data: &[u8]| {
            let (header, metadata) = safetensors::SafeTensors::read_metadata(data).unwrap();
            let places: Vec<_> =
                tensors.iter().map(|(name, _)| metadata.info(name).unwrap().data_offsets).collect();
            (header, metadata.metadata().clone(), places)
        };
        let (header, ..) = read(&data);
        assert_eq!(read(&data), read(&due));
        assert!(data[8 + header..] == due[8 + header..]);

        *data.last_mut().unwrap() ^= 1;
        assert_eq!(verify(&mut data), Some(false));
    }
}
