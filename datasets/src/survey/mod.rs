//! What data are like: means and deviations of the channels, sizes, classes, broken files, duplicates.
//!
//! Each image is decoded once, as the recipe reads it. Sums are made of one image, then of the images in their order,
//! so that figures don't depend on the number of threads.

mod channels;
mod duplicates;
mod sizes;

use std::collections::BTreeMap;
use std::sync::Arc;

use palimpsest_core::data::{Dataset, Image, Samples, Split};
use palimpsest_core::{Error, Result};
use rayon::prelude::*;
use serde::Serialize;
use sha2::{Digest, Sha256};

use self::channels::Totals;
pub use self::channels::{Channel, LEVELS};
use self::duplicates::Content;
pub use self::duplicates::{Duplicate, Duplicates, Twin};
pub use self::sizes::{Bin, Histogram, Sizes, Spread};
use crate::colour::with_channels;
use crate::decode::DecodeOptions;
use crate::draw::Draw;
use crate::image_format::ImageFormat;
use crate::pipeline::stored_type::stored_type;
pub use crate::pipeline::stored_values::StoredValues;
use crate::scaling::Scaling;

/// What is looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct SurveyOptions {
    /// Images of each part at most, drawn by the seed; 0 takes all.
    pub limit: usize,
    /// The seed.
    pub seed: u64,
    /// The channels that images are given, as `data.channels` says.
    pub channels: usize,
    /// The page of a TIFF, as `data.page` says.
    pub page: usize,
    /// How the numbers of image files become samples.
    pub scaling: Scaling,
}

/// What data are like.
#[derive(Debug, Clone, Serialize)]
pub struct Survey {
    /// Each part that was looked at.
    pub parts: Vec<PartSurvey>,
    /// Images that are equal in every pixel, within a part and across parts.
    pub duplicates: Duplicates,
}

/// What a part is like.
#[derive(Debug, Clone, Serialize)]
pub struct PartSurvey {
    /// `train` or `test`.
    pub part: String,
    /// How many images it has.
    pub of: usize,
    /// How many of them were looked at, the broken ones too.
    pub images: usize,
    /// Channels of pixels from 0 to 1: mean and deviation over all pixels of all images.
    pub channels: Vec<Channel>,
    /// Images whose channels are equal in each pixel.
    pub grey: usize,
    /// Sizes, of the images that could be read; none where there are none.
    pub sizes: Option<Sizes>,
    /// How many files are of which format; what is no file of its own is `decoded by the reader`.
    pub formats: BTreeMap<String, usize>,
    /// How many files store numbers of which type: `8-bit`, `16-bit`, `32-bit float`; a file of no known format is left out.
    pub stored: BTreeMap<String, usize>,
    /// The least and the greatest number that the files store, whatever the recipe makes of them; none where no file's are
    /// known.
    pub stored_values: Option<StoredValues>,
    /// Images of each class in the whole part, whether they were looked at or not.
    pub classes: Vec<ClassCount>,
    /// Images of the whole part without a class.
    pub unlabelled: usize,
    /// Images that can't be read.
    pub broken: Vec<BrokenImage>,
}

/// How many images a class has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClassCount {
    /// Its name.
    pub class: String,
    /// How many.
    pub images: usize,
}

/// An image that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BrokenImage {
    /// Where it is.
    pub location: String,
    /// What is wrong with it.
    pub why: String,
}

impl PartSurvey {
    /// The side that all images have, if they are squares of one size.
    pub fn square(&self) -> Option<usize> {
        let Sizes { width, height, .. } = self.sizes.as_ref()?;
        let one = width.least == width.most && height.least == height.most && width.least == height.least;
        one.then_some(width.least as usize)
    }

    /// Whether there are images, and none can be read.
    pub fn is_unreadable(&self) -> bool {
        self.images > 0 && self.broken.len() == self.images
    }

    /// Whether every image that could be read is grey.
    pub fn is_grey(&self) -> bool {
        self.grey > 0 && self.grey + self.broken.len() == self.images
    }

    /// The channels that tell something: of images that are grey throughout the first.
    pub fn telling_channels(&self) -> &[Channel] {
        if self.is_grey() { &self.channels[..self.channels.len().min(1)] } else { &self.channels }
    }

    /// The classes that no image has.
    pub fn empty_classes(&self) -> Vec<&str> {
        self.classes.iter().filter(|class| class.images == 0).map(|class| class.class.as_str()).collect()
    }
}

/// Images that are decoded before their sums are added up: enough for any number of threads.
const AT_ONCE: usize = 256;

/// What one image tells.
struct Seen {
    size: [u32; 2],
    totals: Vec<Totals>,
    grey: bool,
    content: [u8; 16],
}

