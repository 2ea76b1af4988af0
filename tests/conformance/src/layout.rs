//! Ways to lay the same tensor out in the backend's memory, and to pass it.

use palimpsest_core::{DType, DeviceHandle, Result, Tensor};

use crate::array::Array;
use crate::case::Input;

/// How inputs lie in memory and who else holds them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passing {
    /// Dense; the caller keeps a handle.
    Kept,
    /// Dense, and the last handle: it may be written over.
    Given,
    /// A view with the axes in reverse order of memory.
    Permuted,
    /// A view of a part, whose surroundings are NaN (or as wrong as the type allows).
    Narrowed,
    /// A view that repeats one entry of the first axis.
    Expanded,
    /// The first input is the last handle, the others are kept.
    FirstGiven,
    /// The first input is kept, the others are last handles.
    RestGiven,
    /// The first input is a permuted view, the others are dense.
    FirstPermuted,
    /// The first input is dense, the others are permuted views.
    RestPermuted,
}

impl Passing {
    /// The ways to pass so many inputs of a type.
    pub fn ways(inputs: usize, dtype: DType) -> &'static [Self] {
        const ALL: [Passing; 9] = [
            Passing::Kept,
            Passing::Given,
            Passing::Permuted,
            Passing::Narrowed,
            Passing::Expanded,
            Passing::FirstGiven,
            Passing::RestGiven,
            Passing::FirstPermuted,
            Passing::RestPermuted,
        ];
        match inputs {
            // What takes nothing can be called in one way only.
            0 => &ALL[..1],
            // Nothing makes views of bytes.
            _ if dtype == DType::U8 => &ALL[..2],
            1 => &ALL[..5],
            _ => &ALL,
        }
    }

    /// The way of one input.
    pub(crate) fn of_input(self, which: usize) -> Self {
        match (self, which) {
            (Self::FirstGiven, 0) => Self::Given,
            (Self::FirstPermuted, 0) => Self::Permuted,
            (Self::FirstGiven | Self::FirstPermuted, _) | (Self::RestGiven | Self::RestPermuted, 0) => {
                Self::Kept
            }
            (Self::RestGiven, _) => Self::Given,
            (Self::RestPermuted, _) => Self::Permuted,
            (other, _) => other,
        }
    }

    /// The word in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Given => "given",
            Self::Permuted => "permuted",
            Self::Narrowed => "narrowed",
            Self::Expanded => "expanded",
            Self::FirstGiven => "the first given",
            Self::RestGiven => "all but the first given",
            Self::FirstPermuted => "the first permuted",
            Self::RestPermuted => "all but the first permuted",
        }
    }

    /// The elements that are passed: a view that repeats can only hold equal ones.
    pub(crate) fn elements(self, array: &Array) -> Array {
        match (self, array.shape.first()) {
            (Self::Expanded, Some(&extent)) if extent > 0 => Array::build(&array.shape, |i| {
                let mut index = i.to_vec();
                index[0] = 0;
                array.at(&index)
            }),
            _ => array.clone(),
        }
    }
}

/// An input in the backend's memory.
pub(crate) struct Laid {
    /// What is passed.
    pub(crate) tensor: Tensor,
    /// What must still hold these elements afterwards.
    pub(crate) kept: Option<(Tensor, Array)>,
}

/// Lays out the elements that [`Passing::elements`] gave, in a way that [`Passing::of_input`] gave.
pub(crate) fn lay(device: &DeviceHandle, input: &Input, passing: Passing) -> Result<Laid> {
    let upload = |array: &Array| device.upload(array.host(input.dtype)?);
    let array = &input.array;
    let rank = array.rank();
    let base = match passing {
        _ if rank == 0 => array.clone(),
        Passing::Permuted => {
            let shape: Vec<usize> = array.shape.iter().rev().copied().collect();
            Array::build(&shape, |i| array.at(&i.iter().rev().copied().collect::<Vec<_>>()))
        }
        Passing::Narrowed => surrounded(array, wrong(input.dtype)),
        Passing::Expanded if array.shape[0] == 0 => array.clone(),
        Passing::Expanded => Array::build(&[&[1], &array.shape[1..]].concat(), |i| array.at(i)),
        _ => array.clone(),
    };
    let whole = upload(&base)?;
    let tensor = match passing {
        Passing::Given => return Ok(Laid { tensor: whole, kept: None }),
        _ if rank == 0 => whole.clone(),
        Passing::Permuted => whole.permute(&(0..rank).rev().collect::<Vec<_>>())?,
        Passing::Narrowed => whole.narrow(rank - 1, 1, array.shape[rank - 1])?.narrow(
            0,
            usize::from(rank > 1),
            array.shape[0],
        )?,
        Passing::Expanded => whole.expand(array.shape.as_slice())?,
        _ => whole.clone(),
    };
    Ok(Laid { tensor, kept: Some((whole, base)) })
}

/// A value that no result may depend on.
fn wrong(dtype: DType) -> f64 {
    match dtype {
        DType::F32 | DType::F64 | DType::Bf16 => f64::NAN,
        // No index.
        DType::I64 => -77.0,
        DType::Bool => 1.0,
        DType::U8 => 255.0,
    }
}

/// The elements with others around them along the last axis, and in front along the first.
fn surrounded(array: &Array, by: f64) -> Array {
    let last = array.rank() - 1;
    let front = usize::from(last > 0);
    let mut shape = array.shape.clone();
    shape[0] += front;
    shape[last] += 3;
    Array::build(&shape, |i| {
        let mut index = i.to_vec();
        match (index[0].checked_sub(front), index[last].checked_sub(1)) {
            (Some(_), Some(column)) if column < array.shape[last] => {
                index[0] -= front;
                index[last] -= 1;
                array.at(&index)
            }
            _ => by,
        }
    })
}
