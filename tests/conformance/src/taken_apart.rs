//! A backend without its fused operations, so that core takes them apart.

use std::sync::Arc;

use palimpsest_core::backend::Wrapper;
use palimpsest_core::tensor::OpKind;
use palimpsest_core::{Backend, DType, Device, Place};

/// The same place with primitives alone.
pub(crate) fn taken_apart(place: &Place) -> Place {
    Place { backend: Arc::new(Primitives(place.backend.clone())), device: place.device }
}

struct Primitives(Arc<dyn Backend>);

impl Wrapper for Primitives {
    fn inner(&self) -> &dyn Backend {
        &*self.0
    }

    fn supports(&self, op: OpKind, dtype: DType, device: Device) -> bool {
        !op.is_fused() && self.0.supports(op, dtype, device)
    }
}
