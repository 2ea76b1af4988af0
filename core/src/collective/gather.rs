//! Small figures of every rank for all.

use super::{BUCKET_BYTES, Bucket, Collective};
use crate::{Error, Result};

/// The same number of figures of every rank, by rank. They travel as a sum in which the others add zeros, so that every
/// value arrives as it is (-0.0 as 0.0): an engine's maximum may lose a NaN.
///
/// # Errors
/// The engine's failure.
pub fn gather(collective: &dyn Collective, figures: &[f64]) -> Result<Vec<Vec<f64>>> {
    let (rank, size) = (collective.world().rank, collective.world().size);
    if size == 1 {
        return Ok(vec![figures.to_vec()]);
    }
    let count = figures.len();
    let mut all = vec![0.0; size * count];
    all[rank * count..(rank + 1) * count].copy_from_slice(figures);
    let Bucket::F64(all) = collective.all_reduce(Bucket::F64(all))?.wait()? else {
        return Err(Error::failure("a sum of another type"));
    };
    if count == 0 {
        return Ok(vec![vec![]; size]);
    }
    Ok(all.chunks(count).map(<[f64]>::to_vec).collect())
}

/// The sums of some counts, and every rank's figures by rank as [`gather`] gives them, in one sum.
///
/// # Errors
/// The engine's failure.
pub fn count_and_gather(
    collective: &dyn Collective,
    mut counts: Vec<f64>,
    figures: &[f64],
) -> Result<(Vec<f64>, Vec<Vec<f64>>)> {
    let (rank, size) = (collective.world().rank, collective.world().size);
    let (behind, count) = (counts.len(), figures.len());
    counts.resize(behind + size * count, 0.0);
    counts[behind + rank * count..behind + (rank + 1) * count].copy_from_slice(figures);
    let Bucket::F64(mut sums) = collective.all_reduce(Bucket::F64(counts))?.wait()? else {
        return Err(Error::failure("a sum of another type"));
    };
    let all = sums.split_off(behind);
    Ok((sums, all.chunks(count.max(1)).map(<[f64]>::to_vec).collect()))
}

/// Bytes of every rank, of any length each, by rank.
///
/// # Errors
/// The engine's failure.
pub fn gather_bytes(collective: &dyn Collective, bytes: &[u8]) -> Result<Vec<Vec<u8>>> {
    let (rank, size) = (collective.world().rank, collective.world().size);
    if size == 1 {
        return Ok(vec![bytes.to_vec()]);
    }
    let lengths: Vec<usize> =
        gather(collective, &[bytes.len() as f64])?.iter().map(|length| length[0] as usize).collect();
    let mut all = vec![];
    for (root, &length) in lengths.iter().enumerate() {
        let mut whole = vec![];
        // A piece at a time, six bytes to a number: any f64 of at most 2^53 arrives as it is.
        let mut at = 0;
        while at < length {
            let piece = (length - at).min(PIECE);
            let numbers = match root == rank {
                true => bytes[at..at + piece].chunks(SIX).map(number).collect(),
                false => vec![0.0; piece.div_ceil(SIX)],
            };
            let Bucket::F64(numbers) = collective.broadcast(Bucket::F64(numbers), root)?.wait()? else {
                return Err(Error::failure("a copy of another type"));
            };
            let known = whole.len() + piece;
            whole.extend(
                numbers.iter().flat_map(|&number| (number as u64).to_le_bytes().into_iter().take(SIX)),
            );
            whole.truncate(known);
            at += piece;
        }
        all.push(whole);
    }
    Ok(all)
}

/// Floats of every rank, of any number each, those of rank 0 first. They travel in buckets, as they are.
///
/// # Errors
/// The engine's failure.
pub fn gather_floats(collective: &dyn Collective, floats: Vec<f32>) -> Result<Vec<f32>> {
    let (rank, size) = (collective.world().rank, collective.world().size);
    if size == 1 {
        return Ok(floats);
    }
    let lengths: Vec<usize> =
        gather(collective, &[floats.len() as f64])?.iter().map(|length| length[0] as usize).collect();
    let mut all = Vec::with_capacity(lengths.iter().sum());
    for (root, &length) in lengths.iter().enumerate() {
        for at in (0..length).step_by(BUCKET_BYTES / size_of::<f32>()) {
            let piece = (length - at).min(BUCKET_BYTES / size_of::<f32>());
            let numbers = match root == rank {
                true => floats[at..at + piece].to_vec(),
                false => vec![0.0; piece],
            };
            let Bucket::F32(numbers) = collective.broadcast(Bucket::F32(numbers), root)?.wait()? else {
                return Err(Error::failure("a copy of another type"));
            };
            all.extend(numbers);
        }
    }
    Ok(all)
}

const SIX: usize = 6;
/// A multiple of [`SIX`], so that every piece but the last is full.
const PIECE: usize = SIX << 20;

fn number(bytes: &[u8]) -> f64 {
    let mut whole = [0; 8];
    whole[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(whole) as f64
}
