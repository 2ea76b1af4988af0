//! The field's official metrics on host slices; one file a metric. They name their source, and
//! `heads/tests` checks them against scikit-learn, torchmetrics and pycocotools.

pub mod average_precision;
pub mod confusion;
pub mod confusion_plot;
pub mod detection;
pub mod multi_label;
pub mod regression;
pub mod segmentation;
pub mod segmentation_table;
pub mod top_k;

pub use average_precision::average_precision;
pub use confusion::ConfusionMatrix;
pub use detection::{CocoEvaluator, CocoScores, Detection, IouKind};
pub use multi_label::{LabelScores, MultiLabelScores};
pub use regression::{RegressionScores, ValueScores};
pub use segmentation::SegmentationScores;
pub use top_k::top_k_accuracy;
