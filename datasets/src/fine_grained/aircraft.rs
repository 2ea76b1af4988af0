//! FGVC-Aircraft 2013b (Maji et al. 2013), at any of its three levels.

use std::path::Path;

use palimpsest_core::Result;
use palimpsest_core::error::unknown_name;

use crate::decode::DecodeOptions;
use crate::picture_list::PictureList;
use crate::split::Split;
use crate::text_lines::TextLines;
use crate::unpacked::unpacked;

/// What a class is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// As Boeing 737-700.
    Variant,
    /// As Boeing 737.
    Family,
    /// As Boeing.
    Manufacturer,
}

/// Opens the pictures of `trainval`, or of `test`.
///
/// # Errors
/// A list or picture that is missing, an unknown class.
pub fn open(path: &Path, level: Level, split: Split, options: DecodeOptions) -> Result<PictureList> {
    let (names, level) = match level {
        Level::Variant => ("variants.txt", "variant"),
        Level::Family => ("families.txt", "family"),
        Level::Manufacturer => ("manufacturers.txt", "manufacturer"),
    };
    let root = unpacked(path, &["data", "fgvc-aircraft-2013b/data"], names)?;
    let classes = TextLines::read(&root.join(names))?.entries()?;
    let part = if split == Split::Train { "trainval" } else { "test" };
    let place = root.join(format!("images_{level}_{part}.txt"));
    let lines = TextLines::read(&place)?;
    let mut list = PictureList::new(root.join("images"), classes.clone(), options);
    for line in lines.lines() {
        let (image, class) = line.key_and_rest("IMAGE CLASS")?;
        let label = classes
            .iter()
            .position(|c| c == class)
            .ok_or_else(|| line.at(unknown_name("class", class, classes.iter().map(String::as_str))))?;
        list.push(&format!("{image}.jpg"), label as u32).map_err(|e| line.at(e))?;
    }
    list.filled(&place)
}
