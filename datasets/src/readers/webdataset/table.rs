//! The samples of a shard, in as few bytes as they take: 22 and the key.

use sha2::{Digest, Sha256};

/// A SHA-256.
pub(super) type Sum = [u8; 32];

/// No label.
pub(super) const UNLABELLED: u32 = u32::MAX;

/// Why a sample can't be loaded, though it is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The file ends within its image.
    Truncated = 1,
    /// Two members have one name.
    Twice = 2,
    /// The image is stored as a sparse file.
    Sparse = 3,
    /// The image has 4 GiB or more.
    TooLarge = 4,
}

impl Fault {
    const ALL: [Self; 4] = [Self::Truncated, Self::Twice, Self::Sparse, Self::TooLarge];

    pub(super) fn of_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| *fault as u8 == code)
    }
}

/// What was seen in a shard that the user may want to know: how often, and where first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remark {
    pub(super) kind: RemarkKind,
    pub(super) count: u32,
    pub(super) first: String,
}

/// What a [`Remark`] is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RemarkKind {
    /// Samples without an image.
    WithoutImage = 1,
    /// Labels that are no text or no JSON.
    UnreadableLabel = 2,
    /// The file ends, or is damaged, behind this member.
    EndsEarly = 3,
    /// The file has no end mark: it may have been cut between two members.
    NoEndMark = 4,
    /// Samples that were there before, or that the packer's list has, and that are behind the end now.
    Missing = 5,
}

impl RemarkKind {
    pub(super) const ALL: [Self; 5] =
        [Self::WithoutImage, Self::UnreadableLabel, Self::EndsEarly, Self::NoEndMark, Self::Missing];
}

/// A shard as it was when it was indexed, and its samples in their order in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ShardTable {
    /// The name of the file, without its folder.
    pub(super) name: String,
    /// Bytes of the file.
    pub(super) size: u64,
    /// When it was written last, in nanoseconds since 1970.
    pub(super) written: u64,
    /// Of all headers and labels, which is what was read of it.
    pub(super) sum: Sum,
    /// Of all bytes, where that was asked for.
    pub(super) whole: Option<Sum>,
    /// Where the image of each sample begins.
    pub(super) offsets: Vec<u64>,
    /// How long it is.
    pub(super) lengths: Vec<u32>,
    /// Where the key of each sample ends in `keys`.
    pub(super) key_ends: Vec<u32>,
    pub(super) keys: String,
    /// Places in `label_names`, or [`UNLABELLED`].
    pub(super) labels: Vec<u32>,
    pub(super) label_names: Vec<String>,
    /// Which of the suffixes the image has.
    pub(super) suffixes: Vec<u8>,
    /// Samples that can't be loaded, in order.
    pub(super) faults: Vec<(u32, Fault)>,
    pub(super) remarks: Vec<Remark>,
    /// Some of the suffixes that occur, to tell where none is an image's.
    pub(super) seen: Vec<String>,
}

impl ShardTable {
    pub(super) fn len(&self) -> usize {
        self.offsets.len()
    }

    /// The key of a sample.
    pub(super) fn key(&self, sample: usize) -> &str {
        let start = sample.checked_sub(1).map_or(0, |before| self.key_ends[before] as usize);
        &self.keys[start..self.key_ends[sample] as usize]
    }

    pub(super) fn fault(&self, sample: usize) -> Option<Fault> {
        let at = self.faults.binary_search_by_key(&(sample as u32), |fault| fault.0).ok()?;
        Some(self.faults[at].1)
    }

    pub(super) fn remark(&mut self, kind: RemarkKind, first: &str) {
        match self.remarks.iter_mut().find(|remark| remark.kind == kind) {
            Some(remark) => remark.count += 1,
            None => self.remarks.push(Remark { kind, count: 1, first: first.to_owned() }),
        }
    }

