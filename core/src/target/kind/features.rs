//! A teacher's tokens of the clean image: the average of the student's own weights (data2vec, Baevski et al. 2022), a
//! finished run (dBOT, Liu et al. 2023) or a public encoder (Wei et al. 2022, "Contrastive learning rivals masked image
//! modeling in fine-tuning via feature distillation").

use std::collections::BTreeSet;

use crate::geometry::Geometry;
use crate::settings::{Section, Settings};
use crate::target::{Target, TargetEntry, TargetInput, TargetNeeds};
use crate::teacher::{TeacherLayer, TeacherSource, geometry_of};
use crate::tensor::Tensor;
use crate::{Error, Result};

/// What is added to variances, as PyTorch's norms do by default.
const EPS: f64 = 1e-5;

/// What is added to a covariance, as a share of the mean variance: directions that hold less are noise of the batch.
const RIDGE: f64 = 1e-3;

/// Steps of Newton's and Schulz's iteration to an inverse root. Each grows what is small by up to 1.5, and a covariance with
/// the ridge has no value below 1e-3 / D of its norm: 20 steps are enough for D up to about 1000, to 1 %.
const WHITENING_STEPS: usize = 20;

/// How a layer's tokens are normalised before they are restored. None has trained parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeatureNorm {
    /// They stay as they are.
    None,
    /// Each token over its values: mean 0, variance 1.
    Layer,
    /// Each value over all tokens of the batch: mean 0, variance 1.
    Batch,
    /// All values over all tokens of the batch: mean 0, covariance 1 (ZCA), but for directions that hold hardly anything.
    Whiten,
}

crate::settings! {
    /// The patch tokens of a teacher that sees the clean image.
    pub struct FeaturesSettings {
        /// ema, the average of the weights that train.ema keeps; or a run, or a file of weights as init_from takes them.
        teacher: String = "ema".to_owned();
        /// The numbers of blocks, from 1, after which its tokens are taken; -1 is the last. The mean of several is
        /// restored. [] takes the last.
        blocks: Vec<i64> = Vec::new();
        /// Of each block's tokens before that mean: none, layer, batch or whiten.
        norm: FeatureNorm = FeatureNorm::Layer;
        /// Of the mean over several blocks: none, layer, batch or whiten.
        mean_norm: FeatureNorm = FeatureNorm::None;
        /// Whether tokens after the last block go through the teacher's last norm first.
        final_norm: bool = true;
        /// SHA-256 of the file's weights; filled in where it is read, and compared where it is given.
        sha256: String = String::new();
        /// Mean that the file's encoder wants pixels normalised with; [] takes its run's, or what its folder says, or the
        /// recipe's.
        mean: Vec<f64> = Vec::new();
        /// Standard deviation likewise.
        std: Vec<f64> = Vec::new();
    }
}

struct Features {
    settings: FeaturesSettings,
    source: TeacherSource,
    /// The encoder of a file.
    encoder: Option<Section>,
    section: Section,
}

impl Features {
    fn build(section: &Section) -> Result<Self> {
        let settings: FeaturesSettings = section.clone().without(&["encoder"]).read()?;
        let source = TeacherSource::named(&settings.teacher);
        let encoder = match source {
            TeacherSource::Average => None,
            TeacherSource::File(_) => Some(section.section("encoder")?),
        };
        Ok(Self { settings, source, encoder, section: section.clone() })
    }

    /// The teacher's extents, for a student of these.
    fn teacher(&self, student: &Geometry) -> Result<Geometry> {
        match &self.encoder {
            None => Ok(*student),
            Some(encoder) => geometry_of(encoder, student),
        }
    }

    /// The numbers of blocks of a teacher with so many, each from 1; those that it hasn't are left out.
    fn blocks(&self, depth: usize) -> BTreeSet<usize> {
        let number = |&block: &i64| {
            let from_front = if block < 0 { depth as i64 + 1 + block } else { block };
            usize::try_from(from_front).ok().filter(|block| (1..=depth).contains(block))
        };
        match self.settings.blocks.as_slice() {
            [] => BTreeSet::from([depth]),
            some => some.iter().filter_map(number).collect(),
        }
    }

    fn layers(&self, depth: usize) -> impl Iterator<Item = TeacherLayer> {
        self.blocks(depth).into_iter().map(move |blocks| TeacherLayer {
            source: self.source.clone(),
            blocks,
            normed: self.settings.final_norm && blocks == depth,
        })
    }
}

impl Target for Features {
    fn width(&self, geometry: &Geometry) -> usize {
        self.teacher(geometry).map_or(0, |teacher| teacher.dim)
    }

