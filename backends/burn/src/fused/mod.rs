//! Fused operations: a forward and a backward pass of their own, each in as few passes over
//! memory as the mathematics allows.
#![allow(unsafe_code)]

mod adamw;
mod attention;
mod attention_apply;
mod attention_probs;
mod cross_entropy;
mod gelu;
mod head;
mod layer_norm;
mod linear;
mod residual;
mod row_entropy;
mod silu;
mod softmax;
mod sum_squares;

use burn_autodiff::checkpoint::strategy::NoCheckpointing;
use burn_autodiff::ops::{Backward, NodeGuard, OpsKind};
use burn_flex::{Flex, FlexTensor};
use palimpsest_core::tensor::{DType, Op, OpKind};
use palimpsest_core::{Error, Result};

use crate::recording;
use crate::value::{RecordedTensor, Value};

/// Whether a fused operation has kernels for a type. bfloat16 is taken apart by core: no
/// processor here multiplies it faster than f32.
pub(crate) fn supports(op: OpKind, dtype: DType) -> bool {
    match op {
        OpKind::Lerp => dtype.is_float(),
        _ => op.is_fused() && matches!(dtype, DType::F32 | DType::F64),
    }
}

/// Runs a fused operation.
pub(crate) fn run(op: &Op, inputs: Vec<Value>) -> Result<Vec<Value>> {
    let name = op.kind().name();
    let mut inputs = Inputs { name, values: inputs.into_iter() };
    let output = match op {
        Op::Linear => linear::run(inputs.float()?, inputs.float()?, inputs.optional()),
        Op::Softmax => softmax::run(inputs.float()?),
        Op::LayerNorm { eps } => layer_norm::run(inputs.float()?, inputs.float()?, inputs.float()?, *eps),
        Op::Gelu => gelu::run(inputs.float()?),
        Op::Silu => silu::run(inputs.float()?),
        Op::Attention { heads } => {
            let (q, k, v) = (inputs.float()?, inputs.float()?, inputs.float()?);
            attention::separate(q, k, v, inputs.optional(), *heads)
        }
        Op::SelfAttention { heads } => attention::packed(inputs.float()?, inputs.optional(), *heads),
        Op::AttentionProbs { heads } => attention_probs::run(inputs.float()?, inputs.optional(), *heads),
        Op::AttentionApply { heads } => attention_apply::run(inputs.float()?, inputs.float()?, *heads),
        Op::Residual { gain, keep } => {
            let (x, y) = (inputs.float()?, inputs.float()?);
            let gain = if *gain { Some(inputs.float()?) } else { None };
            let keep = if *keep { Some(inputs.float()?) } else { None };
            residual::run(x, y, gain, keep)
        }
        Op::RowEntropy => row_entropy::run(inputs.float()?),
        Op::CrossEntropy { smoothing } => cross_entropy::run(inputs.float()?, inputs.integers()?, *smoothing),
        Op::SumSquares => sum_squares::run(inputs.float()?),
        Op::AdamwStep { .. } => {
            let [p, g, m, v] = [inputs.float()?, inputs.float()?, inputs.float()?, inputs.float()?];
            let [p, g, m, v] = [p, g, m, v].map(Float::into_inner);
            return Ok(adamw::step(op, p, g, m, v).into_iter().map(Value::Plain).collect());
        }
        _ => return Err(Error::failure(format!("{name} has no fused kernel"))),
    };
    Ok(vec![match output {
        Float::Plain(tensor) => Value::Plain(tensor),
        Float::Tracked(tensor) => Value::Tracked(tensor),
    }])
}

/// An operation's inputs, taken one after another.
struct Inputs {
    name: &'static str,
    values: std::vec::IntoIter<Value>,
}

impl Inputs {
    fn float(&mut self) -> Result<Float> {
        self.optional().ok_or_else(|| Error::failure(format!("{}: a float input is missing", self.name)))
    }

    fn optional(&mut self) -> Option<Float> {
        match self.values.next()? {
            Value::Tracked(tensor) if recording::enabled() => Some(Float::Tracked(tensor)),
            value => Some(Float::Plain(value.into_inner())),
        }
    }

    fn integers(&mut self) -> Result<FlexTensor> {
        match self.values.next() {
            Some(Value::Int(tensor)) => Ok(tensor),
            _ => Err(Error::failure(format!("{}: needs integers", self.name))),
        }
    }
}

/// A float input or output, with history where gradients are recorded.
enum Float {
    Plain(FlexTensor),
    Tracked(RecordedTensor),
}

impl Float {
    fn into_inner(self) -> FlexTensor {
        match self {
            Self::Plain(tensor) => tensor,
            Self::Tracked(tensor) => tensor.into_primitive(),
        }
    }
}

/// The operands of an operation with up to `N` differentiable inputs, parted from their nodes.
struct Operands<const N: usize> {
    tensors: [Option<FlexTensor>; N],
    /// Given where any input is tracked; an untracked or absent input has a node without
    /// gradient.
    nodes: Option<[NodeGuard; N]>,
}

impl<const N: usize> Operands<N> {
    fn new(inputs: [Option<Float>; N]) -> Self {
        if !inputs.iter().any(|input| matches!(input, Some(Float::Tracked(_)))) {
            return Self { tensors: inputs.map(|input| input.map(Float::into_inner)), nodes: None };
        }
        let mut tensors = [const { None }; N];
        let mut at = 0;
        let nodes = inputs.map(|input| {
            let (tensor, node) = match input {
                Some(Float::Tracked(tensor)) => {
                    let (tensor, node) = tensor.into_parts();
                    (Some(tensor), node)
                }
                other => {
                    let tensor = other.map(Float::into_inner);
                    let stand_in = tensor.clone().unwrap_or_else(nothing);
                    (tensor, RecordedTensor::new(stand_in).into_parts().1)
                }
            };
            tensors[at] = tensor;
            at += 1;
            node
        });
        Self { tensors, nodes: Some(nodes) }
    }
}

fn nothing() -> FlexTensor {
    FlexTensor::zeros(burn_backend::Shape::from(vec![0usize]), burn_backend::DType::F32)
}

/// The result of an operation, recorded if it has nodes. `saved` is what its backward pass needs.
fn finish<const N: usize, S, O>(
    nodes: Option<[NodeGuard; N]>,
    operation: O,
    output: FlexTensor,
    saved: impl FnOnce(&FlexTensor) -> S,
) -> Float
where
    S: Clone + Send + std::fmt::Debug + 'static,
    O: Backward<Flex, N, State = S>,
{
    let Some(nodes) = nodes else { return Float::Plain(output) };
    Float::Tracked(match operation.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            let saved = saved(&output);
            prep.finish(saved, output)
        }
        OpsKind::UnTracked(prep) => prep.finish(output),
    })
}
