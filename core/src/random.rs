//! Counter-based randomness.
//!
//! Every random draw of a run is a pure function of (seed, stream, step, sample, counter). So a
//! run is the same for any batch split, worker count, backend or restart, and no generator state
//! has to be saved.

pub use palimpsest_types::Philox;
use palimpsest_types::stream;

/// What a draw is for. Streams of one seed are independent of each other. Plug-ins' own have the numbers from
/// [`stream::PLUGIN`] on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Stream {
    /// Initial weights.
    Init = 1,
    /// The order of the samples in an epoch.
    Shuffle = 2,
    /// Crops, flips and other augmentation.
    Augment = 3,
    /// Which tokens are masked.
    Mask = stream::MASK,
    /// Noise levels and time steps.
    Level = stream::LEVEL,
    /// Noise values.
    Noise = 6,
    /// Drop path.
    DropPath = 7,
    /// Evaluation heads.
    Head = 8,
    /// Tests and benchmarks.
    Test = 9,
    /// What the host draws on tensors for a plug-in.
    Operation = 10,
    /// The coordinates of rotary positions.
    Positions = 11,
}

impl From<Stream> for u32 {
    fn from(stream: Stream) -> Self {
        stream as Self
    }
}
