//! The float types that kernels are written for.

use burn_backend::Element;

/// A float type that burn has tensors of.
pub(crate) trait Real: palimpsest_kernels::Real + Element + bytemuck::Pod {}

impl Real for f32 {}
impl Real for f64 {}
