//! From an operation to what runs it, and which operations there are for which types.

use palimpsest_core::Error;
use palimpsest_core::backend::Handle;
use palimpsest_core::tensor::{DType, Op, OpKind};
use tch::Tensor;

use crate::failure::Result;
use crate::value::{Value, core_type};
use crate::{fused, primitive};

/// Whether an operation is defined on tensors of a type. All fused operations have kernels of
/// libtorch's in all three float types.
pub(crate) fn supports(op: OpKind, dtype: DType) -> bool {
    match dtype {
        DType::F32 | DType::F64 | DType::Bf16 => true,
        DType::I64 if op == OpKind::ScatterAdd => true,
        DType::U8 => op == OpKind::Cast,
        DType::I64 | DType::Bool => matches!(
            op,
            OpKind::Full
                | OpKind::Equal
                | OpKind::Less
                | OpKind::Where
                | OpKind::Cast
                | OpKind::Reshape
                | OpKind::Permute
                | OpKind::Narrow
                | OpKind::Concat
                | OpKind::Pad
                | OpKind::Expand
                | OpKind::Gather
                | OpKind::IndexSelect
        ),
    }
}

/// Runs an operation. Operations that create a tensor create it on `device`.
pub(crate) fn execute(op: &Op, inputs: Vec<Handle>, device: tch::Device) -> Result<Vec<Tensor>> {
    let dtype = match (op, inputs.first()) {
        (Op::RandomNormal { dtype, .. } | Op::RandomUniform { dtype, .. }, _) => Some(*dtype),
        (_, first) => first.map(|first| core_type(Value::of(first)?)).transpose()?,
    };
    if let Some(dtype) = dtype.filter(|&dtype| !supports(op.kind(), dtype)) {
        return Err(Error::failure(format!("{} is not defined on {dtype}", op.kind().name())).into());
    }
    if op.kind().is_fused() {
        // Some write in place, so they get the handles' tensors themselves.
        let inputs = inputs.into_iter().map(Value::take).collect::<Result<Vec<_>>>()?;
        return fused::run(op, inputs);
    }
    let inputs = inputs.iter().map(Value::of).collect::<Result<Vec<_>>>()?;
    Ok(vec![primitive::run(op, &inputs, device)?])
}
