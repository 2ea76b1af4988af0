//! Backends around another backend.

use super::{Backend, BackendInfo, Device, Handle, MemoryStats};
use crate::Result;
use crate::graphs::Graphs;
use crate::tensor::{DType, HostTensor, Op, OpKind, Shape};

/// Declares [`Wrapper`] and makes a [`Backend`] of whatever implements it, both from one list of methods.
macro_rules! wrapper {
    ($(fn $name:ident($($argument:ident: $type:ty),*) $(-> $out:ty)?;)*) => {
        /// A backend that sees the calls of another one: it times them, looks at their results or writes them
        /// down. It implements the methods in which it differs; every other call is passed on to
        /// [`Wrapper::inner`], and so are the device's graphs.
        ///
        /// Graphs that are passed on work on the inner backend's tensors. A wrapper whose tensors aren't those,
        /// or that has to see what graphs do, implements [`Wrapper::graphs`] with graphs of its own.
        pub trait Wrapper: Send + Sync {
            /// The backend that calls are passed on to.
            fn inner(&self) -> &dyn Backend;

            $(
                #[doc = concat!("[`Backend::", stringify!($name), "`], of the inner backend.")]
                fn $name(&self, $($argument: $type),*) $(-> $out)? {
                    self.inner().$name($($argument),*)
                }
            )*
        }

        impl<W: Wrapper> Backend for W {
            $(
                fn $name(&self, $($argument: $type),*) $(-> $out)? {
                    Wrapper::$name(self, $($argument),*)
                }
            )*
        }
    };
}

wrapper! {
    fn info() -> BackendInfo;
    fn devices() -> Vec<Device>;
    fn supports(op: OpKind, dtype: DType, device: Device) -> bool;
    fn upload(data: HostTensor, device: Device) -> Result<Handle>;
    fn signature(tensor: &Handle) -> Result<(Shape, DType)>;
    fn download(tensor: &Handle) -> Result<HostTensor>;
    fn execute(op: &Op, inputs: Vec<Handle>, device: Device) -> Result<Vec<Handle>>;
    fn track(tensor: &Handle) -> Result<Handle>;
    fn detach(tensor: &Handle) -> Result<Handle>;
    fn backward(loss: Handle, leaves: &[&Handle]) -> Result<Vec<Option<Handle>>>;
    fn set_grad_enabled(enabled: bool) -> bool;
    fn seed(seed: u64);
    fn synchronize(device: Device) -> Result<()>;
    fn memory(device: Device) -> MemoryStats;
    fn graphs(device: Device) -> Option<&dyn Graphs>;
}
