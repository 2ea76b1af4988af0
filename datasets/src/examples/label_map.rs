//! Images with a class for each pixel: what segmentation heads are trained on.

use std::sync::Arc;

use palimpsest_core::data::{Batch, Image, Share, Split};
use palimpsest_core::head::{
    Broken, ExamplePass, Examples, ExamplesEntry, ExamplesRequest, LabelledLoader, LabelledSplits,
    OpenLabelled, PartSize, Pass,
};
use palimpsest_core::random::Philox;
use palimpsest_core::{Error, Result, settings};
use palimpsest_targets::{LabelMap, SegmentationData};

use crate::augment::Filter;
use crate::colour::with_channels;
use crate::draw::{Draw, Positions};
use crate::joint::{ScaledCrop, planes};
use crate::loader::{Loader, LoaderOptions};
use crate::open::gives_label_maps;
use crate::parts::Parts;
use crate::pipeline::broken::{broken_at, forgiven};
use crate::recipe_data::DataSource;
use crate::source::SampleSource;
use crate::transform::Scratch;

settings! {
    /// `[augment]` for images with a class for each pixel: image and map are resized together, then a
    /// crop of the encoder's size is taken.
    pub struct LabelMapAugment {
        /// Smallest and largest factor; at 1 the image's shorter side is the crop's.
        scale: Vec<f64> = vec![0.5, 2.0];
        /// The most of a crop's labelled pixels that one class may have; 1 for no limit.
        most_of_one: f64 = 0.75, in 0.01..=1.0;
        /// Probability of a horizontal flip.
        flip: f64 = 0.5, in 0.0..=1.0;
    }
}

impl LabelMapAugment {
    fn crop(&self, [_, height, width]: [usize; 3]) -> Result<ScaledCrop> {
        let &[least, most] = &self.scale[..] else {
            return Err(Error::user(format!("{:?} is no range", self.scale))
                .about("scale")
                .help("give the smallest and the largest factor, as [0.5, 2.0]"));
        };
        let short = height.min(width);
        let crop = ScaledCrop {
            size: (width, height),
            base: (4 * short, short),
            scale: (least, most),
            most_of_one: self.most_of_one,
            flip: self.flip as f32,
        };
        crop.check().map_err(|e| e.about("scale"))?;
        Ok(crop)
    }
}

/// What makes training samples.
struct Framed {
    data: Arc<dyn SegmentationData>,
    positions: Positions,
    crop: ScaledCrop,
    image: [usize; 3],
    normalisation: [Vec<f32>; 2],
}

impl SampleSource for Framed {
    type Target = LabelMap;

    fn len(&self) -> usize {
        self.positions.len()
    }
    fn origin(&self, index: usize) -> usize {
        self.positions.at(index)
    }
    fn shape(&self) -> [usize; 3] {
        self.image
    }
    fn location(&self, index: usize) -> String {
        self.data.location(self.positions.at(index))
    }
    fn label(&self, _: usize) -> i64 {
        -1
    }
    fn sample(
        &self,
        index: usize,
        random: &mut Philox,
        scratch: &mut Scratch,
        out: &mut [f32],
    ) -> Result<LabelMap> {
        let (image, map) = self.data.sample(self.positions.at(index))?;
        let image = with_channels(image, self.image[0])?;
        let framing = self.crop.draw(&map, random);
        // What is padded is black, as in mmsegmentation, before normalisation.
        let framed = framing.image(&image, 0, Filter::Bilinear, scratch)?;
        let [mean, std] = &self.normalisation;
        out.copy_from_slice(&planes(&framed, mean, std));
        framing.labels(&map)
    }
}

/// The parts of a data set with label maps.
struct LabelMaps {
    parts: [Arc<dyn SegmentationData>; 2],
    positions: [Positions; 2],
    notes: Vec<String>,
    crop: ScaledCrop,
    image: [usize; 3],
    normalisation: [Vec<f32>; 2],
    options: LoaderOptions,
}

/// Test images of one size that follow each other are put into one batch, within so many in a row: where batches begin is
/// known without a look at the images then, so that processes can share them.
const TEST_BATCH: usize = 16;

impl LabelledSplits<LabelMap> for LabelMaps {
    fn classes(&self) -> &[String] {
        self.parts[0].classes()
    }

    fn sizes(&self) -> [PartSize; 2] {
        let classes = self.classes().len();
        [0, 1].map(|part| PartSize::of_images(self.positions[part].len(), self.parts[part].len(), classes))
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }

    fn train(&self, batch: usize, share: Share) -> Result<Box<dyn LabelledLoader<LabelMap>>> {
        let source = Framed {
            data: self.parts[0].clone(),
            positions: self.positions[0].clone(),
            crop: self.crop,
            image: self.image,
            normalisation: self.normalisation.clone(),
        };
        Ok(Box::new(Loader::over(source, &LoaderOptions { batch, share, ..self.options })?))
    }

