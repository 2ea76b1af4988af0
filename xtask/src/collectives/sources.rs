//! The sources of engines, which travel inside this program: a cluster's login node that has nothing but a compiler builds
//! them.

/// A file to be compiled, or one that it includes.
pub(super) struct Source {
    /// Where it lies below `collectives/` of the sources.
    pub(super) path: &'static str,
    pub(super) text: &'static str,
}

macro_rules! source {
    ($path:literal) => {
        Source { path: $path, text: include_str!(concat!("../../../collectives/", $path)) }
    };
}

/// The first is compiled.
pub(super) const GLOO: &[Source] = &[
    source!("c10d/c10d.cpp"),
    source!("c10d/interface.hpp"),
    source!("c10d/meeting.hpp"),
    source!("c10d/words.hpp"),
    source!("c10d/standin/gloo/algorithm.h"),
    source!("c10d/standin/gloo/common/error.h"),
    source!("c10d/standin/gloo/context.h"),
    source!("c10d/standin/gloo/rendezvous/store.h"),
    source!("c10d/standin/gloo/transport/device.h"),
];

/// As above.
pub(super) const MPI: &[Source] = &[source!("mpi/mpi.c")];

/// As above.
pub(super) const NCCL: &[Source] = &[source!("nccl/nccl.c")];

/// The interface between this program and its libraries.
pub(super) const HEADER: &str = include_str!("../../../plugins/include/palimpsest.h");
