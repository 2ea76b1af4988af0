//! A plan's buffers.

use palimpsest_abi::Head;
use palimpsest_abi::corruption as abi;

/// A plan, as a library wrote it.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// B
    pub batch: usize,
    /// L
    pub tokens: usize,
    /// [B, L]
    pub roles: Vec<u8>,
    /// [B, L]
    pub gain: Vec<f32>,
    /// [B, L]
    pub noise: Vec<f32>,
    /// [B, L]
    pub source: Vec<u32>,
    /// `USES_SOURCE`, `SUBSTITUTIVE`
    pub flags: u32,
}

impl Plan {
    /// A plan that leaves every token alone, as a host hands it out.
    pub(crate) fn identity(batch: usize, tokens: usize) -> Self {
        let mut plan = Self::default();
        plan.reset(batch, tokens);
        plan
    }

    /// Makes it one that leaves every token alone, in the memory that it has.
    pub(crate) fn reset(&mut self, batch: usize, tokens: usize) {
        let count = batch * tokens;
        (self.batch, self.tokens, self.flags) = (batch, tokens, 0);
        self.roles.clear();
        self.roles.resize(count, abi::VISIBLE);
        self.gain.clear();
        self.gain.resize(count, 1.0);
        self.noise.clear();
        self.noise.resize(count, 0.0);
        self.source.clear();
        self.source.extend(0..count as u32);
    }

    /// As C has it; it borrows from this one.
    pub(crate) fn lend(&mut self) -> abi::Plan {
        abi::Plan {
            head: Head::of::<abi::Plan>(),
            roles: self.roles.as_mut_ptr(),
            gain: self.gain.as_mut_ptr(),
            noise: self.noise.as_mut_ptr(),
            source: self.source.as_mut_ptr(),
            flags: self.flags,
            reserved: 0,
        }
    }

    /// Whether tokens are taken from elsewhere.
    pub(crate) fn uses_source(&self) -> bool {
        self.flags & abi::USES_SOURCE != 0
    }

    /// The first thing in which another plan of the same size differs, to the bit.
    pub(crate) fn difference(&self, other: &Self) -> Option<String> {
        let tell = |i: usize, what: &str, a: String, b: String| {
            Some(format!(
                "token {} of image {} has {what} {a} and {b}",
                i % self.tokens.max(1),
                i / self.tokens.max(1)
            ))
        };
        if self.flags != other.flags {
            return Some(format!("the flags are {:#x} and {:#x}", self.flags, other.flags));
        }
        for i in 0..self.roles.len() {
            if self.roles[i] != other.roles[i] {
                return tell(i, "role", self.roles[i].to_string(), other.roles[i].to_string());
            }
            if self.gain[i].to_bits() != other.gain[i].to_bits() {
                return tell(i, "gain", self.gain[i].to_string(), other.gain[i].to_string());
            }
            if self.noise[i].to_bits() != other.noise[i].to_bits() {
                return tell(i, "noise", self.noise[i].to_string(), other.noise[i].to_string());
            }
            if self.uses_source() && self.source[i] != other.source[i] {
                return tell(i, "source", self.source[i].to_string(), other.source[i].to_string());
            }
        }
        None
    }

    /// Images `from..from + batch` as a plan of their own; sources outside them become `u32::MAX`.
    pub(crate) fn part(&self, from: usize, batch: usize) -> Self {
        let range = from * self.tokens..(from + batch) * self.tokens;
        let first = range.start as u32;
        let within = |&s: &u32| if range.contains(&(s as usize)) { s - first } else { u32::MAX };
        Self {
            batch,
            tokens: self.tokens,
            roles: self.roles[range.clone()].to_vec(),
            gain: self.gain[range.clone()].to_vec(),
            noise: self.noise[range.clone()].to_vec(),
            source: self.source[range.clone()].iter().map(within).collect(),
            flags: self.flags,
        }
    }
}
