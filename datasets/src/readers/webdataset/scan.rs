//! One shard, from its headers to the table of its samples. Images are skipped, labels are read.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use palimpsest_core::{Error, Result};
use sha2::{Digest, Sha256};
use tar::{Archive, Entry, EntryType};

use super::members::{Label, Members, is_meta, key_and_suffix};
use super::table::{Fault, RemarkKind, ShardTable, Sum, UNLABELLED};
use super::window::Window;
use crate::formats::shards::compressed::renamed;
use crate::formats::shown::shown;
use palimpsest_core::positioned::written_at;

/// A label that is longer is none: it would be read whole.
const LONGEST_LABEL: u64 = 16 << 20;
/// Suffixes that are kept, to tell what there is where no image is found.
const SUFFIXES_SEEN: usize = 12;

/// The table of a shard.
///
/// # Errors
/// A file that can't be read or is no tar; a label in JSON that is no class.
pub(super) fn scanned(path: &Path, members: &Members) -> Result<ShardTable> {
    let io = |e: std::io::Error| Error::io(path, &e);
    let file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    refuse_compressed(&file, path)?;
    let table = ShardTable {
        name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        size: metadata.len(),
        written: written_at(&metadata),
        ..ShardTable::default()
    };
    if table.size == 0 {
        return Err(Error::user("the file is empty")
            .at(path.display())
            .help("copy it again, or leave it out"));
    }
    let mut scan =
        Scan { path, members, table, sample: None, labels: HashMap::new(), sum: Sha256::new(), end: 0 };
    let window = Window::new(&file);
    let wanted = window.wanted();
    let mut archive = Archive::new(window);
    let mut damage = None;
    for entry in archive.entries_with_seek().map_err(io)? {
        match entry {
            Ok(entry) => scan.member(entry)?,
            Err(error) => {
                damage = Some(error);
                break;
            }
        }
    }
    let size = scan.table.size;
    if let Some(error) = damage {
        if scan.end == 0 {
            return Err(Error::user(format!("no tar file: {}", shown(&error.to_string())))
                .at(path.display())
                .help("copy it again, or leave it out"));
        }
        scan.ends_early();
    } else if scan.end > size {
        scan.ends_early();
    } else if wanted.get() > size {
        let last = scan.last_key();
        scan.table.remark(RemarkKind::NoEndMark, &last);
    }
    scan.finish();
    let mut table = scan.table;
    table.sum = scan.sum.finalize().into();
    table.shrink();
    Ok(table)
}

/// The sum of all bytes of a file.
pub(super) fn whole_sum(mut file: &File) -> std::io::Result<Sum> {
    let mut sum = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(sum.finalize().into()),
            read => sum.update(&buffer[..read]),
        }
    }
}

fn refuse_compressed(file: &File, path: &Path) -> Result<()> {
    let mut start = [0; 6];
    let read = palimpsest_core::positioned::read_at(file, &mut start, 0).map_err(|e| Error::io(path, &e))?;
    let magic: [(&[u8], &str); 4] =
        [(b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"\xfd7zXZ\0", "xz"), (b"BZh", "bzip2")];
    match magic.into_iter().find(|(magic, _)| start[..read].starts_with(magic)) {
        Some((_, program)) => Err(renamed(path, program)),
        None => Ok(()),
    }
}

/// The sample that is being read.
struct Sample {
    key: String,
    image: Option<Image>,
    label: u32,
    /// Suffixes that were met, of those that are read.
    met: Vec<String>,
    fault: Option<Fault>,
}

struct Image {
    suffix: u8,
    offset: u64,
    length: u32,
    fault: Option<Fault>,
}

struct Scan<'a> {
    path: &'a Path,
    members: &'a Members,
    table: ShardTable,
    sample: Option<Sample>,
    /// The places of the table's names of labels.
    labels: HashMap<String, u32>,
    sum: Sha256,
    /// Where the last member ends, without what fills its block.
    end: u64,
}