    fn check(&self, geometry: &Geometry) -> Result<()> {
        let depth = self.teacher(geometry)?.depth;
        let wanted = self.settings.blocks.len().max(1);
        if self.blocks(depth).len() == wanted {
            return Ok(());
        }
        Err(Error::user(format!("{:?} are no blocks of a teacher that has {depth}", self.settings.blocks))
            .at(self.section.location("blocks"))
            .help(format!("give each once, among 1 to {depth}, or -1 for the last")))
    }

    fn needs(&self, geometry: &Geometry) -> TargetNeeds {
        let depth = self.teacher(geometry).map_or(0, |teacher| teacher.depth);
        TargetNeeds { teacher: self.layers(depth).collect(), ..TargetNeeds::default() }
    }

    fn generate(&self, input: &TargetInput<'_>) -> Result<Tensor> {
        let teacher = self.teacher(input.geometry)?;
        let mut sum: Option<Tensor> = None;
        let mut count = 0;
        for layer in self.layers(teacher.depth) {
            let tokens = input.teacher(&layer)?; // [B, P + L, D]
            let patches = tokens.narrow(1, teacher.prefix, teacher.tokens())?;
            let normed = normalised(&patches, self.settings.norm)?;
            sum = Some(match sum {
                Some(sum) => sum.add(&normed)?,
                None => normed,
            });
            count += 1;
        }
        let sum = sum.ok_or_else(|| Error::failure("a target of no blocks"))?;
        let mean = if count == 1 { sum } else { sum.mul_scalar(1.0 / f64::from(count))? };
        normalised(&mean, self.settings.mean_norm)
    }
}

/// Tokens [B, L, D], normalised.
fn normalised(tokens: &Tensor, norm: FeatureNorm) -> Result<Tensor> {
    let [b, l, d] = tokens.shape().array()?;
    let device = tokens.device();
    let centred = || -> Result<Tensor> {
        let rows = tokens.reshape([b * l, d])?;
        rows.sub(&rows.mean(&[0])?)
    };
    match norm {
        FeatureNorm::None => Ok(tokens.clone()),
        FeatureNorm::Layer => {
            let one = |value| device.full([d], value, tokens.dtype());
            tokens.layer_norm(&one(1.0)?, &one(0.0)?, EPS)
        }
        FeatureNorm::Batch => {
            let rows = centred()?;
            let variance = rows.mul(&rows)?.mean(&[0])?;
            rows.div(&variance.add_scalar(EPS)?.sqrt()?)?.reshape([b, l, d])
        }
        FeatureNorm::Whiten => whitened(&centred()?)?.reshape([b, l, d]),
    }
}

/// Centred rows [N, D] times the inverse root of their covariance: the coupled iteration of Newton and Schulz (Higham 2008,
/// "Functions of matrices", equation 6.35), of products alone.
fn whitened(rows: &Tensor) -> Result<Tensor> {
    let [n, d] = rows.shape().array()?;
    let unit: Vec<f32> = (0..d * d).map(|i| f32::from(u8::from(i / d == i % d))).collect();
    let unit = rows.device().floats([d, d], unit, rows.dtype())?;
    let covariance = rows.permute(&[1, 0])?.matmul(rows)?.mul_scalar(1.0 / n as f64)?;
    let mean = covariance.mul(&unit)?.sum_all()?.reshape([1, 1])?.mul_scalar(1.0 / d as f64)?;
    let ridge = mean.mul_scalar(RIDGE)?.add_scalar(f64::from(f32::MIN_POSITIVE))?;
    let covariance = covariance.add(&unit.mul(&ridge)?)?;
    let norm = covariance.mul(&covariance)?.sum_all()?.sqrt()?.reshape([1, 1])?;
    let (mut root, mut inverse) = (covariance.div(&norm)?, unit.clone());
    let thrice = unit.mul_scalar(3.0)?;
    for _ in 0..WHITENING_STEPS {
        let step = thrice.sub(&inverse.matmul(&root)?)?.mul_scalar(0.5)?;
        root = root.matmul(&step)?;
        inverse = step.matmul(&inverse)?;
    }
    rows.matmul(&inverse)?.div(&norm.sqrt()?)
}

inventory::submit! {
    TargetEntry {
        name: "features",
        summary: "a teacher's tokens of the clean image: the average of the weights, a run, or a public encoder",
        fields: FeaturesSettings::fields,
        build: |section| Ok(Box::new(Features::build(section)?)),
    }
}