    /// Whether the file ends, or seems to end, before it should.
    fn is_cut(&self) -> bool {
        let cut = [RemarkKind::EndsEarly, RemarkKind::NoEndMark];
        self.remarks.iter().any(|remark| cut.contains(&remark.kind))
    }

    /// How many samples it had, as far as that is known.
    pub(super) fn due(&self) -> usize {
        let missing = self.remarks.iter().find(|remark| remark.kind == RemarkKind::Missing);
        self.len() + missing.map_or(0, |remark| remark.count as usize)
    }

    /// Whether it is cut, and had so many samples, which are more than it is known to have had.
    pub(super) fn lacks(&self, samples: usize) -> bool {
        self.is_cut() && samples > self.due()
    }

    /// Notes that it had so many samples, where it is cut now and has fewer.
    pub(super) fn was_of(&mut self, samples: usize) {
        if !self.lacks(samples) {
            return;
        }
        self.remarks.retain(|remark| remark.kind != RemarkKind::Missing);
        let count = u32::try_from(samples - self.len()).unwrap_or(u32::MAX);
        self.remarks.push(Remark { kind: RemarkKind::Missing, count, first: String::new() });
    }

    /// Gives back what was kept for growth.
    pub(super) fn shrink(&mut self) {
        self.offsets.shrink_to_fit();
        self.lengths.shrink_to_fit();
        self.key_ends.shrink_to_fit();
        self.keys.shrink_to_fit();
        self.labels.shrink_to_fit();
        self.suffixes.shrink_to_fit();
    }

    /// As a file holds it.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer(Vec::new());
        out.text(&self.name);
        out.long(self.size);
        out.long(self.written);
        out.0.extend(self.sum);
        out.0.push(u8::from(self.whole.is_some()));
        out.0.extend(self.whole.unwrap_or_default());
        out.long(self.len() as u64);
        self.offsets.iter().for_each(|&offset| out.long(offset));
        for column in [&self.lengths, &self.key_ends, &self.labels] {
            column.iter().for_each(|&value| out.0.extend(value.to_le_bytes()));
        }
        out.0.extend(&self.suffixes);
        out.text(&self.keys);
        out.texts(&self.label_names);
        out.texts(&self.seen);
        out.long(self.faults.len() as u64);
        for (sample, fault) in &self.faults {
            out.0.extend(sample.to_le_bytes());
            out.0.push(*fault as u8);
        }
        out.long(self.remarks.len() as u64);
        for remark in &self.remarks {
            out.0.push(remark.kind as u8);
            out.0.extend(remark.count.to_le_bytes());
            out.text(&remark.first);
        }
        out.0
    }

    /// Of what [`ShardTable::to_bytes`] made; none if it is anything else.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut rest = Reader(bytes);
        let (name, size, written, sum) = (rest.text()?, rest.long()?, rest.long()?, rest.sum()?);
        let whole = (rest.take(1)?, rest.sum()?);
        let whole = (whole.0 == [1]).then_some(whole.1);
        let samples = rest.count()?;
        let offsets = rest.take(samples.checked_mul(8)?)?.as_chunks().0;
        let offsets = offsets.iter().map(|&bytes| u64::from_le_bytes(bytes)).collect();
        let mut column = || -> Option<Vec<u32>> {
            let bytes = rest.take(samples.checked_mul(4)?)?.as_chunks().0;
            Some(bytes.iter().map(|&bytes| u32::from_le_bytes(bytes)).collect())
        };
        let (lengths, key_ends, labels) = (column()?, column()?, column()?);
        let suffixes = rest.take(samples)?.to_vec();
        let keys = rest.text()?;
        let (label_names, seen) = (rest.texts()?, rest.texts()?);
        let faults = (0..rest.count()?)
            .map(|_| Some((rest.int()?, Fault::of_code(rest.take(1)?[0])?)))
            .collect::<Option<Vec<_>>>()?;
        let remarks = (0..rest.count()?)
            .map(|_| {
                let code = rest.take(1)?[0];
                let kind = RemarkKind::ALL.into_iter().find(|kind| *kind as u8 == code)?;
                Some(Remark { kind, count: rest.int()?, first: rest.text()? })
            })
            .collect::<Option<Vec<_>>>()?;
        let table = Self {
            name,
            size,
            written,
            sum,
            whole,
            offsets,
            lengths,
            key_ends,
            keys,
            labels,
            label_names,
            suffixes,
            faults,
            remarks,
            seen,
        };
        (rest.0.is_empty() && table.is_sound()).then_some(table)
    }

    /// Whether everything that points somewhere points into the table.
    fn is_sound(&self) -> bool {
        let labels = self.label_names.len() as u32;
        let mut start = 0;
        self.key_ends.iter().all(|&end| {
            let sound = start <= end && self.keys.is_char_boundary(end as usize);
            start = end;
            sound
        }) && self.labels.iter().all(|&label| label == UNLABELLED || label < labels)
            && self.faults.is_sorted_by_key(|fault| fault.0)
    }
}

