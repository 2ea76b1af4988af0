//! Images that their metadata turn, where targets are given in pixels: of the upright image, or of the stored one?

use std::path::Path;

use palimpsest_core::Error;
use rayon::prelude::*;

use crate::decode::Exif;
use crate::formats::evenly::{evenly, of_all};
use crate::image_header::ImageHeader;

/// The images of a part, of which some are looked at.
pub(crate) struct TargetImages<'a> {
    pub(crate) part: &'a str,
    pub(crate) count: usize,
    pub(crate) exif: Exif,
    /// What is drawn on them.
    pub(crate) targets: &'static str,
}

/// What is to be said of images that are turned: `file` gives the path of one and its annotated size.
pub(crate) fn note_on_turned<'a>(
    TargetImages { part, count, exif, targets }: TargetImages<'_>,
    file: impl Fn(usize) -> (&'a Path, Option<(usize, usize)>) + Sync,
) -> Option<String> {
    let seen: Vec<(ImageHeader, Option<(usize, usize)>)> = evenly(count)
        .into_par_iter()
        .filter_map(|i| {
            let (path, size) = file(i);
            Some((ImageHeader::of_file(path)?, size))
        })
        .collect();
    let turned = seen.iter().filter(|(header, _)| header.is_turned()).count();
    if turned == 0 {
        return None;
    }
    let sized = |of: fn(&ImageHeader) -> (usize, usize)| {
        let sideways = seen.iter().filter(|(header, _)| header.is_sideways());
        sideways.filter(|(h, size)| h.stored.0 != h.stored.1 && *size == Some(of(h))).count()
    };
    let (stored, upright) = (sized(|header| header.stored), sized(ImageHeader::upright));
    let of = if part.is_empty() { String::new() } else { format!("{part}: ") };
    let taken = match exif {
        Exif::Apply => format!(
            "are turned by EXIF, and {targets} are taken as drawn on upright images; data.reader.exif=ignore \
             takes images as stored"
        ),
        Exif::Ignore => format!(
            "have an EXIF turn, which is ignored: {targets} are taken as drawn on images as stored; \
             data.reader.exif=apply turns them"
        ),
    };
    let mut note = format!("{of}{turned} of {} {taken}", of_all(count, "images"));
    if stored + upright > 0 {
        note += &format!(
            "; where a turn swaps the sides, {stored} annotated sizes are those of the image as stored, {upright} \
             those of the upright one"
        );
    }
    Some(note)
}

/// An image of another size than its targets tell.
pub(crate) struct Mismatch<'a> {
    pub(crate) path: &'a Path,
    pub(crate) have: (usize, usize),
    pub(crate) told: (usize, usize),
    pub(crate) exif: Exif,
}

impl Mismatch<'_> {
    /// The error, which says so where a turn explains it.
    pub(crate) fn explain(&self, error: Error) -> Error {
        let sideways = self.have == (self.told.1, self.told.0)
            && ImageHeader::of_file(self.path).is_some_and(|header| header.is_sideways());
        match (sideways, self.exif) {
            (false, _) => error,
            (true, Exif::Apply) => Error::user(format!("{}: EXIF turned the image upright", error.message()))
                .help("set data.reader.exif=ignore if its targets were drawn on the image as stored"),
            (true, Exif::Ignore) => Error::user(format!("{}: its EXIF turn is ignored", error.message()))
                .help("set data.reader.exif=apply if its targets were drawn on the upright image"),
        }
    }
}
