//! The float types.

use dfdx::shapes::Dtype;
use dfdx::tensor::{Cpu, SampleTensor, Tensor};
use palimpsest_core::tensor::{DType, HostData};

use crate::dense::Dense;
use crate::engine::Engine;
use crate::tape::Floats;
use crate::value::{Value, Var};

/// A float type that dfdx has tensors of.
pub(crate) trait Real: palimpsest_kernels::Real + Dtype {
    /// Core's name for it.
    const DTYPE: DType;

    /// Standard normal values from the host's generator.
    fn sample_normal(sampler: &Cpu, count: usize) -> Vec<Self>;
    /// Uniform values in [0, 1) from the host's generator.
    fn sample_uniform(sampler: &Cpu, count: usize) -> Vec<Self>;

    /// Elements as the host holds them.
    fn host(elements: Vec<Self>) -> HostData;
    /// A gradient, its type forgotten.
    fn gradient<H: Engine<Self>>(gradient: Dense<Self, H>) -> Floats<H>;
    /// A gradient of this type.
    fn of_gradient<H: Engine<Self>>(gradient: Floats<H>) -> Option<Dense<Self, H>>;
    /// A tensor, its type forgotten.
    fn value<H: Engine<Self>>(tensor: Var<Self, H>) -> Value<H>;
    /// A tensor of this type.
    fn of_value<H: Engine<Self>>(value: Value<H>) -> Option<Var<Self, H>>;
}

macro_rules! typed {
    ($variant:ident) => {
        const DTYPE: DType = DType::$variant;

        fn sample_normal(sampler: &Cpu, count: usize) -> Vec<Self> {
            let drawn: Tensor<(usize,), Self, Cpu> = sampler.sample_normal_like(&(count,));
            drawn.as_vec()
        }

        fn sample_uniform(sampler: &Cpu, count: usize) -> Vec<Self> {
            let drawn: Tensor<(usize,), Self, Cpu> = sampler.sample_uniform_like(&(count,));
            drawn.as_vec()
        }

        fn host(elements: Vec<Self>) -> HostData {
            HostData::$variant(elements)
        }

        fn gradient<H: Engine<Self>>(gradient: Dense<Self, H>) -> Floats<H> {
            Floats::$variant(gradient)
        }

        fn of_gradient<H: Engine<Self>>(gradient: Floats<H>) -> Option<Dense<Self, H>> {
            match gradient {
                Floats::$variant(gradient) => Some(gradient),
                _ => None,
            }
        }

        fn value<H: Engine<Self>>(tensor: Var<Self, H>) -> Value<H> {
            Value::$variant(tensor)
        }

        fn of_value<H: Engine<Self>>(value: Value<H>) -> Option<Var<Self, H>> {
            match value {
                Value::$variant(tensor) => Some(tensor),
                _ => None,
            }
        }
    };
}

impl Real for f32 {
    typed!(F32);
}

impl Real for f64 {
    typed!(F64);
}
