//! What a metric has gathered, on its way to another process.

use crate::{Error, Result};

/// Lists of numbers in the order they were put, exact to the bit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetricState {
    bytes: Vec<u8>,
    /// What was taken so far.
    taken: usize,
}

/// A number that a state can have.
pub trait StateNumber: Copy {
    /// What tells lists of this type from those of others.
    const TAG: u8;
    /// Bytes of a number.
    const SIZE: usize;
    /// Puts its bytes behind the last.
    fn write(self, bytes: &mut Vec<u8>);
    /// From its bytes.
    fn read(bytes: &[u8]) -> Self;
}

macro_rules! state_numbers {
    ($($tag:literal $number:ty),*) => {$(
        impl StateNumber for $number {
            const TAG: u8 = $tag;
            const SIZE: usize = size_of::<$number>();
            fn write(self, bytes: &mut Vec<u8>) {
                bytes.extend(self.to_le_bytes());
            }
            fn read(bytes: &[u8]) -> Self {
                let mut own = [0; size_of::<$number>()];
                own.copy_from_slice(bytes);
                Self::from_le_bytes(own)
            }
        }
    )*};
}

state_numbers!(1 u8, 2 u16, 3 u32, 4 u64, 5 i64, 6 f32, 7 f64);

/// A tag and the number of bytes.
const HEADER: usize = 9;

impl MetricState {
    /// Puts a list behind the last.
    pub fn put<N: StateNumber>(&mut self, numbers: &[N]) {
        self.bytes.reserve(HEADER + numbers.len() * N::SIZE);
        self.bytes.push(N::TAG);
        self.bytes.extend(((numbers.len() * N::SIZE) as u64).to_le_bytes());
        numbers.iter().for_each(|number| number.write(&mut self.bytes));
    }

    /// Takes the next list.
    ///
    /// # Errors
    /// There is none, or it is of another type.
    pub fn take<N: StateNumber>(&mut self) -> Result<Vec<N>> {
        let other = || Error::failure("a metric's state that another metric has made");
        let rest = &self.bytes[self.taken..];
        let (_, rest) = rest.split_first().filter(|(tag, _)| **tag == N::TAG).ok_or_else(other)?;
        let (length, rest) = rest.split_first_chunk::<8>().ok_or_else(other)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| other())?;
        let numbers = rest.get(..length).filter(|_| length.is_multiple_of(N::SIZE)).ok_or_else(other)?;
        let numbers = numbers.chunks_exact(N::SIZE).map(N::read).collect();
        self.taken += HEADER + length;
        Ok(numbers)
    }

    /// Takes the next list, which has so many numbers.
    ///
    /// # Errors
    /// As [`MetricState::take`], or another number of them.
    pub fn take_array<N: StateNumber, const COUNT: usize>(&mut self) -> Result<[N; COUNT]> {
        let other = |list: Vec<N>| {
            Error::failure(format!("a metric's state with {} numbers in place of {COUNT}", list.len()))
        };
        self.take()?.try_into().map_err(other)
    }

    /// Takes the next list, which has one number.
    ///
    /// # Errors
    /// As [`MetricState::take_array`].
    pub fn take_one<N: StateNumber>(&mut self) -> Result<N> {
        Ok(self.take_array::<N, 1>()?[0])
    }

    /// As bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// From the bytes of another, of which nothing was taken.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self { bytes, taken: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_taken_in_its_order() {
        let mut state = MetricState::default();
        state.put(&[f64::NAN, -0.0, 0.1]);
        state.put::<u64>(&[]);
        state.put(&[u16::MAX]);
        let mut state = MetricState::from_bytes(state.as_bytes().to_vec());
        let floats = state.take::<f64>().unwrap();
        assert_eq!(
            floats.iter().map(|v| v.to_bits()).collect::<Vec<_>>(),
            [f64::NAN.to_bits(), (-0.0f64).to_bits(), 0.1f64.to_bits()]
        );
        assert!(state.take::<f32>().is_err());
        assert!(state.take::<u64>().unwrap().is_empty());
        assert_eq!(state.take::<u16>().unwrap(), [u16::MAX]);
        assert!(state.take::<u16>().is_err());
    }
}
