//! What the thread that owns the GPU is told.

use dfdx::tensor::Cuda;

use crate::session::Session;

/// Something to do on the thread.
type Job = Box<dyn FnOnce(&Session<Cuda>) + Send>;

/// What the thread is told.
pub(super) enum Message {
    /// Do this.
    Work(Job),
    /// Nobody holds this number any more.
    Release(u64),
    /// End.
    Stop,
}