impl Scan<'_> {
    fn member(&mut self, mut entry: Entry<'_, impl Read>) -> Result<()> {
        self.sum.update(entry.header().as_bytes());
        let kind = entry.header().entry_type();
        let (offset, length) = (entry.raw_file_position(), entry.size());
        // Of a sparse file that is what it would be unpacked to.
        let stored =
            if kind == EntryType::GNUSparse { entry.header().entry_size().unwrap_or(0) } else { length };
        self.end = self.end.max(offset.saturating_add(stored));
        if !matches!(kind, EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse) {
            return Ok(());
        }
        let (name, sparse) = true_name(&mut entry);
        self.sum.update(name.as_bytes());
        let Some((key, suffix)) = key_and_suffix(&name).filter(|_| !is_meta(&name)) else { return Ok(()) };
        if self.sample.as_ref().is_none_or(|sample| sample.key != key) {
            self.finish();
            self.sample = Some(Sample {
                key: key.to_owned(),
                image: None,
                label: UNLABELLED,
                met: Vec::new(),
                fault: None,
            });
        }
        let suffix = suffix.to_lowercase();
        self.see(&suffix);
        let (members, size) = (self.members, self.table.size);
        let Some(sample) = &mut self.sample else { return Ok(()) };
        let rank = members.images.iter().position(|own| *own == suffix);
        let label = members.label.as_ref().filter(|label| label.suffix == suffix);
        if rank.is_none() && label.is_none() {
            return Ok(());
        }
        if sample.met.contains(&suffix) {
            sample.fault = Some(Fault::Twice);
            return Ok(());
        }
        sample.met.push(suffix);
        let cut = offset.saturating_add(stored) > size;
        if let Some(rank) =
            rank.filter(|&rank| sample.image.as_ref().is_none_or(|own| rank < usize::from(own.suffix)))
        {
            let (length, too_large) =
                u32::try_from(length).map_or((u32::MAX, true), |length| (length, false));
            let faults = [(sparse, Fault::Sparse), (cut, Fault::Truncated), (too_large, Fault::TooLarge)];
            let fault = faults.into_iter().find(|(met, _)| *met).map(|(_, fault)| fault);
            sample.image = Some(Image { suffix: rank as u8, offset, length, fault });
        }
        let Some(label) = label else { return Ok(()) };
        let mut bytes = Vec::new();
        let readable = !cut
            && !sparse
            && length <= LONGEST_LABEL
            && entry.read_to_end(&mut bytes).is_ok_and(|read| read as u64 == length);
        self.sum.update(&bytes);
        let cut_or_long = || Label::Unreadable("cut off, sparse or too long".to_owned());
        let found = if readable { label.read(&bytes) } else { Ok(cut_or_long()) };
        let found = found.map_err(|e| e.at(format_args!("{}, {}", self.path.display(), shown(&name))))?;
        match found {
            Label::Text(text) => {
                let names = &mut self.table.label_names;
                sample.label = *self.labels.entry(text).or_insert_with_key(|text| {
                    names.push(text.clone());
                    names.len() as u32 - 1
                });
            }
            Label::None => {}
            Label::Unreadable(why) => {
                self.table.remark(RemarkKind::UnreadableLabel, &format!("{name} ({why})"));
            }
        }
        Ok(())
    }

    fn see(&mut self, suffix: &str) {
        let seen = &mut self.table.seen;
        if seen.len() < SUFFIXES_SEEN && !seen.iter().any(|known| known == suffix) {
            seen.push(suffix.to_owned());
        }
    }

    /// The sample is whole.
    fn finish(&mut self) {
        let Some(sample) = self.sample.take() else { return };
        let table = &mut self.table;
        let Some(image) = sample.image else {
            return table.remark(RemarkKind::WithoutImage, &sample.key);
        };
        if let Some(fault) = image.fault.or(sample.fault) {
            table.faults.push((table.offsets.len() as u32, fault));
        }
        table.offsets.push(image.offset);
        table.lengths.push(image.length);
        table.suffixes.push(image.suffix);
        table.labels.push(sample.label);
        table.keys.push_str(&sample.key);
        table.key_ends.push(table.keys.len() as u32);
    }

    fn last_key(&self) -> String {
        let before = || self.table.len().checked_sub(1).map(|last| self.table.key(last).to_owned());
        self.sample.as_ref().map(|sample| sample.key.clone()).or_else(before).unwrap_or_default()
    }

    fn ends_early(&mut self) {
        let last = self.last_key();
        self.table.remark(RemarkKind::EndsEarly, &last);
    }
}

/// The name of a member, and whether it is stored without its empty stretches. For those the header may have a name
/// that stands for it, and the true one in an extension.
fn true_name(entry: &mut Entry<'_, impl Read>) -> (String, bool) {
    let mut sparse = entry.header().entry_type() == EntryType::GNUSparse;
    let mut name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    if let Ok(Some(extensions)) = entry.pax_extensions() {
        for extension in extensions.flatten() {
            if extension.key_bytes().starts_with(b"GNU.sparse.") {
                sparse = true;
                if extension.key_bytes() == b"GNU.sparse.name" {
                    name = String::from_utf8_lossy(extension.value_bytes()).into_owned();
                }
            }
        }
    }
    (name, sparse)
}
