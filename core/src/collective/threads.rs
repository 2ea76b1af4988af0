//! Ranks that are threads of one process: the reference that engines are held against, and what tests run on.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Bucket, Collective, Pending, Transfer, World};
use crate::{Error, Result};

/// One engine for each of `size` ranks, to be moved to a thread each. An operation that not all ranks come to within `limit`
/// is an error, as with an engine between processes.
pub fn threads(size: usize, limit: Duration) -> Vec<Arc<dyn Collective>> {
    let hall = Arc::new(Hall { size, limit, state: Mutex::default(), changed: Condvar::new() });
    (0..size)
        .map(|rank| {
            let world = World::local(rank, size);
            Arc::new(Rank { world, hall: hall.clone(), next: Mutex::new(0) }) as Arc<dyn Collective>
        })
        .collect()
}

/// Where the threads meet.
struct Hall {
    size: usize,
    limit: Duration,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// What each rank brought to each operation, by the operation's number.
    brought: HashMap<u64, Meeting>,
    /// The last words of ranks that left.
    words: Vec<(usize, String)>,
}

#[derive(Default)]
struct Meeting {
    buckets: Vec<Option<Arc<dyn Any + Send + Sync>>>,
    taken: usize,
}

struct Rank {
    world: World,
    hall: Arc<Hall>,
    /// The number of the next operation.
    next: Mutex<u64>,
}

/// What an operation makes of what all brought.
type Combine<T, R> = fn(&[Arc<T>], usize, usize) -> R;

struct Operation<T, R> {
    hall: Arc<Hall>,
    rank: usize,
    number: u64,
    root: usize,
    combine: Combine<T, R>,
}

impl Hall {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bring<T: Any + Send + Sync>(&self, rank: usize, number: u64, value: T) {
        let mut state = self.lock();
        let meeting = state.brought.entry(number).or_default();
        meeting.buckets.resize(self.size, None);
        meeting.buckets[rank] = Some(Arc::new(value));
        self.changed.notify_all();
    }

