//! Numbers of the random streams that the host and plug-ins both draw from. Each side names its own.

/// Which tokens are masked.
pub const MASK: u32 = 4;
/// Noise levels and time steps.
pub const LEVEL: u32 = 5;
/// The first of the plug-ins' own, which have this number and all above it.
pub const PLUGIN: u32 = 256;
