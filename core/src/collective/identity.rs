//! Whether all ranks train the same.

use sha2::{Digest, Sha256};

use super::{Collective, gather, gather_bytes};
use crate::error::listed;
use crate::tensor::{HostData, HostTensor};
use crate::{Error, Result};

/// What must be the same on every rank, as fingerprints by name. Ranks that disagree about what they sum get no error from an
/// engine: they end abruptly, or add what doesn't belong together.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    prints: Vec<(&'static str, u64)>,
    /// What the fingerprint of [`INSTRUCTIONS`] is of.
    instructions: String,
}

/// What a rank's level of instructions is called among the fingerprints.
const INSTRUCTIONS: &str = "the processor's instructions";

/// The first eight bytes of the SHA-256 of some text.
pub fn fingerprint(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(*Sha256::digest(bytes).first_chunk().expect("a digest has 32 bytes"))
}

/// The fingerprint of tensors' bits, in their order.
pub fn fingerprint_of<'a>(tensors: impl IntoIterator<Item = &'a HostTensor>) -> u64 {
    let mut sha = Sha256::new();
    for tensor in tensors {
        match tensor.data() {
            HostData::F32(values) => each(&mut sha, values, |value| value.to_le_bytes()),
            HostData::F64(values) => each(&mut sha, values, |value| value.to_le_bytes()),
            HostData::Bf16(values) => each(&mut sha, values, |value| value.to_le_bytes()),
            HostData::I64(values) => each(&mut sha, values, |value| value.to_le_bytes()),
            HostData::Bool(values) => each(&mut sha, values, |value| [u8::from(value)]),
            HostData::U8(values) => sha.update(values),
        }
    }
    u64::from_be_bytes(*sha.finalize().first_chunk().expect("a digest has 32 bytes"))
}

fn each<const N: usize, T: Copy>(sha: &mut Sha256, values: &[T], bytes: impl Fn(T) -> [u8; N]) {
    let mut piece = Vec::with_capacity(N << 12);
    for values in values.chunks(1 << 12) {
        piece.clear();
        piece.extend(values.iter().flat_map(|&value| bytes(value)));
        sha.update(&piece);
    }
}

impl Identity {
    /// With one thing more.
    #[must_use]
    pub fn with(mut self, what: &'static str, fingerprint: u64) -> Self {
        self.prints.push((what, fingerprint));
        self
    }

    /// With the processor's instructions, where they are known: under others the last bits of gradients differ, and what
    /// every rank keeps of the weights would part.
    #[must_use]
    pub fn with_instructions(mut self, instructions: Option<String>) -> Self {
        self.instructions = instructions.unwrap_or_else(|| "unknown ones".to_owned());
        let print = fingerprint(self.instructions.as_bytes());
        self.with(INSTRUCTIONS, print)
    }

    /// Compares every rank's with rank 0's.
    ///
    /// # Errors
    /// Another one, with the ranks that have it; or the engine's failure.
    pub fn compare(&self, collective: &dyn Collective) -> Result<()> {
        // Halves of 32 bits are whole numbers to an f64.
        let halves: Vec<f64> = self
            .prints
            .iter()
            .flat_map(|(_, print)| [(print >> 32) as f64, f64::from(*print as u32)])
            .collect();
        let all = gather(collective, &halves)?;
        for (i, (what, _)) in self.prints.iter().enumerate() {
            let place = 2 * i..2 * i + 2;
            let others: Vec<String> = (1..all.len())
                .filter(|&rank| all[rank][place.clone()] != all[0][place.clone()])
                .map(|rank| rank.to_string())
                .collect();
            if !others.is_empty() {
                let differ = format!("{} and rank 0 differ in {what}", of_ranks(&others));
                // All ranks come here, or none.
                let error = match *what {
                    INSTRUCTIONS => self.instructions_differ(&differ, collective)?,
                    _ => Error::user(differ).help("start every rank with the same program, recipe and data"),
                };
                return Err(error.of_all());
            }
        }
        Ok(())
    }

    /// Which ranks have which instructions, and what makes them the same.
    fn instructions_differ(&self, differ: &str, collective: &dyn Collective) -> Result<Error> {
        let mut kinds: Vec<(String, Vec<String>)> = vec![];
        for (rank, words) in gather_bytes(collective, self.instructions.as_bytes())?.into_iter().enumerate() {
            let (words, rank) = (String::from_utf8_lossy(&words).into_owned(), rank.to_string());
            match kinds.iter_mut().find(|(known, _)| *known == words) {
                Some((_, ranks)) => ranks.push(rank),
                None => kinds.push((words, vec![rank])),
            }
        }
        let told: Vec<String> =
            kinds.iter().map(|(words, ranks)| format!("{words} on {}", of_ranks(ranks))).collect();
        let error = Error::user(format!("{differ}: {}", listed(&told)));
        // A level's name, and in bfloat16 what multiplies it behind a space.
        let mut names: Vec<&str> =
            kinds.iter().map(|(words, _)| words.split(' ').next().unwrap_or(words)).collect();
        names.sort_unstable();
        Ok(match names.windows(2).any(|two| two[0] == two[1]) {
            true => error
                .help("they multiply bfloat16 by other instructions; set PALIMPSEST_CPU=avx2 on every rank"),
            false => error.help("set PALIMPSEST_CPU to the lowest of them on every rank"),
        })
    }
}

fn of_ranks(ranks: &[String]) -> String {
    format!("{} {}", if ranks.len() == 1 { "rank" } else { "ranks" }, listed(ranks))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::threads;
    use super::*;

    /// What four ranks are told that compare what `of` gives each.
    fn told(of: impl Fn(usize) -> Identity + Copy + Send) -> Vec<String> {
        std::thread::scope(|scope| {
            let ranks: Vec<_> = threads(4, Duration::from_secs(5))
                .into_iter()
                .map(|engine| {
                    scope.spawn(move || of(engine.world().rank).compare(&*engine).unwrap_err().to_string())
                })
                .collect();
            ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
        })
    }

    #[test]
    fn a_difference_names_the_ranks() {
        let of = |rank: usize| {
            Identity::default().with("the version", u64::MAX).with("the recipe", rank as u64 % 2)
        };
        for text in told(of) {
            assert_eq!(
                text,
                "ranks 1, 3 and rank 0 differ in the recipe; start every rank with the same program, recipe and data"
            );
        }
    }

    #[test]
    fn other_instructions_are_told_with_their_names() {
        let of = |rank: usize| {
            let level = [Some("avx512"), Some("avx2"), Some("avx512"), None][rank];
            Identity::default().with("the version", 1).with_instructions(level.map(str::to_owned))
        };
        for text in told(of) {
            assert_eq!(
                text,
                "ranks 1, 3 and rank 0 differ in the processor's instructions: avx512 on ranks 0, 2, avx2 on rank 1, \
                 unknown ones on rank 3; set PALIMPSEST_CPU to the lowest of them on every rank"
            );
        }
    }

    #[test]
    fn a_fingerprint_is_that_of_the_bits() {
        let zero = HostTensor::f32([1], vec![0.0]).unwrap();
        let minus = HostTensor::f32([1], vec![-0.0]).unwrap();
        assert_eq!(fingerprint_of([&zero]), fingerprint(&[0; 4]));
        assert_ne!(fingerprint_of([&zero]), fingerprint_of([&minus]));
    }
}
