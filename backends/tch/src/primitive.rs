//! Primitives. libtorch records those that descend from a tracked leaf by itself.

use half::bf16;
use palimpsest_core::tensor::{DType, Interpolation, Op};
use tch::{Kind, Tensor};

use crate::failure::{Result, wrong_inputs};
use crate::value::{torch_kind, torch_shape};

/// Runs a primitive.
pub(crate) fn run(op: &Op, inputs: &[&Tensor], device: tch::Device) -> Result<Tensor> {
    let output = match (op, inputs) {
        (Op::Full { shape, value, dtype }, []) => full(&torch_shape(shape), *value, *dtype, device)?,
        (Op::RandomNormal { shape, dtype }, []) => {
            Tensor::f_randn(torch_shape(shape), (torch_kind(*dtype), device))?
        }
        (Op::RandomUniform { shape, dtype }, []) => {
            Tensor::f_rand(torch_shape(shape), (torch_kind(*dtype), device))?
        }
        (Op::Neg, [x]) => x.f_neg()?,
        (Op::Exp, [x]) => x.f_exp()?,
        (Op::Log, [x]) => x.f_log()?,
        (Op::Sqrt, [x]) => x.f_sqrt()?,
        (Op::Tanh, [x]) => x.f_tanh()?,
        (Op::Erf, [x]) => x.f_erf()?,
        (Op::Abs, [x]) => x.f_abs()?,
        (Op::Sin, [x]) => x.f_sin()?,
        (Op::Cos, [x]) => x.f_cos()?,
        (Op::AddScalar { value }, [x]) => x.f_add_scalar(within(*value, x.f_kind()?))?,
        (Op::MulScalar { value }, [x]) => x.f_mul_scalar(within(*value, x.f_kind()?))?,
        (Op::PowScalar { value }, [x]) => x.f_pow_tensor_scalar(within(*value, x.f_kind()?))?,
        (Op::Clamp { min, max }, [x]) => {
            let kind = x.f_kind()?;
            x.f_clamp(within(*min, kind), within(*max, kind))?
        }
        (Op::Add, [a, b]) => a.f_add(b)?,
        (Op::Sub, [a, b]) => a.f_sub(b)?,
        (Op::Mul, [a, b]) => a.f_mul(b)?,
        (Op::Div, [a, b]) => a.f_div(b)?,
        (Op::Equal, [a, b]) => a.f_eq_tensor(b)?,
        (Op::Less, [a, b]) => a.f_lt_tensor(b)?,
        (Op::Where, [condition, a, b]) => a.f_where_self(condition, b)?,
        (Op::Cast { dtype }, [x]) => x.f_to_kind(torch_kind(*dtype))?,
        // libtorch takes no axes for all axes.
        (Op::Sum { axes } | Op::Mean { axes }, [x]) if axes.is_empty() => x.shallow_clone(),
        (Op::Sum { axes }, [x]) => x.f_sum_dim_intlist(torch_shape(axes), true, None::<Kind>)?,
        (Op::Mean { axes }, [x]) => x.f_mean_dim(torch_shape(axes), true, None::<Kind>)?,
        (Op::Max { axis }, [x]) => x.f_max_dim(*axis as i64, true)?.0,
        (Op::Argmax { axis }, [x]) => x.f_argmax(*axis as i64, true)?,
        (Op::Argsort { axis, descending }, [x]) => x.f_argsort_stable(true, *axis as i64, *descending)?,
        (Op::Reshape { shape }, [x]) => x.f_reshape(torch_shape(shape))?,
        (Op::Permute { axes }, [x]) => x.f_permute(torch_shape(axes))?,
        (Op::Narrow { axis, start, len }, [x]) => x.f_narrow(*axis as i64, *start as i64, *len as i64)?,
        (Op::Concat { axis }, [_, ..]) => Tensor::f_cat(inputs, *axis as i64)?,
        (Op::Pad { axis, before, after, value }, [x]) => {
            // Pairs of borders, the last axis first.
            let mut borders = vec![0; 2 * (x.dim() - axis)];
            let at = borders.len() - 2;
            borders[at] = *before as i64;
            borders[at + 1] = *after as i64;
            x.f_pad(borders, "constant", within(*value, x.f_kind()?))?
        }
        (Op::Expand { shape }, [x]) => x.f_expand(torch_shape(shape), false)?,
        (Op::Gather { axis }, [x, indices]) => x.f_gather(*axis as i64, indices, false)?,
        (Op::IndexSelect { axis }, [x, indices]) => x.f_index_select(*axis as i64, indices)?,
        (Op::ScatterAdd { axis }, [x, indices, source]) => x.f_scatter_add(*axis as i64, indices, source)?,
        (Op::Matmul, [a, b]) => a.f_matmul(b)?,
        (Op::Conv2d { stride, padding }, [x, weight]) => {
            let (stride, padding) = (*stride as i64, *padding as i64);
            x.f_conv2d(weight, None::<&Tensor>, [stride; 2], [padding; 2], [1, 1], 1)?
        }
        (Op::Interpolate { height, width, mode }, [x]) => {
            let size = [*height as i64, *width as i64];
            match mode {
                Interpolation::Nearest => x.f_upsample_nearest2d(size, None, None)?,
                Interpolation::Bilinear => x.f_upsample_bilinear2d(size, false, None, None)?,
            }
        }
        _ => return Err(wrong_inputs(op)),
    };
    Ok(output)
}

fn full(shape: &[i64], value: f64, dtype: DType, device: tch::Device) -> Result<Tensor> {
    let kind = torch_kind(dtype);
    Ok(match dtype {
        DType::I64 => Tensor::f_full(shape, value as i64, (kind, device))?,
        DType::Bool => Tensor::f_full(shape, i64::from(value != 0.0), (kind, device))?,
        _ => Tensor::f_full(shape, within(value, kind), (kind, device))?,
    })
}

/// A number as a type holds it: infinite beyond the type's range, where libtorch would refuse it.
fn within(value: f64, kind: Kind) -> f64 {
    let largest = match kind {
        Kind::Float => f64::from(f32::MAX),
        Kind::BFloat16 => f64::from(bf16::MAX),
        _ => f64::MAX,
    };
    if value.abs() > largest { f64::INFINITY.copysign(value) } else { value }
}
