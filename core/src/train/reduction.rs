//! A step's gradients and figures, summed over the ranks.
//!
//! Gradients go to the host, a bucket at a time, are summed there, and go back. Two buckets are under way at once, so that
//! copying and summing overlap; more gain nothing. Where blocks are recomputed in the backward pass, a block's gradients
//! start on their way while those of the blocks below are still made.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::gradient::added;
use crate::collective::{
    BUCKET_BYTES, Bucket, BucketPlan, Collective, Pending, SumOrder, count_and_gather, ordered_sum,
};
use crate::encoder::block_of;
use crate::params::ParamSpec;
use crate::tensor::{DType, DeviceHandle, Shape, Tensor};
use crate::{Error, Result};

/// Buckets under way at once.
pub(super) const IN_FLIGHT: usize = 2;

/// Seconds in copying, and in waiting for the engine.
#[derive(Default, Clone, Copy)]
pub(super) struct TransferTimes {
    pub(super) staging: f64,
    pub(super) waiting: f64,
}

/// How gradients are summed.
pub(super) struct Reduction {
    pub(super) collective: Arc<dyn Collective>,
    plan: BucketPlan,
    /// The first buckets hold parameters of encoder blocks alone, the last block's first: the lowest block of each.
    blocks: Vec<usize>,
    shapes: Vec<Shape>,
    dtype: DType,
    order: SumOrder,
    /// Buckets of sums that are over, whose memory the next ones take.
    spare: Mutex<Vec<Bucket>>,
}

/// The sum of one step under way.
pub(super) struct StepSum<'a> {
    reduction: &'a Reduction,
    device: &'a DeviceHandle,
    /// The bucket that is started next.
    next: usize,
    /// Whether this rank has a gradient of each parameter.
    present: Vec<bool>,
    under_way: VecDeque<(usize, UnderWay)>,
    summed: Vec<Option<Tensor>>,
    times: TransferTimes,
}

enum UnderWay {
    Pending(Pending),
    Ready(Bucket),
}

/// What a step's sum gave.
pub(super) struct Summed {
    /// The sum of all ranks' gradients; `None` where no rank has one.
    pub(super) gradients: Vec<Option<Tensor>>,
    /// Every rank's figures, by rank.
    pub(super) figures: Vec<Vec<f64>>,
    /// Whether any rank was asked to stop.
    pub(super) stop: bool,
}

impl Reduction {
    /// For these parameters, of which some are trained.
    pub(super) fn new(
        collective: Arc<dyn Collective>,
        specs: &[ParamSpec],
        trained: impl Fn(usize) -> bool,
        dtype: DType,
        order: SumOrder,
    ) -> Self {
        let sizes: Vec<usize> = specs.iter().map(|spec| spec.shape.count() * dtype.size()).collect();
        let last_first = || (0..specs.len()).rev().filter(|&i| trained(i));
        let of_blocks = |i: &usize| block_of(&specs[*i].name).is_some();
        let mut plan = BucketPlan::new(&sizes, last_first().filter(of_blocks), BUCKET_BYTES);
        let lowest = |bucket: &Vec<usize>| bucket.iter().filter_map(|&i| block_of(&specs[i].name)).min();
        let blocks = plan.buckets.iter().map(|bucket| lowest(bucket).unwrap_or_default()).collect();
        plan.buckets
            .extend(BucketPlan::new(&sizes, last_first().filter(|i| !of_blocks(i)), BUCKET_BYTES).buckets);
        let shapes = specs.iter().map(|spec| spec.shape.clone()).collect();
        Self { collective, plan, blocks, shapes, dtype, order, spare: Mutex::default() }
    }

    /// The plan.
    pub(super) fn plan(&self) -> &BucketPlan {
        &self.plan
    }

    /// A bucket for so many numbers, which are of no meaning.
    fn bucket(&self, count: usize) -> Result<Bucket> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut bucket = match spare {
            Some(bucket) => bucket,
            None => Bucket::empty(self.dtype, count)?,
        };
        bucket.resize(count);
        Ok(bucket)
    }

    /// A new step's sum.
    pub(super) fn begin<'a>(&'a self, device: &'a DeviceHandle) -> StepSum<'a> {
        StepSum {
            reduction: self,
            device,
            next: 0,
            present: vec![false; self.shapes.len()],
            under_way: VecDeque::new(),
            summed: vec![None; self.shapes.len()],
            times: TransferTimes::default(),
        }
    }
}

