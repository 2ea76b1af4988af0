//! Images with objects: what detection heads are trained on.

use std::sync::Arc;

use palimpsest_core::data::{Share, Split};
use palimpsest_core::head::{
    ExamplesEntry, ExamplesRequest, LabelledLoader, LabelledSplits, OpenLabelled, PartSize, Pass,
};
use palimpsest_core::random::Philox;
use palimpsest_core::{Error, Result, settings};
use palimpsest_targets::{DetectionData, Objects};

use crate::augment::Filter;
use crate::colour::with_channels;
use crate::draw::{Draw, Positions};
use crate::eval_loader::{Annotated, EvalLoader};
use crate::joint::{Framing, LargeScaleJitter, planes};
use crate::loader::{Loader, LoaderOptions};
use crate::open::gives_objects;
use crate::parts::Parts;
use crate::recipe_data::DataSource;
use crate::source::SampleSource;
use crate::transform::Scratch;

settings! {
    /// `[augment]` for images with objects: large-scale jitter, then a crop of the encoder's size.
    pub struct ObjectAugment {
        /// Smallest and largest factor; at 1 the image just fits into the encoder's.
        scale: Vec<f64> = vec![0.1, 2.0];
        /// Objects of which less than this share is left are dropped.
        least_visible: f64 = 0.1, in 0.0..=1.0;
        /// Probability of a horizontal flip.
        flip: f64 = 0.5, in 0.0..=1.0;
    }
}

impl ObjectAugment {
    fn jitter(&self, [_, height, width]: [usize; 3]) -> Result<LargeScaleJitter> {
        let &[least, most] = &self.scale[..] else {
            return Err(Error::user(format!("{:?} is no range", self.scale))
                .about("scale")
                .help("give the smallest and the largest factor, as [0.1, 2.0]"));
        };
        let jitter = LargeScaleJitter { size: (width, height), scale: (least, most), flip: self.flip as f32 };
        jitter.check().map_err(|e| e.about("scale"))?;
        Ok(jitter)
    }
}

/// What makes samples: of training with jitter, of testing without.
#[derive(Clone)]
struct Framed {
    data: Arc<dyn DetectionData>,
    positions: Positions,
    jitter: Option<LargeScaleJitter>,
    least_visible: f64,
    image: [usize; 3],
    normalisation: [Vec<f32>; 2],
}

impl SampleSource for Framed {
    type Target = Objects;

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
    ) -> Result<Objects> {
        let (image, objects) = self.data.sample(self.positions.at(index))?;
        let [channels, height, width] = self.image;
        let image = with_channels(image, channels)?;
        let image_size = (image.width, image.height);
        let framing = match &self.jitter {
            Some(jitter) => jitter.draw(image_size, random),
            None => Framing::fit(image_size, (width, height)),
        };
        // Grey, as Detectron2 pads: near the mean of normalised pixels.
        let framed = framing.image(&image, 128, Filter::Bilinear, scratch)?;
        let [mean, std] = &self.normalisation;
        out.copy_from_slice(&planes(&framed, mean, std));
        Ok(match self.jitter {
            Some(_) => Objects::framed((width, height), framing.objects(&objects, self.least_visible)?),
            None => Objects { image_size, scale: framing.scale(), objects },
        })
    }
}

/// The parts of a data set with objects.
struct ObjectExamples {
    parts: [Framed; 2],
    notes: Vec<String>,
    options: LoaderOptions,
}

/// Images in a test batch.
const TEST_BATCH: usize = 16;

impl LabelledSplits<Objects> for ObjectExamples {
    fn classes(&self) -> &[String] {
        self.parts[0].data.classes()
    }

    fn sizes(&self) -> [PartSize; 2] {
        let classes = self.classes().len();
        [0, 1].map(|part| {
            let part = &self.parts[part];
            PartSize::of_images(part.len(), part.data.len(), classes)
        })
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }

    fn train(&self, batch: usize, share: Share) -> Result<Box<dyn LabelledLoader<Objects>>> {
        let options = LoaderOptions { batch, share, ..self.options };
        Ok(Box::new(Loader::over(self.parts[0].clone(), &options)?))
    }

    fn pass(&self, split: Split, share: Share) -> Result<Pass<'_, Objects>> {
        let options = LoaderOptions { batch: TEST_BATCH, share, ..self.options };
        let part = Framed { jitter: None, ..self.parts[split as usize].clone() };
        Ok(Box::new(Annotated(EvalLoader::over(part, &options)?)))
    }
}

/// Opens them.
pub struct OpenObjects;

impl OpenLabelled for OpenObjects {
    type Target = Objects;
    type Settings = ObjectAugment;

    fn fallback(name: &str) -> Option<&'static str> {
        (!gives_objects(name)).then_some("scenes")
    }

    fn open(
        settings: &ObjectAugment,
        request: &ExamplesRequest<'_>,
    ) -> Result<Box<dyn LabelledSplits<Objects>>> {
        let source = DataSource::from(request);
        let Parts { train, test, notes } = source.objects()?;
        let draw = Draw::from(request);
        let jitter = settings.jitter(request.image)?;
        let part = |data: Arc<dyn DetectionData>, split| -> Result<Framed> {
            Ok(Framed {
                positions: draw.of_any(data.len(), split)?,
                data,
                jitter: (split == Split::Train).then_some(jitter),
                least_visible: settings.least_visible,
                image: request.image,
                normalisation: source.normalisation(),
            })
        };
        Ok(Box::new(ObjectExamples {
            parts: [part(train, Split::Train)?, part(test, Split::Test)?],
            notes,
            options: source.loader_options(1, request.seed),
        }))
    }
}

palimpsest_core::inventory::submit! { ExamplesEntry::of::<OpenObjects>() }
