//! A backend that computes nothing: it follows shapes and histories and adds up floating-point operations. Every
//! value is zero.

mod products;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use palimpsest_core::backend::{BackendInfo, Handle, MemoryStats};
use palimpsest_core::tensor::{DType, HostData, HostTensor, Op, OpKind, Shape};
use palimpsest_core::{Backend, Device, Error, Result};

use self::products::products;

/// Floating-point operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub(crate) struct Flops {
    /// Of forward passes.
    pub(crate) forward: u64,
    /// Of backward passes.
    pub(crate) backward: u64,
}

impl Flops {
    pub(crate) fn total(self) -> u64 {
        self.forward + self.backward
    }
}

/// See the module. It has every type.
pub(crate) struct MetaBackend {
    fused: bool,
    recording: AtomicBool,
    forward: AtomicU64,
    backward: AtomicU64,
}

/// A tensor without values.
struct Value {
    shape: Shape,
    dtype: DType,
    history: Option<Arc<Node>>,
}

/// What a backward pass does at an operation, or a leaf.
struct Node {
    flops: u64,
    parents: Vec<Arc<Node>>,
}

impl MetaBackend {
    /// `fused`: whether it takes fused operations whole.
    pub(crate) fn new(fused: bool) -> Self {
        let (recording, forward, backward) = (AtomicBool::new(true), AtomicU64::new(0), AtomicU64::new(0));
        Self { fused, recording, forward, backward }
    }

    /// What was counted since the last look.
    pub(crate) fn take(&self) -> Flops {
        Flops {
            forward: self.forward.swap(0, Ordering::Relaxed),
            backward: self.backward.swap(0, Ordering::Relaxed),
        }
    }
}

fn value(handle: &Handle) -> Result<&Value> {
    handle.get().ok_or_else(|| Error::failure("a tensor of another backend"))
}

fn handle(shape: &Shape, dtype: DType, history: Option<Arc<Node>>) -> Handle {
    Handle::new(Value { shape: shape.clone(), dtype, history })
}

/// Every node that a loss descends from, by address.
fn ancestors(root: &Arc<Node>) -> (HashSet<*const Node>, u64) {
    let (mut seen, mut flops) = (HashSet::new(), 0);
    let mut open = vec![root];
    while let Some(node) = open.pop() {
        if seen.insert(Arc::as_ptr(node)) {
            flops += node.flops;
            open.extend(&node.parents);
        }
    }
    (seen, flops)
}

impl Backend for MetaBackend {
    fn info(&self) -> BackendInfo {
        BackendInfo {
            name: "shapes".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            description: "shapes without values".to_owned(),
            instructions: None,
        }
    }

    fn devices(&self) -> Vec<Device> {
        vec![Device::Cpu]
    }

    fn supports(&self, op: OpKind, _: DType, _: Device) -> bool {
        self.fused || !op.is_fused()
    }

    fn upload(&self, data: HostTensor, _: Device) -> Result<Handle> {
        Ok(handle(data.shape(), data.dtype(), None))
    }

    fn signature(&self, tensor: &Handle) -> Result<(Shape, DType)> {
        let value = value(tensor)?;
        Ok((value.shape.clone(), value.dtype))
    }

    fn download(&self, tensor: &Handle) -> Result<HostTensor> {
        let value = value(tensor)?;
        let count = value.shape.count();
        let shape = value.shape.clone();
        match value.dtype {
            DType::I64 => HostTensor::new(shape, HostData::I64(vec![0; count])),
            DType::Bool => HostTensor::new(shape, HostData::Bool(vec![false; count])),
            DType::U8 => HostTensor::new(shape, HostData::U8(vec![0; count])),
            float => HostTensor::new(shape, HostData::F32(vec![0.0; count]))?.to_float(float),
        }
    }

    fn execute(&self, op: &Op, inputs: Vec<Handle>, _: Device) -> Result<Vec<Handle>> {
        let values: Vec<&Value> = inputs.iter().map(value).collect::<Result<_>>()?;
        let signatures: Vec<(&Shape, DType)> = values.iter().map(|v| (&v.shape, v.dtype)).collect();
        let results = op.infer(&signatures)?;
        let shapes: Vec<&Shape> = values.iter().map(|v| &v.shape).collect();
        let tracked = |input: &usize| values.get(*input).is_some_and(|value| value.history.is_some());
        let mut backward = 0;
        for product in products(op, &shapes, &results[0].0) {
            self.forward.fetch_add(product.flops, Ordering::Relaxed);
            // A factor's gradient is a product with the other factor.
            backward += product.flops
                * product.factors.iter().filter(|inputs| inputs.iter().any(tracked)).count() as u64;
        }
        let parents: Vec<Arc<Node>> = values.iter().filter_map(|v| v.history.clone()).collect();
        let recorded = self.recording.load(Ordering::Relaxed) && !parents.is_empty();
        let node = recorded.then(|| Arc::new(Node { flops: backward, parents }));
        let result = |(shape, dtype): &(Shape, DType)| {
            handle(shape, *dtype, node.clone().filter(|_| dtype.is_float()))
        };
        Ok(results.iter().map(result).collect())
    }

    fn track(&self, tensor: &Handle) -> Result<Handle> {
        let value = value(tensor)?;
        let leaf = Arc::new(Node { flops: 0, parents: vec![] });
        Ok(handle(&value.shape, value.dtype, Some(leaf)))
    }

    fn detach(&self, tensor: &Handle) -> Result<Handle> {
        let value = value(tensor)?;
        Ok(handle(&value.shape, value.dtype, None))
    }

    fn backward(&self, loss: Handle, leaves: &[&Handle]) -> Result<Vec<Option<Handle>>> {
        let root = value(&loss)?.history.as_ref();
        let (seen, flops) =
            ancestors(root.ok_or_else(|| Error::failure("backward: the loss descends from no leaf"))?);
        self.backward.fetch_add(flops, Ordering::Relaxed);
        let gradient = |leaf: &&Handle| {
            let leaf = value(leaf)?;
            let found = leaf.history.as_ref().is_some_and(|node| seen.contains(&Arc::as_ptr(node)));
            Ok(found.then(|| handle(&leaf.shape, leaf.dtype, None)))
        };
        leaves.iter().map(gradient).collect()
    }

    fn set_grad_enabled(&self, enabled: bool) -> bool {
        self.recording.swap(enabled, Ordering::Relaxed)
    }

    fn seed(&self, _: u64) {}

    fn synchronize(&self, _: Device) -> Result<()> {
        Ok(())
    }

    fn memory(&self, _: Device) -> MemoryStats {
        MemoryStats::default()
    }
}
