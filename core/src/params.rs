//! Parameters: declared by name while a model is built, initialised on the host, kept apart from
//! the model.
//!
//! A model holds only [`ParamId`]s; its functions take the [`Params`] to compute with. So the same
//! model runs with tracked weights, an average of them, or weights in f64, on any backend, and
//! initial weights depend on names and the seed alone.

use std::collections::HashMap;
use std::ops::Index;
use std::sync::Arc;

use crate::backend::Backend;
use crate::random::{Philox, Stream};
use crate::tensor::{DType, DeviceHandle, HostTensor, Shape, Tensor};
use crate::{Error, Result};

/// How a parameter starts.
#[derive(Debug, Clone, PartialEq)]
pub enum Init {
    /// One value.
    Constant(f32),
    /// Normal with this standard deviation, redrawn beyond two of them. (What timm calls so is cut at 2, not at two deviations.)
    TruncatedNormal(f32),
    /// Normal with this standard deviation, redrawn beyond one of them, then times a factor (as BEiT and SimMIM pre-train).
    CutNormal {
        /// Of the normal distribution that is cut; what is left has 0.54 of it.
        std: f32,
        /// The factor.
        scale: f32,
    },
    /// Uniform in ±sqrt(6 / (fan in + fan out)) (Glorot & Bengio, 2010), over [out, in].
    XavierUniform,
    /// Given values.
    Values(Vec<f32>),
    /// Given values that no training of a head changes: what was counted of its data.
    Fixed(Vec<f32>),
}

/// A parameter as a model declares it.
#[derive(Debug, Clone)]
pub struct ParamSpec {
    /// The dotted name, after timm's where timm has one.
    pub name: String,
    /// Extents.
    pub shape: Shape,
    /// Initial values.
    pub init: Init,
    /// Whether weight decay applies: matrices yes; norms, biases, gains, tokens and position
    /// tables no.
    pub decay: bool,
}

/// A parameter's place in its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParamId(usize);

/// Collects the parameters of a model while it is built.
#[derive(Debug, Default)]
pub struct ParamSpecs {
    specs: Vec<ParamSpec>,
    prefix: String,
}

impl ParamSpecs {
    /// Declares a parameter under the current prefix.
    ///
    /// # Panics
    /// If the name is taken: two layers would share weights unawares.
    pub fn declare(&mut self, name: &str, shape: impl Into<Shape>, init: Init, decay: bool) -> ParamId {
        let name = format!("{}{name}", self.prefix);
        assert!(self.specs.iter().all(|spec| spec.name != name), "parameter {name} is declared twice");
        self.specs.push(ParamSpec { name, shape: shape.into(), init, decay });
        ParamId(self.specs.len() - 1)
    }

    /// Declares what `build` declares, with `name.` in front.
    pub fn scope<T>(&mut self, name: &str, build: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.prefix.len();
        self.prefix.push_str(name);
        self.prefix.push('.');
        let built = build(self);
        self.prefix.truncate(length);
        built
    }

    /// Everything declared so far.
    pub fn specs(&self) -> &[ParamSpec] {
        &self.specs
    }

    /// The initial values, from the seed and each parameter's name alone.
    ///
    /// # Errors
    /// Given values that don't fill their shape.
    pub fn initial(&self, seed: u64) -> Result<Vec<HostTensor>> {
        self.specs.iter().map(|spec| spec.initial(seed).map_err(|e| e.at(&spec.name))).collect()
    }
}

impl ParamSpec {
    fn initial(&self, seed: u64) -> Result<HostTensor> {
        let count = self.shape.count();
        let mut random = Philox::new(seed, Stream::Init, 0, fnv1a(&self.name));
        let values = match &self.init {
            Init::Constant(value) => vec![*value; count],
            Init::TruncatedNormal(std) => std::iter::repeat_with(|| random.normal_pair().0)
                .filter(|value| value.abs() <= 2.0)
                .take(count)
                .map(|value| value * std)
                .collect(),
            Init::CutNormal { std, scale } => std::iter::repeat_with(|| random.normal_pair().0)
                .filter(|value| value.abs() <= 1.0)
                .take(count)
                .map(|value| value * std * scale)
                .collect(),
            Init::XavierUniform => {
                let [out, input] = self.shape.array()?;
                let bound = (6.0 / (out + input) as f32).sqrt();
                (0..count).map(|_| (2.0 * random.uniform() - 1.0) * bound).collect()
            }
            Init::Values(values) | Init::Fixed(values) => values.clone(),
        };
        HostTensor::f32(self.shape.clone(), values)
    }
}

/// FNV-1a: a stable 48-bit number for a name (the width that Philox takes for a sample).
fn fnv1a(name: &str) -> u64 {
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    hash & 0xFFFF_FFFF_FFFF
}

/// The values of a model's parameters on a device, and the type to multiply matrices in.
#[derive(Clone)]
pub struct Params {
    tensors: Vec<Tensor>,
    compute: DType,
    /// Which of them are trained; all where it isn't said.
    trained: Option<Arc<[bool]>>,
}

impl Params {
    /// Parameters from tensors in the order of their declaration.
    pub fn new(tensors: Vec<Tensor>, compute: DType) -> Self {
        Self { tensors, compute, trained: None }
    }

