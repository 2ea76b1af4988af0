//! Images that are equal in every pixel.

use std::sync::Arc;

use palimpsest_core::data::{Dataset, Split};
use serde::Serialize;

/// Images that are there more than once: of one size and equal in every pixel, as the recipe reads them. Images that
/// are nearly equal, as after a second compression, are not found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Duplicates {
    /// The groups of equal images: first those across both parts, then those with different classes, then the others,
    /// each in the order of the data.
    pub groups: Vec<Duplicate>,
    /// Test images that are training images too.
    pub leaked: usize,
    /// Groups whose images have different classes.
    pub contradictions: usize,
    /// Images of a part that an earlier one of the same part equals.
    pub repeated: usize,
}

/// Equal images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Duplicate {
    /// Whether some are trained on and some tested on.
    pub across: bool,
    /// Whether they have different classes.
    pub contradiction: bool,
    /// Which they are.
    pub images: Vec<Twin>,
}

/// One of equal images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Twin {
    /// `train` or `test`.
    pub part: String,
    /// Where it is.
    pub location: String,
    /// Its class, if it has one.
    pub class: Option<String>,
}

/// What an image has in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Content {
    pub(super) hash: [u8; 16],
    pub(super) part: u32,
    pub(super) index: u32,
}

impl Duplicates {
    pub(super) fn among(mut contents: Vec<Content>, parts: &[(Split, Arc<dyn Dataset>)]) -> Self {
        contents.sort_unstable();
        let mut equal: Vec<&[Content]> =
            contents.chunk_by(|a, b| a.hash == b.hash).filter(|group| group.len() > 1).collect();
        equal.sort_unstable_by_key(|group| (group[0].part, group[0].index));
        let mut all = Self::default();
        for group in equal {
            let parts_of: Vec<u32> =
                group.chunk_by(|a, b| a.part == b.part).map(|some| some[0].part).collect();
            let class = |content: &Content| parts[content.part as usize].1.label(content.index as usize);
            let mut classes: Vec<u32> = group.iter().filter_map(class).collect();
            classes.dedup();
            let (across, contradiction) = (parts_of.len() > 1, classes.len() > 1);
            all.repeated += group.len() - parts_of.len();
            all.contradictions += usize::from(contradiction);
            if across {
                let test = |content: &&Content| parts[content.part as usize].0 == Split::Test;
                all.leaked += group.iter().filter(test).count();
            }
            let images = group.iter().map(|content| Twin::of(*content, parts)).collect();
            all.groups.push(Duplicate { across, contradiction, images });
        }
        all.groups.sort_by_key(|group| (!group.across, !group.contradiction));
        all
    }
}

impl Twin {
    fn of(content: Content, parts: &[(Split, Arc<dyn Dataset>)]) -> Self {
        let (split, data) = &parts[content.part as usize];
        let index = content.index as usize;
        let class = data.label(index).and_then(|label| data.classes().get(label as usize)).cloned();
        Self { part: split.to_string(), location: data.location(index), class }
    }
}
