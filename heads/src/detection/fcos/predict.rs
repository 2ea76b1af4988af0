//! From what is said of every place to boxes.

use palimpsest_core::{DType, Result};

use super::head::FcosOutputs;
use crate::detection::post_process::{Detection, PostProcess};

/// Boxes that are considered on each level before suppression.
const CANDIDATES: usize = 1000;

/// What is found in each image of this height and width, the best first. A score is the root of the
/// class's probability times the centreness.
pub fn fcos_predict(
    outputs: &FcosOutputs,
    image: [usize; 2],
    post_process: &PostProcess,
) -> Result<Vec<Vec<Detection>>> {
    let [b, n, classes] = outputs.classes.shape().array()?;
    let host = |x: &palimpsest_core::Tensor| Ok(x.cast(DType::F32)?.download()?.into_f32());
    let logits = host(&outputs.classes)?;
    let distances = host(&outputs.distances)?;
    let centreness = host(&outputs.centreness)?;
    let sigmoid = |x: f32| 1.0 / (1.0 + (-f64::from(x)).exp());
    let mut images = Vec::with_capacity(b);
    for image_index in 0..b {
        let mut levels: Vec<Vec<Detection>> = vec![];
        for (at, point) in outputs.points.iter().enumerate() {
            if at == 0 || outputs.points[at - 1].stride != point.stride {
                levels.push(vec![]);
            }
            let row = image_index * n + at;
            let centre = sigmoid(centreness[row]);
            let edges = point.decode(std::array::from_fn(|i| f64::from(distances[row * 4 + i])));
            for class in 0..classes {
                let score = (sigmoid(logits[row * classes + class]) * centre).sqrt();
                if score > post_process.score_threshold
                    && let Some(level) = levels.last_mut()
                {
                    level.push(Detection { edges, class, score });
                }
            }
        }
        let best = levels.into_iter().flat_map(|mut level| {
            level.sort_by(|a, b| b.score.total_cmp(&a.score));
            level.truncate(CANDIDATES);
            level
        });
        images.push(post_process.select(best.collect(), image));
    }
    Ok(images)
}
