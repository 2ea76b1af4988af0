//! Counter-based randomness, with the host's keys and draws, bit for bit.
//!
//! Every draw is a pure function of (seed, stream, step, sample, counter). So a plan is the same
//! for any batch split, worker count, backend or restart, and no generator state has to be saved.

pub use palimpsest_types::Philox;
use palimpsest_types::stream;

/// What a draw is for. Streams of one seed are independent of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Which tokens are masked: the stream of the built-in masks.
    Mask,
    /// Noise levels and time steps: the stream of the built-in noise laws.
    Level,
    /// A stream that no part of the host draws from. Different numbers are independent.
    Own(u16),
}

impl Stream {
    /// The number that enters the key.
    pub const fn number(self) -> u32 {
        match self {
            Self::Mask => stream::MASK,
            Self::Level => stream::LEVEL,
            Self::Own(n) => stream::PLUGIN + n as u32,
        }
    }
}

impl From<Stream> for u32 {
    fn from(stream: Stream) -> Self {
        stream.number()
    }
}
