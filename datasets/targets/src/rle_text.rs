//! The text in which COCO stores runs: each the difference from the run two before, in groups of
//! five bits from the lowest, with 32 added where more follow and 48 to all; the last group's
//! bit 16 is the sign.

use palimpsest_core::{Error, Result};

use crate::Rle;

impl Rle {
    /// From COCO's text of runs.
    ///
    /// # Errors
    /// A character that doesn't occur in such texts, a text that ends within a number, runs that
    /// don't sum up to the mask.
    pub fn from_text(width: usize, height: usize, text: &str) -> Result<Self> {
        let wrong = |what: String| Error::user(what).help("copy `counts` again as COCO's tools wrote it");
        let mut counts: Vec<i64> = Vec::new();
        let (mut value, mut shift) = (0i64, 0u32);
        for (at, byte) in text.bytes().enumerate() {
            if !(48..112).contains(&byte) || shift > 50 {
                return Err(wrong(format!("byte {at} of the runs' text, {byte}, can't be there")));
            }
            let group = i64::from(byte - 48);
            value |= (group & 0x1F) << shift;
            shift += 5;
            if group & 0x20 != 0 {
                continue;
            }
            if group & 0x10 != 0 {
                value |= -1 << shift;
            }
            // The first three are written as they are.
            let before = if counts.len() > 2 { counts[counts.len() - 2] } else { 0 };
            counts.push(before + value);
            (value, shift) = (0, 0);
        }
        if shift > 0 {
            return Err(wrong("the runs' text ends within a number".to_owned()));
        }
        let counts: Option<Vec<u32>> = counts.into_iter().map(|c| u32::try_from(c).ok()).collect();
        Self::new(width, height, &counts.ok_or_else(|| wrong("a run is below 0".to_owned()))?)
    }

    /// COCO's text of the runs.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (i, &count) in self.counts().iter().enumerate() {
            let before = if i > 2 { self.counts()[i - 2] } else { 0 };
            let mut value = i64::from(count) - i64::from(before);
            loop {
                let group = (value & 0x1F) as u8;
                value >>= 5;
                let done = value == if group & 0x10 != 0 { -1 } else { 0 };
                text.push(char::from(48 + group + if done { 0 } else { 0x20 }));
                if done {
                    break;
                }
            }
        }
        text
    }
}
