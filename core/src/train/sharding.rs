//! Moments and averages shared out among the ranks (ZeRO-1, Rajbhandari et al. 2020), by whole tensors.
//!
//! Gradients are summed for all ranks, as without shards, so that norm and clipping are the same. Each rank then steps the
//! parameters that it owns, and their new values go to the others. No number is computed in another way, so the weights are
//! those of every rank stepping everything, to the bit. With N ranks, each keeps about 1/N of the moments and averages.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::reduction::{IN_FLIGHT, TransferTimes};
use crate::Result;
use crate::collective::{BUCKET_BYTES, Bucket, Collective, OwnedBucket, Pending, Shards};
use crate::tensor::{DType, HostTensor, Shape};

/// How trained parameters are shared out. They are numbered as they are trained.
pub(super) struct Sharding {
    collective: Arc<dyn Collective>,
    shards: Shards,
    buckets: Vec<OwnedBucket>,
    shapes: Vec<Shape>,
    dtype: DType,
}

/// Takes a value of another rank, by the parameter's number.
pub(super) type Take<'a> = dyn FnMut(usize, HostTensor) -> Result<()> + 'a;

impl Sharding {
    /// For parameters of these shapes.
    pub(super) fn new(collective: Arc<dyn Collective>, shapes: Vec<Shape>, dtype: DType) -> Self {
        let sizes: Vec<usize> = shapes.iter().map(|shape| shape.count() * dtype.size()).collect();
        let shards = Shards::new(&sizes, collective.world().size);
        let buckets = shards.buckets(&sizes, BUCKET_BYTES);
        Self { collective, shards, buckets, shapes, dtype }
    }

    /// Whether this rank steps a parameter.
    pub(super) fn owns(&self, number: usize) -> bool {
        self.shards.owner(number) == self.collective.world().rank
    }

    /// Whether this is the rank that checkpoints are gathered on.
    pub(super) fn leads(&self) -> bool {
        self.collective.world().leads()
    }

    /// Copies a value of every parameter from its owner to the others, who take it or pass it over. Every rank calls it at the
    /// same time. Two buckets are in memory at once.
    pub(super) fn spread(
        &self,
        own: &dyn Fn(usize) -> Result<HostTensor>,
        mut take: Option<&mut Take<'_>>,
    ) -> Result<TransferTimes> {
        let mut times = TransferTimes::default();
        let mut under_way = VecDeque::new();
        for bucket in &self.buckets {
            if under_way.len() == IN_FLIGHT {
                self.arrive(under_way.pop_front(), &mut take, &mut times)?;
            }
            let started = Instant::now();
            let count = bucket.members.iter().map(|&number| self.shapes[number].count()).sum();
            let mut values = Bucket::empty(self.dtype, count)?;
            match bucket.owner == self.collective.world().rank {
                true => bucket.members.iter().try_for_each(|&number| values.push(&own(number)?))?,
                // They are written over.
                false => values.resize(count),
            }
            times.staging += started.elapsed().as_secs_f64();
            let started = Instant::now();
            under_way.push_back((bucket, self.collective.broadcast(values, bucket.owner)?));
            times.waiting += started.elapsed().as_secs_f64();
        }
        while !under_way.is_empty() {
            self.arrive(under_way.pop_front(), &mut take, &mut times)?;
        }
        Ok(times)
    }

    fn arrive(
        &self,
        oldest: Option<(&OwnedBucket, Pending)>,
        take: &mut Option<&mut Take<'_>>,
        times: &mut TransferTimes,
    ) -> Result<()> {
        let Some((bucket, pending)) = oldest else { return Ok(()) };
        let started = Instant::now();
        let values = pending.wait()?;
        times.waiting += started.elapsed().as_secs_f64();
        let Some(take) = take.as_mut().filter(|_| bucket.owner != self.collective.world().rank) else {
            return Ok(());
        };
        let started = Instant::now();
        let mut at = 0;
        for &number in &bucket.members {
            let shape = &self.shapes[number];
            take(number, values.tensor(at..at + shape.count(), shape.clone())?)?;
            at += shape.count();
        }
        times.staging += started.elapsed().as_secs_f64();
        Ok(())
    }
}
