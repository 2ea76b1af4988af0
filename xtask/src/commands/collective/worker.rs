//! One process of a check.

use std::time::Duration;

use palimpsest_core::collective::{Bucket, Collective, LauncherFlags, Opening, World, launched};
use palimpsest_core::{Device, Error, Result};

use super::answer::{Answer, mark, now};
use super::laws;
use crate::cli::{CollectiveTask, CollectiveWorker};
use crate::collectives;

pub(crate) fn run(args: &CollectiveWorker) -> Result<()> {
    let flags = LauncherFlags { ranks: args.ranks, rank: args.rank, meet: args.meet.clone() };
    let world = launched(&flags, &|name| std::env::var(name).ok())?;
    let rank = world.rank;
    let mut answer = Answer::default();
    let result = worked(args, world, &mut answer);
    answer.error = result.as_ref().err().map(ToString::to_string);
    answer.write(&args.out, rank)?;
    result
}

fn worked(args: &CollectiveWorker, world: World, answer: &mut Answer) -> Result<()> {
    let device = match args.name.as_str() {
        "nccl" => Device::Cuda(world.local_rank),
        _ => Device::Cpu,
    };
    let limit = Duration::from_secs_f64(args.limit);
    let opening = Opening { interface: args.interface.clone(), limit, grace: None, device };
    let engine = collectives::open(&args.name, world, &opening, None)?;
    answer.engine = engine.engine();
    let result = match args.task {
        CollectiveTask::Laws => laws::all(&*engine, answer),
        CollectiveTask::Leave => left(&*engine, args, answer),
        CollectiveTask::Killed => killed(&*engine, args, answer),
    };
    if let Err(error) = &result {
        engine.abort(&error.to_string());
    }
    result
}

/// The bits again; then rank 1 leaves, and the others notice.
fn left(engine: &dyn Collective, args: &CollectiveWorker, answer: &mut Answer) -> Result<()> {
    answer.bits = laws::bits(engine)?;
    let rank = engine.world().rank;
    if rank == 1 {
        // The others wait for it by then.
        std::thread::sleep(Duration::from_millis(100));
        answer.parted = Some(now());
        // mpirun may end this process with the others.
        answer.write(&args.out, rank)?;
        engine.abort(super::check::WORDS);
        engine.fates();
        return Ok(());
    }
    noticed(engine, answer)
}

/// Sums until the last rank is killed, which waits for that.
fn killed(engine: &dyn Collective, args: &CollectiveWorker, answer: &mut Answer) -> Result<()> {
    engine.all_reduce(Bucket::F32(vec![1.0; 1_000_000]))?.wait()?;
    let world = engine.world();
    mark(&args.out, world.rank)?;
    if world.rank + 1 == world.size {
        std::thread::sleep(Duration::from_secs_f64(args.limit));
        return Err(Error::failure("this rank was not killed"));
    }
    noticed(engine, answer)
}

/// Waits for a sum that can't be, and tells when that was known and what the others said.
fn noticed(engine: &dyn Collective, answer: &mut Answer) -> Result<()> {
    let sum = engine.all_reduce(Bucket::F32(vec![1.0; 1_000_000])).and_then(|pending| pending.wait());
    answer.parted = Some(now());
    let Err(error) = sum else {
        return Err(Error::failure("a sum without one of the ranks"));
    };
    engine.abort(&error.to_string());
    answer.fates = engine.fates();
    Ok(())
}
