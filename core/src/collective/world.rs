//! The ranks of a run, as one of them sees them.

use std::fmt;
use std::time::Duration;

use super::Launcher;
use crate::Device;
use crate::data::Share;

/// The ranks of a run, as one of them sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct World {
    /// This process's number, from 0.
    pub rank: usize,
    /// The number of processes.
    pub size: usize,
    /// Its number among those of its machine, from 0.
    pub local_rank: usize,
    /// The number of processes of its machine.
    pub local_size: usize,
    /// Who started the processes.
    pub launcher: Launcher,
    /// Where they meet; none for an engine that knows by itself.
    pub meeting: Option<Meeting>,
    /// What the processes of one run have in common and those of another don't.
    pub session: String,
}

/// Where the processes of a run meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meeting {
    /// A host.
    pub address: String,
    /// Its port.
    pub port: u16,
    /// Whether something else than rank 0 serves it: torchrun's agent.
    pub served: bool,
}

impl Meeting {
    /// Whether it can be reached from its own machine alone.
    pub fn is_loopback(&self) -> bool {
        let address = self.address.as_str();
        address == "localhost"
            || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

/// What an engine is opened with beside the ranks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The network interface; empty for the engine's choice.
    pub interface: String,
    /// How long any operation may take, the meeting included.
    pub limit: Duration,
    /// How long an operation may still wait after a launcher ends this process; none for as long as ever, which suits an
    /// engine that notices by itself when a process is gone.
    pub grace: Option<Duration>,
    /// The device that this rank trains on.
    pub device: Device,
}

impl World {
    /// One process alone.
    pub fn single() -> Self {
        Self {
            rank: 0,
            size: 1,
            local_rank: 0,
            local_size: 1,
            launcher: Launcher::Single,
            meeting: None,
            session: String::new(),
        }
    }

    /// Some of a run's ranks, all on this machine, for tests.
    pub fn local(rank: usize, size: usize) -> Self {
        Self { rank, size, local_rank: rank, local_size: size, launcher: Launcher::Threads, ..Self::single() }
    }

    /// Whether this process writes and prints.
    pub fn leads(&self) -> bool {
        self.rank == 0
    }

    /// Which part of what the ranks share this one has.
    pub fn share(&self) -> Share {
        Share { rank: self.rank, size: self.size }
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} processes by {}, this is {}", self.size, self.launcher, self.rank)
    }
}
