//! What an engine must hold, as one of its ranks sees it.

use std::time::{Duration, Instant};

use palimpsest_core::collective::{Bucket, Collective, fingerprint, gather, gather_bytes, ordered_sum};
use palimpsest_core::{DType, Result};

use super::answer::{Answer, Law, now};
use super::numbers::{bytes, difference, exact, exact_sum, rough, rough_sum};

/// A bucket of training: 25 MB of f32.
const BUCKET: usize = 25_000_000 / 4;
const LENGTHS: [usize; 4] = [1, 1_000, 1_000_003, BUCKET];

type Found = std::result::Result<String, String>;

fn same(found: &Bucket, due: &Bucket, told: impl Into<String>) -> Found {
    difference(found, due).map_or_else(|| Ok(told.into()), Err)
}

/// Everything that is checked within a rank. An engine's failure ends it.
pub(super) fn all(engine: &dyn Collective, answer: &mut Answer) -> Result<()> {
    let mut law = |name: &str, found: Found| answer.laws.push(Law::of(name, found));
    for dtype in [DType::F32, DType::F64] {
        for len in LENGTHS {
            law(&format!("sum of {len} {dtype}"), sum(engine, dtype, len)?);
        }
    }
    law("several under way at once", several(engine)?);
    law("copy from every rank", copies(engine)?);
    law("exchange", exchange(engine)?);
    law("sum in the order of the ranks", ordered(engine)?);
    law("NaN and infinities arrive", figures(engine)?);
    law("bytes of every rank", lists(engine)?);
    law("rank 0's bytes for all", shared(engine)?);
    answer.barrier = Some(barrier(engine)?);
    answer.bits = bits(engine)?;
    answer.laws.extend(times(engine)?);
    Ok(())
}

fn sum(engine: &dyn Collective, dtype: DType, len: usize) -> Result<Found> {
    let (rank, size) = (engine.world().rank, engine.world().size);
    let found = engine.all_reduce(exact(dtype, len, rank))?.wait()?;
    Ok(same(&found, &exact_sum(dtype, len, size), "as added up"))
}

fn several(engine: &dyn Collective) -> Result<Found> {
    let (rank, size) = (engine.world().rank, engine.world().size);
    let len = 300_000;
    let first = engine.all_reduce(exact(DType::F32, len, rank))?;
    let second = engine.all_reduce(exact(DType::F64, len, rank))?;
    let third = engine.broadcast(exact(DType::F32, len, rank), size - 1)?;
    let due = [
        exact_sum(DType::F32, len, size),
        exact_sum(DType::F64, len, size),
        exact(DType::F32, len, size - 1),
    ];
    // The last is waited for first.
    let [third, second, first] = [third.wait()?, second.wait()?, first.wait()?];
    let wrong = [first, second, third].iter().zip(&due).find_map(|(found, due)| difference(found, due));
    Ok(wrong.map_or_else(|| Ok("two sums and a copy".to_owned()), Err))
}

fn copies(engine: &dyn Collective) -> Result<Found> {
    let (rank, size) = (engine.world().rank, engine.world().size);
    for root in 0..size {
        for len in [1, 65_537] {
            let found = engine.broadcast(exact(DType::F32, len, rank), root)?.wait()?;
            if let Some(wrong) = difference(&found, &exact(DType::F32, len, root)) {
                return Ok(Err(format!("from rank {root}: {wrong}")));
            }
        }
    }
    Ok(Ok(format!("{size} roots")))
}

fn exchange(engine: &dyn Collective) -> Result<Found> {
    let (rank, size) = (engine.world().rank, engine.world().size);
    let part = 20_011;
    let found = engine.all_to_all(exact(DType::F64, part * size, rank))?.wait()?;
    let mut due = Bucket::F64(vec![0.0; part * size]);
    for from in 0..size {
        let sent = exact(DType::F64, part * size, from).part(rank * part..(rank + 1) * part);
        due.write(from * part..(from + 1) * part, &sent)?;
    }
    Ok(same(&found, &due, format!("{size} parts")))
}

