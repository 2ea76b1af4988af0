//! Whether all ranks train the same.

use sha2::{Digest, Sha256};

use super::{Collective, gather};
use crate::error::listed;
use crate::tensor::{HostData, HostTensor};
use crate::{Error, Result};

/// What must be the same on every rank, as fingerprints by name. Ranks that disagree about what they sum get no error from an
/// engine: they end abruptly, or add what doesn't belong together.
#[derive(Debug, Clone, Default)]
pub struct Identity(Vec<(&'static str, u64)>);

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
        self.0.push((what, fingerprint));
        self
    }

    /// Compares every rank's with rank 0's.
    ///
    /// # Errors
    /// Another one, with the ranks that have it; or the engine's failure.
    pub fn compare(&self, collective: &dyn Collective) -> Result<()> {
        // Halves of 32 bits are whole numbers to an f64.
        let halves: Vec<f64> =
            self.0.iter().flat_map(|(_, print)| [(print >> 32) as f64, f64::from(*print as u32)]).collect();
        let all = gather(collective, &halves)?;
        for (i, (what, _)) in self.0.iter().enumerate() {
            let place = 2 * i..2 * i + 2;
            let others: Vec<String> = (1..all.len())
                .filter(|&rank| all[rank][place.clone()] != all[0][place.clone()])
                .map(|rank| rank.to_string())
                .collect();
            if !others.is_empty() {
                let ranks = if others.len() == 1 { "rank" } else { "ranks" };
                return Err(Error::user(format!("{ranks} {} and rank 0 differ in {what}", listed(&others)))
                    .help("start every rank with the same program, recipe and data")
                    .of_all());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::threads;
    use super::*;

    #[test]
    fn a_difference_names_the_ranks() {
        let told = std::thread::scope(|scope| {
            let ranks: Vec<_> = threads(4, Duration::from_secs(5))
                .into_iter()
                .map(|engine| {
                    scope.spawn(move || {
                        let odd = (engine.world().rank % 2) as u64;
                        let identity =
                            Identity::default().with("the version", u64::MAX).with("the recipe", odd);
                        identity.compare(&*engine).unwrap_err().to_string()
                    })
                })
                .collect();
            ranks.into_iter().map(|rank| rank.join().unwrap()).collect::<Vec<_>>()
        });
        for text in told {
            assert_eq!(
                text,
                "ranks 1, 3 and rank 0 differ in the recipe; start every rank with the same program, recipe and data"
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