    fn pass(&self, split: Split, share: Share) -> Result<Pass<'_, LabelMap>> {
        let (data, positions) = (&self.parts[split as usize], &self.positions[split as usize]);
        let limit = self.options.forgiven(positions.len());
        let rows = share.of(positions.len().div_ceil(TEST_BATCH));
        Ok(Box::new(TestPass {
            maps: self,
            data,
            positions,
            next: rows.start * TEST_BATCH,
            end: (rows.end * TEST_BATCH).min(positions.len()),
            pending: None,
            broken: Broken::new(),
            limit,
        }))
    }
}

/// An image at its position, with its map.
type Found = (usize, Image, LabelMap);

/// The images of a share of a part as they are.
struct TestPass<'a> {
    maps: &'a LabelMaps,
    data: &'a Arc<dyn SegmentationData>,
    positions: &'a Positions,
    next: usize,
    end: usize,
    pending: Option<Found>,
    broken: Broken,
    limit: usize,
}

impl TestPass<'_> {
    /// The next image before position `end` that can be read.
    fn load(&mut self, end: usize) -> Result<Option<Found>> {
        while self.next < end {
            let position = self.next;
            self.next += 1;
            let index = self.positions.at(position);
            let channels = self.maps.image[0];
            let found = self.data.sample(index);
            match found.and_then(|(image, map)| Ok((position, with_channels(image, channels)?, map))) {
                Ok(found) => return Ok(Some(found)),
                Err(error) => {
                    self.broken.insert(index, broken_at(&self.data.location(index), None, &error));
                    if let Err(error) = self.forgives(&self.broken) {
                        self.next = self.end;
                        return Err(error);
                    }
                }
            }
        }
        Ok(None)
    }

    fn next_examples(&mut self) -> Result<Option<Examples<LabelMap>>> {
        let first = match self.pending.take() {
            Some(found) => Some(found),
            None => self.load(self.end)?,
        };
        let Some(first) = first else { return Ok(None) };
        let size = (first.1.width, first.1.height);
        let end = ((first.0 / TEST_BATCH + 1) * TEST_BATCH).min(self.end);
        let mut same = vec![first];
        while self.pending.is_none() {
            match self.load(end)? {
                Some(found) if (found.1.width, found.1.height) == size => same.push(found),
                Some(other) => self.pending = Some(other),
                None => break,
            }
        }
        Ok(Some(self.maps.batch(same, self.positions)))
    }
}

impl Iterator for TestPass<'_> {
    type Item = Result<Examples<LabelMap>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_examples().transpose()
    }
}

impl ExamplePass<LabelMap> for TestPass<'_> {
    fn broken(&self) -> &Broken {
        &self.broken
    }

    fn forgives(&self, broken: &Broken) -> Result<()> {
        forgiven(broken, self.positions.len(), self.limit)
    }
}

impl LabelMaps {
    /// Images of one size, as they are.
    fn batch(&self, found: Vec<(usize, Image, LabelMap)>, positions: &Positions) -> Examples<LabelMap> {
        let (width, height) = found.first().map_or((0, 0), |f| (f.1.width, f.1.height));
        let [mean, std] = &self.normalisation;
        let pixels: Vec<f32> = found.iter().flat_map(|(_, image, _)| planes(image, mean, std)).collect();
        let batch = Batch {
            pixels: pixels.into(),
            shape: [found.len(), self.image[0], height, width],
            labels: vec![-1; found.len()],
            indices: found.iter().map(|f| positions.at(f.0)).collect(),
            first_sample: found.first().map_or(0, |f| f.0 as u64),
        };
        Examples { batch, targets: found.into_iter().map(|(.., map)| map).collect() }
    }
}

/// Opens them.
pub struct OpenLabelMaps;

impl OpenLabelled for OpenLabelMaps {
    type Target = LabelMap;
    type Settings = LabelMapAugment;

    fn fallback(name: &str) -> Option<&'static str> {
        (!gives_label_maps(name)).then_some("scenes")
    }

    fn open(
        settings: &LabelMapAugment,
        request: &ExamplesRequest<'_>,
    ) -> Result<Box<dyn LabelledSplits<LabelMap>>> {
        let source = DataSource::from(request);
        let Parts { train, test, notes } = source.label_maps()?;
        let draw = Draw::from(request);
        Ok(Box::new(LabelMaps {
            positions: [draw.of_any(train.len(), Split::Train)?, draw.of_any(test.len(), Split::Test)?],
            parts: [train, test],
            notes,
            crop: settings.crop(request.image)?,
            image: request.image,
            normalisation: source.normalisation(),
            options: source.loader_options(1, request.seed),
        }))
    }
}

palimpsest_core::inventory::submit! { ExamplesEntry::of::<OpenLabelMaps>() }
