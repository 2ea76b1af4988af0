//! `collective check`: an engine against what training asks of it, between processes of this machine.

use std::time::Duration;

use palimpsest_core::{Error, Result};
use serde_json::json;

use super::answer::{Answer, Law};
use super::processes::{Ended, Processes};
use crate::cli::{CheckCollective, CollectiveTask};
use crate::{collectives, output};

/// What the rank that leaves says.
pub(super) const WORDS: &str = "the disk is full";

/// Beside the engine's own limit, for starting and for what takes several operations.
const MORE: Duration = Duration::from_secs(60);

pub(super) fn run(args: &CheckCollective) -> Result<()> {
    // Built and told of before any process asks for it.
    let library = collectives::load(&args.name)?;
    if !args.result.json {
        output::line(&format!(
            "{} {}: {}; {} processes",
            library.info.name, library.info.version, library.info.description, args.ranks
        ));
    }
    let laws = laws(args)?;
    let failed: Vec<&str> =
        laws.iter().filter(|law| law.passed == Some(false)).map(|law| law.law.as_str()).collect();
    if args.result.json {
        output::json(&json!({
            "engine": library.info, "ranks": args.ranks, "passed": failed.is_empty(), "laws": laws,
        }));
    } else {
        let word = |passed| match passed {
            Some(true) => "pass",
            Some(false) => "FAIL",
            None => "-",
        };
        let row = |law: &Law| vec![law.law.clone(), word(law.passed).to_owned(), law.told.clone()];
        output::table(&laws.iter().map(row).collect::<Vec<_>>());
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(Error::failure(format!("the engine {} fails in: {}", args.name, failed.join("; "))))
}

fn laws(args: &CheckCollective) -> Result<Vec<Law>> {
    let limit = Duration::from_secs_f64(args.limit) + MORE;
    let first = Processes::start(args, CollectiveTask::Laws)?.end(limit);
    let answers = match complete(&first) {
        Ok(answers) => answers,
        Err(told) => return Ok(vec![Law::of("the ranks work together", Err(told))]),
    };
    let mut all = vec![Law::of("the ranks meet", Ok(answers[0].engine.clone()))];
    all.extend(of_all_ranks(&answers));
    all.push(Law::of("barrier", barrier(&answers)));
    let leaving = Processes::start(args, CollectiveTask::Leave)?.end(limit);
    all.push(Law::of("the same bits on all ranks and in a second run", bits(&answers, &leaving)));
    all.push(Law::of("a rank that leaves is noticed", left(&leaving)));
    if args.name != "mpi" {
        // mpirun ends the rest by itself where one dies.
        let mut processes = Processes::start(args, CollectiveTask::Killed)?;
        let at = processes.kill_last(limit)?;
        let ended = processes.end(limit);
        all.push(Law::of("a rank that is killed is noticed", killed(at, &ended)));
    }
    let (figures, laws): (Vec<Law>, Vec<Law>) = all.into_iter().partition(|law| law.passed.is_none());
    Ok(laws.into_iter().chain(figures).collect())
}

/// Every rank's answer, or why there is none.
fn complete(ended: &Ended) -> std::result::Result<Vec<&Answer>, String> {
    let mut answers = vec![];
    for (rank, answer) in ended.answers.iter().enumerate() {
        match answer {
            Some(Answer { error: Some(error), .. }) => return Err(format!("rank {rank}: {error}")),
            Some(answer) => answers.push(answer),
            None if ended.too_long => {
                return Err(format!("rank {rank} did not end in {:.0} s", ended.seconds));
            }
            None => {
                let said = ended.said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("nothing");
                return Err(format!("rank {rank} ended without an answer, and said: {said}"));
            }
        }
    }
    Ok(answers)
}

/// What each rank found of a law, put together: the first that failed, else rank 0's.
fn of_all_ranks(answers: &[&Answer]) -> Vec<Law> {
    let mut laws = vec![];
    for (i, law) in answers[0].laws.iter().enumerate() {
        let failed = answers.iter().enumerate().find_map(|(rank, answer)| {
            let law = answer.laws.get(i).filter(|law| law.passed == Some(false))?;
            Some(Law { told: format!("rank {rank}: {}", law.told), ..law.clone() })
        });
        laws.push(failed.unwrap_or_else(|| law.clone()));
    }
    laws
}

/// Nobody leaves before the last has come.
fn barrier(answers: &[&Answer]) -> std::result::Result<String, String> {
    let times: Vec<[f64; 2]> = answers.iter().filter_map(|answer| answer.barrier).collect();
    let entered = times.iter().map(|time| time[0]).fold(f64::MIN, f64::max);
    for (rank, [_, left]) in times.iter().enumerate() {
        // A millisecond for a clock that is set meanwhile.
        if *left + 1e-3 < entered {
            return Err(format!("rank {rank} went on {:.3} s before the last came", entered - left));
        }
    }
    Ok("nobody goes on before the last comes".to_owned())
}

fn bits(first: &[&Answer], second: &Ended) -> std::result::Result<String, String> {
    let due = &first[0].bits;
    if let Some(rank) = first.iter().position(|answer| answer.bits != *due) {
        return Err(format!("rank {rank} has other bits than rank 0"));
    }
    for (rank, answer) in second.answers.iter().enumerate() {
        let Some(answer) = answer.as_ref().filter(|answer| !answer.bits.is_empty()) else { continue };
        if answer.bits != *due {
            return Err(format!("rank {rank} has other bits in the second run"));
        }
    }
    if second.answers.iter().flatten().all(|answer| answer.bits.is_empty()) {
        return complete(second).map(|_| String::new());
    }
    Ok(format!("{} sums, alone and two at once", due.len()))
}

/// When the slowest noticed, and whether the words arrived.
fn left(ended: &Ended) -> std::result::Result<String, String> {
    let at = ended.answers.get(1).and_then(Option::as_ref).and_then(|answer| answer.parted);
    if at.is_some() && !ended.too_long && ended.answers.iter().any(Option::is_none) {
        return Ok("the launcher ended them all".to_owned());
    }
    let answers = complete(ended)?;
    let at = at.ok_or("rank 1 did not leave")?;
    let slowest = slowest(&answers, at, 1);
    let words = answers.iter().enumerate().filter(|(rank, _)| *rank != 1).map(|(rank, answer)| {
        let fates = answer.fates.as_ref()?;
        let words = fates.get(1).and_then(Option::as_deref).unwrap_or("nothing");
        Some(if words == WORDS {
            Ok(())
        } else {
            Err(format!("rank {rank} read its last words as: {words}"))
        })
    });
    match words.collect::<Option<std::result::Result<Vec<()>, String>>>() {
        None => Ok(format!("after {slowest:.3} s at most; the engine keeps no last words")),
        Some(read) => read.map(|_| format!("after {slowest:.3} s at most, and its last words are read")),
    }
}

fn killed(at: Option<f64>, ended: &Ended) -> std::result::Result<String, String> {
    let last = ended.answers.len() - 1;
    let others = Ended {
        answers: ended.answers[..last].iter().map(|answer| answer.as_ref().map(copied)).collect(),
        said: ended.said.clone(),
        ..*ended
    };
    let answers = complete(&others)?;
    let at = at.ok_or("the ranks did not come so far")?;
    let slowest = slowest(&answers, at, last);
    let mut known = true;
    for (rank, answer) in answers.iter().enumerate() {
        let Some(fates) = &answer.fates else {
            known = false;
            continue;
        };
        let lost: Vec<usize> = (0..fates.len()).filter(|&rank| fates[rank].is_none()).collect();
        if lost != [last] {
            return Err(format!("rank {rank} takes {lost:?} for lost where [{last}] is"));
        }
    }
    let known = if known { ", which they know to be" } else { "; the engine can't tell which:" };
    Ok(format!("after {slowest:.3} s at most{known} rank {last}"))
}

fn copied(answer: &Answer) -> Answer {
    Answer {
        parted: answer.parted,
        fates: answer.fates.clone(),
        error: answer.error.clone(),
        ..Answer::default()
    }
}

/// Seconds until the last of the others noticed.
fn slowest(answers: &[&Answer], at: f64, who: usize) -> f64 {
    let others = answers.iter().enumerate().filter(|(rank, _)| *rank != who);
    others.filter_map(|(_, answer)| answer.parted).map(|noticed| noticed - at).fold(0.0, f64::max)
}
