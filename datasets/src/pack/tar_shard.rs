//! Shards of WebDataset: for each sample its image, its label as `cls`, and its name, class, labels and
//! numbers as `json`.
//!
//! Headers are POSIX's ustar; a name that doesn't fit, or isn't ASCII, stands in a PAX header before, as Python's
//! `tarfile` writes it.

use std::io::Write;

use palimpsest_core::{Error, Result};
use tar::{EntryType, Header};

use super::PackTargets;
use super::sample::PackedSample;
use super::shard::{Shard, ShardFile};

const BLOCK: u64 = 512;

pub(super) struct TarShard {
    file: ShardFile,
    targets: PackTargets,
}

impl TarShard {
    pub(super) fn new(file: ShardFile, targets: PackTargets) -> Self {
        Self { file, targets }
    }
}

impl Shard for TarShard {
    fn add(&mut self, sample: PackedSample) -> Result<()> {
        for (name, bytes) in members(&sample, &self.targets) {
            let written = write_member(&mut self.file, &name, bytes.as_ref());
            written.map_err(|e| Error::io(self.file.path(), &e))?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<ShardFile> {
        let written = self.file.write_all(&[0; 2 * BLOCK as usize]);
        written.map_err(|e| Error::io(self.file.path(), &e))?;
        Ok(self.file)
    }
}

/// The members of a sample by their names.
fn members<'a>(sample: &'a PackedSample, targets: &PackTargets) -> Vec<(String, std::borrow::Cow<'a, [u8]>)> {
    let name = |suffix: &str| format!("{}.{suffix}", sample.key);
    let image = (name(sample.image.format.ending()), sample.image.bytes.as_slice().into());
    let label = sample.label.map(|label| (name("cls"), label.to_string().into_bytes().into()));
    let json = (name("json"), sample.json(targets).into_bytes().into());
    [Some(image), label, Some(json)].into_iter().flatten().collect()
}

/// Bytes that a sample takes.
pub(super) fn size_of(sample: &PackedSample, targets: &PackTargets) -> u64 {
    members(sample, targets)
        .iter()
        .map(|(name, bytes)| {
            let long = header(name).is_none().then(|| BLOCK + padded(pax_record(name).len()));
            long.unwrap_or(0) + BLOCK + padded(bytes.len())
        })
        .sum()
}

fn padded(length: usize) -> u64 {
    (length as u64).next_multiple_of(BLOCK)
}

fn write_member(out: &mut impl Write, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let header = match header(name) {
        Some(header) => header,
        None => {
            let record = pax_record(name);
            let mut extended = Header::new_ustar();
            extended.set_path("@PaxHeader")?;
            write_entry(out, extended, EntryType::XHeader, record.as_bytes())?;
            // What programs that don't know PAX see.
            let mut header = Header::new_ustar();
            let plain: String = name.chars().rev().filter(char::is_ascii_alphanumeric).take(90).collect();
            header.set_path(plain.chars().rev().collect::<String>())?;
            header
        }
    };
    write_entry(out, header, EntryType::Regular, bytes)
}

/// A header that holds the name, if one can.
fn header(name: &str) -> Option<Header> {
    let mut header = Header::new_ustar();
    (name.is_ascii() && header.set_path(name).is_ok()).then_some(header)
}

/// Nothing of who wrote it, and when.
fn write_entry(
    out: &mut impl Write,
    mut header: Header,
    kind: EntryType,
    bytes: &[u8],
) -> std::io::Result<()> {
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(bytes.len() as u64);
    header.set_cksum();
    out.write_all(header.as_bytes())?;
    out.write_all(bytes)?;
    let padding = padded(bytes.len()) as usize - bytes.len();
    out.write_all(&[0; BLOCK as usize][..padding])
}

/// `LENGTH path=NAME\n`, where the length counts its own digits too.
fn pax_record(name: &str) -> String {
    let rest = format!(" path={name}\n");
    let mut length = rest.len();
    while length != rest.len() + length.to_string().len() {
        length = rest.len() + length.to_string().len();
    }
    format!("{length}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pax_record_tells_its_length() {
        for letters in 0..300 {
            let record = pax_record(&"a".repeat(letters));
            let (length, _) = record.split_once(' ').expect("a length");
            assert_eq!(length.parse(), Ok(record.len()), "{record}");
        }
    }

    #[test]
    fn members_are_read_by_another_library() {
        let long = format!("{}/{}", "f".repeat(150), "n".repeat(120));
        let names = ["a/b.jpg", "ü/ö.cls", &long, &"x".repeat(300)];
        let mut bytes = vec![];
        for (number, name) in names.iter().enumerate() {
            write_member(&mut bytes, name, &vec![7; 100 * number]).expect("memory");
        }
        bytes.extend([0; 1024]);
        let mut archive = tar::Archive::new(bytes.as_slice());
        let entries: Vec<(String, u64)> = archive
            .entries()
            .expect("entries")
            .map(|entry| entry.expect("an entry"))
            .map(|entry| (entry.path().expect("a path").display().to_string(), entry.size()))
            .collect();
        let wanted: Vec<(String, u64)> =
            names.iter().map(|name| (*name).to_owned()).zip([0, 100, 200, 300]).collect();
        assert_eq!(entries, wanted);
    }
}