/// The sum of some bytes.
pub(super) fn sum_of(bytes: &[u8]) -> Sum {
    Sha256::digest(bytes).into()
}

struct Writer(Vec<u8>);

impl Writer {
    fn long(&mut self, value: u64) {
        self.0.extend(value.to_le_bytes());
    }
    fn text(&mut self, text: &str) {
        self.long(text.len() as u64);
        self.0.extend(text.as_bytes());
    }
    fn texts(&mut self, texts: &[String]) {
        self.long(texts.len() as u64);
        texts.iter().for_each(|text| self.text(text));
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }
    fn long(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_le_bytes)
    }
    fn int(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }
    fn sum(&mut self) -> Option<Sum> {
        self.take(32)?.try_into().ok()
    }
    /// A number of things, each of which takes a byte or more.
    fn count(&mut self) -> Option<usize> {
        usize::try_from(self.long()?).ok().filter(|&count| count <= self.0.len())
    }
    fn text(&mut self) -> Option<String> {
        let length = self.count()?;
        String::from_utf8(self.take(length)?.to_vec()).ok()
    }
    fn texts(&mut self) -> Option<Vec<String>> {
        (0..self.count()?).map(|_| self.text()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> ShardTable {
        let mut table = ShardTable {
            name: "a.tar".to_owned(),
            size: 10_240,
            written: 7,
            sum: [3; 32],
            whole: Some([4; 32]),
            offsets: vec![512, 2048],
            lengths: vec![100, 200],
            key_ends: vec![2, 5],
            keys: "n1ü/".to_owned(),
            labels: vec![0, UNLABELLED],
            label_names: vec!["cat".to_owned()],
            suffixes: vec![0, 1],
            faults: vec![(1, Fault::Twice)],
            seen: vec!["jpg".to_owned(), "png".to_owned()],
            ..ShardTable::default()
        };
        table.remark(RemarkKind::WithoutImage, "n3");
        table.remark(RemarkKind::WithoutImage, "n4");
        table
    }

    #[test]
    fn what_was_written_is_read() {
        let table = table();
        assert_eq!(ShardTable::from_bytes(&table.to_bytes()), Some(table.clone()));
        assert_eq!([0, 1].map(|sample| table.key(sample)), ["n1", "ü/"]);
        assert_eq!([0, 1].map(|sample| table.fault(sample)), [None, Some(Fault::Twice)]);
        assert_eq!((table.remarks[0].count, table.remarks[0].first.as_str()), (2, "n3"));
    }

    /// Whatever a damaged file holds, there is a table or none.
    #[test]
    fn damage_is_none_or_a_sound_table() {
        let bytes = table().to_bytes();
        for length in 0..bytes.len() {
            assert_eq!(ShardTable::from_bytes(&bytes[..length]), None);
        }
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x81;
            if let Some(table) = ShardTable::from_bytes(&bytes) {
                for sample in 0..table.len() {
                    let _ = (table.key(sample), table.fault(sample));
                }
            }
        }
    }
}
