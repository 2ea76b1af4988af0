//! Encoders at work on clean images, observed after every block.

use palimpsest_core::backend::NoGrad;
use palimpsest_core::data::Batch;
use palimpsest_core::encoder::{AttentionTap, BlockContext, Encoder, patchify};
use palimpsest_core::params::Params;
use palimpsest_core::tensor::{DType, Tensor};
use palimpsest_core::{Error, Result};

use super::spectrum::high_frequencies;
use super::{AttentionDistance, LinearCka, Spectrum, SpectrumPoint, rank_me};

/// An encoder with its weights.
pub struct Subject<'a> {
    /// What it is called.
    pub name: String,
    /// The encoder.
    pub encoder: &'a dyn Encoder,
    /// Its weights.
    pub params: &'a Params,
}

/// The features at one place of an encoder.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Stage {
    /// `embedding`, `block 1` and so on, `norm`.
    pub name: String,
    /// The spectrum by rings.
    pub radial: Vec<SpectrumPoint>,
    /// The spectrum along the half diagonal.
    pub diagonal: Vec<SpectrumPoint>,
    /// Mean relative log amplitude from half of Nyquist's frequency to it.
    pub high_frequencies: f64,
    /// RankMe of the mean of the patch tokens.
    pub effective_rank: f64,
}

/// What was found of one subject.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Observation {
    /// The subject.
    pub name: String,
    /// Images that it saw.
    pub images: usize,
    /// Embedding, blocks and final norm.
    pub stages: Vec<Stage>,
    /// Mean attention distance in pixels of each head of each block.
    pub attention_distance: Vec<Vec<f64>>,
    /// What heads that look everywhere alike would have.
    pub uniform_attention_distance: f64,
}

struct Running<'a> {
    subject: &'a Subject<'a>,
    images: usize,
    spectra: Vec<Spectrum>,
    pooled: Vec<Vec<f32>>,
    attention: Vec<AttentionDistance>,
}

/// Observes subjects on the same images, batch by batch: `batches` has one iterator for each of them. Returns
/// what was found, and linear CKA between all stages of all subjects, in order.
///
/// # Errors
/// Data that can't be read, the backend's failure, or subjects that saw different images.
pub fn observe<'a>(
    subjects: &'a [Subject<'a>],
    mut batches: Vec<Box<dyn Iterator<Item = Result<Batch>> + 'a>>,
) -> Result<(Vec<Observation>, Vec<Vec<f64>>)> {
    let mut running: Vec<Running<'_>> = subjects.iter().map(Running::new).collect();
    let mut cka = LinearCka::new(running.iter().map(|r| r.spectra.len()).sum());
    loop {
        let mut features = vec![];
        let mut seen = None;
        for (subject, batches) in running.iter_mut().zip(&mut batches) {
            let Some(batch) = batches.next() else { continue };
            let batch = batch?;
            if seen.get_or_insert_with(|| batch.indices.clone()) != &batch.indices {
                return Err(Error::user("the runs saw different images")
                    .help("analyse runs of the same data together, or each by itself"));
            }
            features.extend(subject.step(&batch)?);
        }
        let Some(seen) = seen else { break };
        if features.len() < running.iter().map(|r| r.spectra.len()).sum() {
            return Err(Error::user("the runs' data have different numbers of images")
                .help("analyse runs of the same data together, or each by itself"));
        }
        cka.add(&features, seen.len());
    }
    let found: Vec<Observation> = running.iter().map(Running::found).collect();
    if found.iter().any(|f| f.images == 0) {
        return Err(
            Error::user("there are no images to analyse").help("raise data.holdout or give a test split")
        );
    }
    Ok((found, cka.matrix()))
}

impl<'a> Running<'a> {
    fn new(subject: &'a Subject<'a>) -> Self {
        let geometry = subject.encoder.geometry();
        let grid = (geometry.grid_h(), geometry.grid_w());
        let stages = geometry.depth + 2;
        let attention = || AttentionDistance::new(grid, geometry.patch, geometry.prefix, geometry.heads);
        Self {
            subject,
            images: 0,
            spectra: (0..stages).map(|_| Spectrum::new(grid.0, grid.1)).collect(),
            pooled: vec![vec![]; stages],
            attention: (0..geometry.depth).map(|_| attention()).collect(),
        }
    }

    /// The features [B, N D] at every stage.
    fn step(&mut self, batch: &Batch) -> Result<Vec<Vec<f32>>> {
        let Subject { encoder, params, .. } = self.subject;
        let depth = encoder.geometry().depth;
        let device = params.device();
        let _quiet = NoGrad::new(&*device.backend);
        let images = batch.images(&device, params.dtype())?;
        let patches = patchify(&images, encoder.geometry())?;
        let mut tokens = encoder.assemble(params, &encoder.embed(params, &patches)?, None)?;
        let mut features = vec![self.stage(0, &tokens)?];
        for block in 0..depth {
            let observe = block..block + 1;
            let tap = AttentionTap { differentiate: None, observe: Some(observe.clone()) };
            let context = BlockContext { tap, ..BlockContext::default() };
            let (next, probabilities) = encoder.blocks(params, tokens, observe, &context)?;
            for probabilities in probabilities {
                let values = probabilities.values.cast(DType::F32)?.download()?.into_f32();
                self.attention[probabilities.block].add(&values);
            }
            features.push(self.stage(block + 1, &next)?);
            tokens = next;
        }
        features.push(self.stage(depth + 1, &encoder.norm(params, &tokens)?)?);
        self.images += batch.len();
        Ok(features)
    }

    /// Adds the tokens [B, N, D] of a stage, and returns them.
    fn stage(&mut self, stage: usize, tokens: &Tensor) -> Result<Vec<f32>> {
        let [_, n, dim] = tokens.shape().array()?;
        let prefix = self.subject.encoder.geometry().prefix;
        let values = tokens.cast(DType::F32)?.download()?.into_f32();
        if values.iter().any(|v| !v.is_finite()) {
            return Err(Error::failure(format!("{}: features are not finite", self.subject.name)));
        }
        for image in values.chunks_exact(n * dim) {
            let patches = &image[prefix * dim..];
            self.spectra[stage].add(patches, dim);
            let count = (n - prefix) as f32;
            let mean = (0..dim).map(|d| patches.iter().skip(d).step_by(dim).sum::<f32>() / count);
            self.pooled[stage].extend(mean);
        }
        Ok(values)
    }

    fn found(&self) -> Observation {
        let geometry = self.subject.encoder.geometry();
        let stage = |(i, spectrum): (usize, &Spectrum)| {
            let radial = spectrum.radial();
            Stage {
                name: match i {
                    0 => "embedding".to_owned(),
                    i if i <= geometry.depth => format!("block {i}"),
                    _ => "norm".to_owned(),
                },
                high_frequencies: high_frequencies(&radial),
                radial,
                diagonal: spectrum.diagonal(),
                effective_rank: rank_me(&self.pooled[i], geometry.dim),
            }
        };
        Observation {
            name: self.subject.name.clone(),
            images: self.images,
            stages: self.spectra.iter().enumerate().map(stage).collect(),
            attention_distance: self.attention.iter().map(AttentionDistance::means).collect(),
            uniform_attention_distance: self.attention.first().map_or(0.0, AttentionDistance::uniform),
        }
    }
}