fn ordered(engine: &dyn Collective) -> Result<Found> {
    let (rank, size) = (engine.world().rank, engine.world().size);
    for len in [1, 100_003] {
        let found = ordered_sum(engine, Bucket::F32(rough(len, rank)))?;
        if let Some(wrong) = difference(&found, &Bucket::F32(rough_sum(len, size))) {
            return Ok(Err(wrong));
        }
    }
    Ok(Ok("bit by bit as one process adds".to_owned()))
}

fn figures(engine: &dyn Collective) -> Result<Found> {
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e-300];
    let of = |rank: usize| [rank as f64, odd[rank % odd.len()]];
    let all = gather(engine, &of(engine.world().rank))?;
    let wrong = all.iter().enumerate().find(|(rank, found)| {
        let alike = |(a, b): (&f64, f64)| *a == b || (a.is_nan() && b.is_nan());
        !found.iter().zip(of(*rank)).all(alike)
    });
    Ok(match wrong {
        None => Ok("as they are".to_owned()),
        Some((rank, found)) => Err(format!("rank {rank}'s arrived as {found:?}")),
    })
}

fn lists(engine: &dyn Collective) -> Result<Found> {
    let of = |rank: usize| -> Vec<u8> { (0..=255).cycle().take(rank * 70_001).collect() };
    let all = gather_bytes(engine, &of(engine.world().rank))?;
    let wrong = all.iter().enumerate().position(|(rank, found)| *found != of(rank));
    Ok(wrong.map_or_else(|| Ok("of any length".to_owned()), |rank| Err(format!("rank {rank}'s differ"))))
}

fn shared(engine: &dyn Collective) -> Result<Found> {
    let path = "runs/día 1/mae-micro-1".as_bytes().to_vec();
    let most: Vec<u8> = (0..=255).cycle().take(64 << 10).collect();
    for (key, due) in [("nothing", vec![]), ("path", path), ("most", most)] {
        let own = (engine.world().rank == 0).then_some(due.as_slice());
        let found = engine.share(key, own)?;
        if found != due {
            return Ok(Err(format!("{} bytes arrived where {} were due, or others", found.len(), due.len())));
        }
    }
    Ok(Ok("0 bytes, a path, 64 KiB".to_owned()))
}

/// When the barrier was entered and left. The last rank comes late.
fn barrier(engine: &dyn Collective) -> Result<[f64; 2]> {
    engine.barrier()?;
    if engine.world().rank + 1 == engine.world().size {
        std::thread::sleep(Duration::from_millis(100));
    }
    let entered = now();
    engine.barrier()?;
    Ok([entered, now()])
}

/// Fingerprints of sums that depend on the order of addition: of one alone, and of two at once.
pub(super) fn bits(engine: &dyn Collective) -> Result<Vec<u64>> {
    let rank = engine.world().rank;
    let mut prints = vec![];
    for len in [1_000, 1_000_003] {
        let alone = engine.all_reduce(Bucket::F32(rough(len, rank)))?.wait()?;
        let first = engine.all_reduce(Bucket::F32(rough(len, rank)))?;
        let second = engine.all_reduce(Bucket::F32(rough(len, rank)))?;
        let together = [first.wait()?, second.wait()?];
        prints.extend([&alone, &together[0], &together[1]].map(|sum| fingerprint(&bytes(sum))));
    }
    Ok(prints)
}

/// The least of some tries, in seconds.
fn least(tries: usize, mut act: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut least = f64::INFINITY;
    for _ in 0..tries {
        let started = Instant::now();
        act()?;
        least = least.min(started.elapsed().as_secs_f64());
    }
    Ok(least)
}

fn times(engine: &dyn Collective) -> Result<Vec<Law>> {
    let small = least(50, || engine.all_reduce(Bucket::F64(vec![1.0]))?.wait().map(drop))?;
    let mut bucket = Some(exact(DType::F32, BUCKET, engine.world().rank));
    let large = least(3, || {
        // What is made of its own sum grows, and stays finite.
        let sum = engine.all_reduce(bucket.take().unwrap_or(Bucket::F32(vec![])))?.wait()?;
        bucket = Some(sum);
        Ok(())
    })?;
    Ok(vec![
        Law::figure("sum of 8 bytes", format!("{:.0} us, the least of 50", small * 1e6)),
        Law::figure("sum of 25 MB", format!("{:.2} GB/s, the best of 3", BUCKET as f64 * 4e-9 / large)),
    ])
}
