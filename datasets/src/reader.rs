//! What a reader is: a name, and ways to open pictures, label maps or objects.

use std::sync::Arc;

use palimpsest_core::data::Dataset;
use palimpsest_core::{Error, Result};
use palimpsest_targets::{DetectionData, SegmentationData};

use crate::spec::DataSpec;
use crate::split::Split;

/// What the user is told of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatasetInfo {
    /// The name in a recipe.
    pub name: &'static str,
    /// One line on what it is.
    pub summary: &'static str,
    /// The files that are expected at `path`.
    pub layout: &'static str,
}

/// An opened data set.
pub struct Opened {
    /// The samples.
    pub dataset: Arc<dyn Dataset>,
    /// What the user may want to know, one sentence each: files passed over, a part held out.
    pub notes: Vec<String>,
}

impl Opened {
    pub(crate) fn plain(dataset: impl Dataset + 'static) -> Self {
        Self { dataset: Arc::new(dataset), notes: Vec::new() }
    }
}

/// An opened data set with label maps.
pub struct OpenedSegmentation {
    /// The samples.
    pub dataset: Arc<dyn SegmentationData>,
    /// What the user may want to know, one sentence each.
    pub notes: Vec<String>,
}

/// An opened data set with objects.
pub struct OpenedDetection {
    /// The samples.
    pub dataset: Arc<dyn DetectionData>,
    /// What the user may want to know, one sentence each.
    pub notes: Vec<String>,
}

pub(crate) type Open<T> = fn(&DataSpec, Split) -> Result<T>;

/// What a reader can give. Data with targets are data of pictures too.
pub(crate) struct Reader {
    pub(crate) info: DatasetInfo,
    pictures: Option<Open<Opened>>,
    pub(crate) segmentation: Option<Open<OpenedSegmentation>>,
    pub(crate) detection: Option<Open<OpenedDetection>>,
}

impl Reader {
    pub(crate) const fn pictures(info: DatasetInfo, open: Open<Opened>) -> Self {
        Self { info, pictures: Some(open), segmentation: None, detection: None }
    }

    pub(crate) const fn segmentation(info: DatasetInfo, open: Open<OpenedSegmentation>) -> Self {
        Self { info, pictures: None, segmentation: Some(open), detection: None }
    }

    pub(crate) const fn detection(info: DatasetInfo, open: Open<OpenedDetection>) -> Self {
        Self { info, pictures: None, segmentation: None, detection: Some(open) }
    }

    pub(crate) const fn with_segmentation(mut self, open: Open<OpenedSegmentation>) -> Self {
        self.segmentation = Some(open);
        self
    }

    pub(crate) fn open(&self, spec: &DataSpec, split: Split) -> Result<Opened> {
        if let Some(open) = self.pictures {
            return open(spec, split);
        }
        if let Some(open) = self.detection {
            let OpenedDetection { dataset, notes } = open(spec, split)?;
            return Ok(Opened { dataset, notes });
        }
        match self.segmentation {
            Some(open) => open(spec, split).map(|o| Opened { dataset: o.dataset, notes: o.notes }),
            None => Err(Error::failure(format!("the reader `{}` opens nothing", self.info.name))),
        }
    }
}