    /// What all brought to an operation, once all have.
    fn all<T: Any + Send + Sync>(&self, number: u64) -> Result<Vec<Arc<T>>> {
        let started = Instant::now();
        let mut state = self.lock();
        loop {
            if let Some((rank, words)) = state.words.first() {
                return Err(Error::lost(format!("rank {rank} left: {words}")));
            }
            let meeting = state.brought.get_mut(&number);
            if let Some(meeting) = meeting
                && meeting.buckets.iter().all(Option::is_some)
            {
                let all = meeting.buckets.iter().flatten().cloned().map(|value| {
                    value.downcast().map_err(|_| Error::failure("the ranks do different operations"))
                });
                let all = all.collect::<Result<Vec<Arc<T>>>>()?;
                meeting.taken += 1;
                if meeting.taken == self.size {
                    state.brought.remove(&number);
                }
                return Ok(all);
            }
            let left = self.limit.saturating_sub(started.elapsed());
            if left.is_zero() {
                return Err(Error::lost(format!("not every rank came within {:?}", self.limit)));
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl<T: Any + Send + Sync, R> Operation<T, R> {
    fn result(&self) -> Result<R> {
        let all = self.hall.all::<T>(self.number)?;
        Ok((self.combine)(&all, self.rank, self.root))
    }
}

impl Transfer for Operation<Bucket, Bucket> {
    fn wait(self: Box<Self>) -> Result<Bucket> {
        self.result()
    }
}

impl Rank {
    fn start<T: Any + Send + Sync, R>(
        &self,
        value: T,
        root: usize,
        combine: Combine<T, R>,
    ) -> Operation<T, R> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let number = *next;
        *next += 1;
        self.hall.bring(self.world.rank, number, value);
        Operation { hall: self.hall.clone(), rank: self.world.rank, number, root, combine }
    }

    fn pending(&self, bucket: Bucket, root: usize, combine: Combine<Bucket, Bucket>) -> Result<Pending> {
        Ok(Pending::new(self.start(bucket, root, combine)))
    }
}

impl Collective for Rank {
    fn world(&self) -> &World {
        &self.world
    }

    fn all_reduce(&self, bucket: Bucket) -> Result<Pending> {
        self.pending(bucket, 0, |all, _, _| {
            // From the last to the first, so that nobody takes the order of an engine for that of the ranks.
            let mut sum = (*all[all.len() - 1]).clone();
            for other in all.iter().rev().skip(1) {
                sum.add(other, 0..other.len());
            }
            sum
        })
    }

    fn broadcast(&self, bucket: Bucket, root: usize) -> Result<Pending> {
        self.pending(bucket, root, |all, _, root| (*all[root]).clone())
    }

    fn all_to_all(&self, bucket: Bucket) -> Result<Pending> {
        self.pending(bucket, 0, |all, rank, _| {
            let part = all[0].len() / all.len();
            let mut out = (*all[rank]).clone();
            for (k, from) in all.iter().enumerate() {
                let _ = out.write(k * part..(k + 1) * part, &from.part(rank * part..(rank + 1) * part));
            }
            out
        })
    }

    fn barrier(&self) -> Result<()> {
        self.start((), 0, |_, _, _| ()).result()
    }

    fn share(&self, _: &str, value: Option<&[u8]>) -> Result<Vec<u8>> {
        self.start(value.unwrap_or_default().to_vec(), 0, |all: &[Arc<Vec<u8>>], _, _| (*all[0]).clone())
            .result()
    }

    fn abort(&self, words: &str) {
        let mut state = self.hall.lock();
        if state.words.iter().all(|(rank, _)| *rank != self.world.rank) {
            state.words.push((self.world.rank, words.to_owned()));
        }
        self.hall.changed.notify_all();
    }

    fn fates(&self) -> Option<Vec<Option<String>>> {
        let state = self.hall.lock();
        let said = |rank| state.words.iter().find(|(who, _)| *who == rank).map(|(_, words)| words.clone());
        Some((0..self.hall.size).map(said).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BUCKET_BYTES, gather, gather_bytes, gather_floats, ordered_sum};
    use super::*;

    /// What each of `size` ranks makes of its engine.
    fn on_ranks<T: Send>(size: usize, act: impl Fn(&dyn Collective) -> T + Sync) -> Vec<T> {
        let act = &act;
        std::thread::scope(|scope| {
            let running: Vec<_> = threads(size, Duration::from_secs(5))
                .into_iter()
                .map(|engine| scope.spawn(move || act(&*engine)))
                .collect();
            running.into_iter().map(|rank| rank.join().unwrap()).collect()
        })
    }

    #[test]
    fn sums_copies_and_exchanges() {
        for size in [1, 2, 3, 4] {
            let found = on_ranks(size, |engine| {
                let rank = engine.world().rank;
                let own = |k: usize| (10 * rank + k) as f32;
                let bucket = || Bucket::F32((0..size).map(own).collect());
                let sum = engine.all_reduce(bucket()).unwrap().wait().unwrap();
                let copy = engine.broadcast(bucket(), size - 1).unwrap().wait().unwrap();
                let parts = engine.all_to_all(bucket()).unwrap().wait().unwrap();
                let shared = engine.share("key", (rank == 0).then_some(b"path".as_slice())).unwrap();
                engine.barrier().unwrap();
                (sum, copy, parts, shared)
            });
            for (rank, (sum, copy, parts, shared)) in found.into_iter().enumerate() {
                let ranks = (size * (size - 1) / 2 * 10) as f32;
                assert_eq!(sum, Bucket::F32((0..size).map(|k| ranks + (size * k) as f32).collect()));
                assert_eq!(copy, Bucket::F32((0..size).map(|k| (10 * (size - 1) + k) as f32).collect()));
                assert_eq!(parts, Bucket::F32((0..size).map(|from| (10 * from + rank) as f32).collect()));
                assert_eq!(shared, b"path");
            }
        }
    }

    /// Values of very different sizes, whose sum depends on the order.
    #[test]
    fn an_ordered_sum_is_that_of_one_process() {
        for (size, len) in [(2, 7), (3, 7), (4, 1), (4, 1001)] {
            let value = |rank: usize, k: usize| {
                let mut random =
                    crate::random::Philox::new(7, crate::random::Stream::Init, rank as u64, k as u64);
                (random.uniform() - 0.5) * 10f32.powi((k % 9) as i32 - 4)
            };
            let due: Vec<f32> =
                (0..len).map(|k| (1..size).fold(value(0, k), |sum, rank| sum + value(rank, k))).collect();
            let found = on_ranks(size, |engine| {
                let rank = engine.world().rank;
                ordered_sum(engine, Bucket::F32((0..len).map(|k| value(rank, k)).collect())).unwrap()
            });
            for sum in found {
                let Bucket::F32(sum) = sum else { panic!("another type") };
                let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&sum), bits(&due), "{size} ranks, {len} values");
            }
        }
    }

    #[test]
    fn figures_and_bytes_arrive_as_they_are() {
        let found = on_ranks(3, |engine| {
            let rank = engine.world().rank;
            let figures = [rank as f64, [f64::NAN, f64::INFINITY, 1e-300][rank]];
            let bytes: Vec<u8> = (0..=255).cycle().take([0, 5, 7_000_000][rank]).collect();
            let count = [3, 0, BUCKET_BYTES / 4 + 1][rank];
            let floats = (0..count).map(|k| (k as f32 + rank as f32) * 0.1).collect();
            (
                gather(engine, &figures).unwrap(),
                gather_bytes(engine, &bytes).unwrap(),
                gather_floats(engine, floats).unwrap(),
            )
        });
        for (figures, bytes, floats) in found {
            let due = (0..3).map(|k| k as f32 * 0.1);
            let due = due.chain((0..=BUCKET_BYTES / 4).map(|k| (k as f32 + 2.0) * 0.1));
            assert!(floats.into_iter().eq(due));
            assert!(figures[0][1].is_nan());
            assert_eq!((figures[1][1], figures[2][1], figures[2][0]), (f64::INFINITY, 1e-300, 2.0));
            assert_eq!(bytes[0], b"");
            assert_eq!(bytes[1], [0, 1, 2, 3, 4]);
            let due: Vec<u8> = (0..=255).cycle().take(7_000_000).collect();
            assert!(bytes[2] == due);
        }
    }

    #[test]
    fn a_rank_that_leaves_is_noticed_at_once() {
        let found = on_ranks(3, |engine| {
            if engine.world().rank == 1 {
                engine.abort("the disk is full");
                return String::new();
            }
            let error = engine.all_reduce(Bucket::F64(vec![0.0])).unwrap().wait().unwrap_err();
            error.to_string()
        });
        assert_eq!(found[0], "rank 1 left: the disk is full");
        assert_eq!(found[2], found[0]);
    }
}