    /// Of these parameters, those that are trained: [`Params::track`] records gradients for them alone.
    ///
    /// # Panics
    /// If there isn't a truth value for each.
    #[must_use]
    pub fn only(self, trained: Arc<[bool]>) -> Self {
        assert_eq!(trained.len(), self.tensors.len(), "a truth value for each parameter");
        Self { trained: Some(trained), ..self }
    }

    /// Which of them are trained; `None` for all.
    pub fn trained(&self) -> Option<&Arc<[bool]>> {
        self.trained.as_ref()
    }

    /// Whether the parameter at this place of the declaration is trained.
    pub fn is_trained(&self, index: usize) -> bool {
        self.trained.as_ref().is_none_or(|trained| trained[index])
    }

    /// Uploads host values, in the float type `dtype`.
    ///
    /// # Errors
    /// No memory.
    pub fn upload(
        device: &DeviceHandle,
        values: Vec<HostTensor>,
        dtype: DType,
        compute: DType,
    ) -> Result<Self> {
        let tensors =
            values.into_iter().map(|v| device.upload(v.to_float(dtype)?)).collect::<Result<Vec<_>>>()?;
        Ok(Self::new(tensors, compute))
    }

    /// The same values, those that are trained as leaves that gradients are recorded for.
    ///
    /// # Errors
    /// The backend's failure.
    pub fn track(&self) -> Result<Self> {
        let leaf = |(i, tensor): (usize, &Tensor)| {
            if self.is_trained(i) { tensor.track() } else { Ok(tensor.clone()) }
        };
        let tensors = self.tensors.iter().enumerate().map(leaf).collect::<Result<Vec<_>>>()?;
        Ok(Self { tensors, compute: self.compute, trained: self.trained.clone() })
    }

    /// The same tensors with another backend to call.
    pub(crate) fn with_backend(&self, backend: &Arc<dyn Backend>) -> Self {
        let tensors = self.tensors.iter().map(|tensor| tensor.with_backend(backend)).collect();
        Self { tensors, ..self.clone() }
    }

    /// All tensors, in the order of their declaration.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// All tensors, by value.
    pub fn into_tensors(self) -> Vec<Tensor> {
        self.tensors
    }

    /// The type of matrix products: bf16 under mixed precision, otherwise the weights' own.
    pub fn compute(&self) -> DType {
        self.compute
    }

    /// The type of the weights, norms and losses.
    pub fn dtype(&self) -> DType {
        self.tensors.first().map_or(DType::F32, Tensor::dtype)
    }

    /// Where the parameters live.
    ///
    /// # Panics
    /// If there are none.
    pub fn device(&self) -> DeviceHandle {
        self.tensors[0].device()
    }
}

impl Index<ParamId> for Params {
    type Output = Tensor;
    fn index(&self, id: ParamId) -> &Tensor {
        &self.tensors[id.0]
    }
}

/// Matches named tensors of a file with a model's parameters.
///
/// # Errors
/// A missing, superfluous or differently shaped tensor: the message lists them.
pub fn match_names(specs: &[ParamSpec], mut named: HashMap<String, HostTensor>) -> Result<Vec<HostTensor>> {
    let mut problems = vec![];
    let mut values = vec![];
    for spec in specs {
        match named.remove(&spec.name) {
            Some(value) if value.shape() == &spec.shape => values.push(value),
            Some(value) => {
                problems.push(format!("`{}` is {} but must be {}", spec.name, value.shape(), spec.shape))
            }
            None => problems.push(format!("`{}` is missing", spec.name)),
        }
    }
    let mut extra: Vec<_> = named.into_keys().collect();
    extra.sort_unstable();
    problems.extend(extra.into_iter().map(|name| format!("`{name}` is not known")));
    if problems.is_empty() {
        return Ok(values);
    }
    let shown = problems.iter().take(4).cloned().collect::<Vec<_>>().join(", ");
    let more = problems.len().saturating_sub(4);
    let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
    Err(Error::user(format!("the parameters don't match the model: {shown}{tail}"))
        .help("use the checkpoint with the recipe that made it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The deviation that is left of a normal distribution that is cut: sqrt(1 - 2 c phi(c) / (2 Phi(c) - 1)).
    #[test]
    fn cut_distributions_have_their_deviations() {
        let mut specs = ParamSpecs::default();
        specs.declare("two", [200, 200], Init::TruncatedNormal(0.02), true);
        specs.declare("one", [200, 200], Init::CutNormal { std: 0.02, scale: 0.5 }, true);
        let values = specs.initial(3).expect("memory");
        for (value, most, deviation) in values
            .into_iter()
            .zip([(0.04, 0.879_6 * 0.02), (0.01, 0.539_6 * 0.01)])
            .map(|(v, (m, d))| (v, m, d))
        {
            let value = value.into_f64();
            assert!(value.iter().all(|v| v.abs() <= most * 1.000_001));
            let found = (value.iter().map(|v| v * v).sum::<f64>() / value.len() as f64).sqrt();
            // 40,000 values tell it to half a percent.
            assert!((found / deviation - 1.0).abs() < 0.02, "{found} {deviation}");
        }
    }
}