impl StepSum<'_> {
    /// Starts the sums of what is final once the gradients of the encoder's blocks from `first` on are; those of
    /// micro-batches before are added to them.
    pub(super) fn blocks_done(
        &mut self,
        first: usize,
        gradients: &mut [Option<Tensor>],
        before: &mut [Option<Tensor>],
    ) -> Result<()> {
        while let Some(lowest) = self.reduction.blocks.get(self.next)
            && *lowest >= first
        {
            for &index in self.reduction.plan.buckets.get(self.next).into_iter().flatten() {
                let before = before.get_mut(index).and_then(Option::take);
                gradients[index] = added(before, gradients[index].take())?;
            }
            self.start(gradients)?;
        }
        Ok(())
    }

    /// Starts the rest, waits for all, and gathers every rank's figures.
    pub(super) fn finish(
        mut self,
        mut gradients: Vec<Option<Tensor>>,
        figures: &[f64],
        stop: bool,
    ) -> Result<(Summed, TransferTimes)> {
        while self.next < self.reduction.plan.buckets.len() {
            self.start(&mut gradients)?;
        }
        while !self.under_way.is_empty() {
            self.take_oldest()?;
        }
        if gradients.iter().any(Option::is_some) {
            return Err(Error::failure(
                "a block's gradient changed after it was sent to the other processes",
            ));
        }
        let started = Instant::now();
        let counted = |yes: bool| f64::from(u8::from(yes));
        let own = [counted(stop)].into_iter().chain(self.present.iter().map(|&present| counted(present)));
        let (counts, figures) = count_and_gather(&*self.reduction.collective, own.collect(), figures)?;
        let stop = counts[0] > 0.0;
        for (gradient, &ranks) in self.summed.iter_mut().zip(&counts[1..]) {
            // A parameter that no rank has a gradient of is left alone, as in one process.
            if ranks == 0.0 {
                *gradient = None;
            }
        }
        self.times.waiting += started.elapsed().as_secs_f64();
        Ok((Summed { gradients: self.summed, figures, stop }, self.times))
    }

    fn start(&mut self, gradients: &mut [Option<Tensor>]) -> Result<()> {
        if self.under_way.len() == IN_FLIGHT {
            self.take_oldest()?;
        }
        let Reduction { collective, plan, shapes, order, .. } = self.reduction;
        let started = Instant::now();
        let members = &plan.buckets[self.next];
        let count = members.iter().map(|&index| shapes[index].count()).sum();
        let mut bucket = self.reduction.bucket(count)?;
        let mut at = 0;
        for &index in members {
            let place = at..at + shapes[index].count();
            at = place.end;
            match gradients[index].take() {
                Some(gradient) => {
                    self.present[index] = true;
                    gradient.download_into(bucket.numbers_mut(place))?;
                }
                None => bucket.clear(place),
            }
        }
        self.times.staging += started.elapsed().as_secs_f64();
        let started = Instant::now();
        let under_way = match order {
            SumOrder::OfRanks => UnderWay::Ready(ordered_sum(&**collective, bucket)?),
            SumOrder::OfEngine => UnderWay::Pending(collective.all_reduce(bucket)?),
        };
        self.times.waiting += started.elapsed().as_secs_f64();
        self.under_way.push_back((self.next, under_way));
        self.next += 1;
        Ok(())
    }

    fn take_oldest(&mut self) -> Result<()> {
        let Some((number, under_way)) = self.under_way.pop_front() else { return Ok(()) };
        let started = Instant::now();
        let bucket = match under_way {
            UnderWay::Pending(pending) => pending.wait()?,
            UnderWay::Ready(bucket) => bucket,
        };
        self.times.waiting += started.elapsed().as_secs_f64();
        let started = Instant::now();
        let mut at = 0;
        for &index in &self.reduction.plan.buckets[number] {
            let shape = &self.reduction.shapes[index];
            let values = bucket.numbers(at..at + shape.count());
            self.summed[index] = Some(self.device.upload_from(shape, values)?);
            at += shape.count();
        }
        self.reduction.spare.lock().unwrap_or_else(PoisonError::into_inner).push(bucket);
        self.times.staging += started.elapsed().as_secs_f64();
        Ok(())
    }
}