/// Looks at parts of data. `progress` is told after some images how many of all have been looked at.
///
/// # Errors
/// None that images can have: those that can't be read are named in the result.
pub fn survey(
    parts: &[(Split, Arc<dyn Dataset>)],
    options: SurveyOptions,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Survey> {
    let draw = Draw { seed: options.seed, limits: [options.limit; 2], ..Draw::default() };
    let drawn = parts.iter().map(|(split, data)| draw.of_any(data.len(), *split));
    let drawn = drawn.collect::<Result<Vec<_>>>()?;
    let (all, mut done) = (drawn.iter().map(|positions| positions.len()).sum(), 0);
    let (mut surveyed, mut contents) = (vec![], vec![]);
    for (number, ((split, data), positions)) in parts.iter().zip(&drawn).enumerate() {
        let positions: Vec<u32> = positions.iter().collect();
        let mut part = begun(*split, &**data, positions.len());
        let (mut totals, mut sizes): (Vec<Totals>, _) = (vec![], vec![]);
        for some in positions.chunks(AT_ONCE) {
            let seen: Vec<_> = some.par_iter().map(|&index| look(&**data, index as usize, options)).collect();
            for (&index, (file, seen)) in some.iter().zip(seen) {
                *part.formats.entry(file.format.to_owned()).or_default() += 1;
                let both = |all: StoredValues| file.values.map_or(all, |values| all.with(values));
                part.stored_values = part.stored_values.map_or(file.values, |all| Some(both(all)));
                if let Some(stored) = file.stored {
                    *part.stored.entry(stored).or_default() += 1;
                }
                match seen {
                    Ok(seen) => {
                        part.grey += usize::from(seen.grey);
                        sizes.push(seen.size);
                        contents.push(Content { hash: seen.content, part: number as u32, index });
                        totals.resize_with(totals.len().max(seen.totals.len()), Totals::default);
                        totals.iter_mut().zip(&seen.totals).for_each(|(sum, image)| sum.add(image));
                    }
                    Err(error) => part.broken.push(broken(&**data, index as usize, &error)),
                }
            }
            done += some.len();
            progress(done, all);
        }
        part.channels = totals.iter().map(Channel::of).collect();
        part.sizes = Sizes::of(&sizes);
        surveyed.push(part);
    }
    Ok(Survey { parts: surveyed, duplicates: Duplicates::among(contents, parts) })
}

/// What is known without looking.
fn begun(split: Split, data: &dyn Dataset, images: usize) -> PartSurvey {
    let mut classes: Vec<_> =
        data.classes().iter().map(|class| ClassCount { class: class.clone(), images: 0 }).collect();
    let mut unlabelled = 0;
    for label in (0..data.len()).map(|index| data.label(index)) {
        match label.and_then(|label| classes.get_mut(label as usize)) {
            Some(class) => class.images += 1,
            None => unlabelled += 1,
        }
    }
    PartSurvey {
        part: split.to_string(),
        of: data.len(),
        images,
        channels: vec![],
        grey: 0,
        sizes: None,
        formats: BTreeMap::new(),
        stored: BTreeMap::new(),
        stored_values: None,
        classes,
        unlabelled,
        broken: vec![],
    }
}

/// What the file of an image is.
struct FileSeen {
    format: &'static str,
    stored: Option<String>,
    values: Option<StoredValues>,
}

fn look(data: &dyn Dataset, index: usize, options: SurveyOptions) -> (FileSeen, Result<Seen>) {
    let encoded = data.encoded(index);
    let image = data.load(index).and_then(|image| with_channels(image, options.channels));
    let stored = encoded.as_ref().and_then(stored_type);
    let SurveyOptions { channels, page, scaling, .. } = options;
    let decoding = DecodeOptions { channels, page, scaling, ..DecodeOptions::default() };
    let values = StoredValues::of(encoded.as_ref(), stored.as_deref(), image.as_ref().ok(), decoding);
    let format = match &encoded {
        Some(encoded) => ImageFormat::of_encoded(encoded).map_or("unknown", ImageFormat::name),
        None => "decoded by the reader",
    };
    let seen = image.map(|image| Seen {
        size: [image.width as u32, image.height as u32],
        totals: Totals::of(&image),
        grey: is_grey(&image),
        content: content(&image),
    });
    (FileSeen { format, stored, values }, seen)
}

/// Whether all channels of each pixel are equal.
fn is_grey(image: &Image) -> bool {
    fn equal<T: PartialEq>(pixels: &[T], channels: usize) -> bool {
        pixels.chunks_exact(channels).all(|pixel| pixel.iter().all(|value| *value == pixel[0]))
    }
    match &image.pixels {
        _ if image.channels == 1 => true,
        Samples::U8(pixels) => equal(pixels, image.channels),
        Samples::U16(pixels) => equal(pixels, image.channels),
        Samples::F32(pixels) => equal(pixels, image.channels),
    }
}

/// The first half of the SHA-256 of size and pixels.
fn content(image: &Image) -> [u8; 16] {
    let mut sha = Sha256::new();
    let size = [image.width, image.height, image.channels].map(|side| side as u64);
    sha.update(size.map(u64::to_le_bytes).concat());
    match &image.pixels {
        Samples::U8(pixels) => sha.update(pixels),
        Samples::U16(pixels) => pixels.iter().for_each(|value| sha.update(value.to_le_bytes())),
        Samples::F32(pixels) => pixels.iter().for_each(|value| sha.update(value.to_le_bytes())),
    }
    let mut half = [0; 16];
    half.copy_from_slice(&sha.finalize()[..16]);
    half
}

fn broken(data: &dyn Dataset, index: usize, error: &Error) -> BrokenImage {
    BrokenImage { location: data.location(index), why: error.message().to_owned() }
}
