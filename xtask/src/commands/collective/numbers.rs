//! Numbers that every rank can tell of any other, so that each can check what it is sent.

use palimpsest_core::DType;
use palimpsest_core::collective::Bucket;
use palimpsest_core::random::{Philox, Stream};

/// Small whole numbers and quarters, whose sums are exact in whatever order.
pub(super) fn exact(dtype: DType, len: usize, rank: usize) -> Bucket {
    made(dtype, len, |k| exact_value(k, rank))
}

fn exact_value(k: usize, rank: usize) -> f64 {
    ((k * 7 + rank * 13) % 1009) as f64 * 0.25 - 100.0
}

/// The sum of all ranks' exact numbers.
pub(super) fn exact_sum(dtype: DType, len: usize, size: usize) -> Bucket {
    made(dtype, len, |k| (0..size).map(|rank| exact_value(k, rank)).sum())
}

/// Numbers of nine powers of ten, whose sum depends on its order.
pub(super) fn rough(len: usize, rank: usize) -> Vec<f32> {
    let mut random = Philox::new(11, Stream::Init, rank as u64, 0);
    (0..len).map(|k| (random.uniform() - 0.5) * 10f32.powi((k % 9) as i32 - 4)).collect()
}

/// The sum of all ranks' rough numbers in the order of the ranks.
pub(super) fn rough_sum(len: usize, size: usize) -> Vec<f32> {
    let mut sum = rough(len, 0);
    for rank in 1..size {
        sum.iter_mut().zip(rough(len, rank)).for_each(|(sum, value)| *sum += value);
    }
    sum
}

fn made(dtype: DType, len: usize, value: impl Fn(usize) -> f64) -> Bucket {
    match dtype {
        DType::F64 => Bucket::F64((0..len).map(value).collect()),
        _ => Bucket::F32((0..len).map(|k| value(k) as f32).collect()),
    }
}

/// The bits of a bucket, as bytes.
pub(super) fn bytes(bucket: &Bucket) -> Vec<u8> {
    match bucket {
        Bucket::F32(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        Bucket::F64(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
    }
}

/// Where two buckets differ first, in words.
pub(super) fn difference(found: &Bucket, due: &Bucket) -> Option<String> {
    let (found, due) = (values(found), values(due));
    if found.len() != due.len() {
        return Some(format!("{} numbers where {} were due", found.len(), due.len()));
    }
    let k = found.iter().zip(&due).position(|(a, b)| a.to_bits() != b.to_bits())?;
    Some(format!("number {k} is {} where {} was due", found[k], due[k]))
}

fn values(bucket: &Bucket) -> Vec<f64> {
    match bucket {
        Bucket::F32(values) => values.iter().copied().map(f64::from).collect(),
        Bucket::F64(values) => values.clone(),
    }
}
