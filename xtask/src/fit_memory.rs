//! How a recipe fits into a memory: steps of few images are tried in processes of their own, their peaks tell what an image
//! takes, the keys of splitting the batch and of recomputing blocks follow, and are tried too.

use std::io::Write;
use std::process::{Command, Stdio};

use palimpsest_core::train::Trainer;
use palimpsest_core::{Error, Result};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::cli::DeviceArgs;
use crate::{parent, plugins};

/// Images of the first try; enough for corruption that mixes images.
const FEW: usize = 2;
/// The share of the memory that is planned with: peaks of long runs lie a little above those of four steps.
const SHARE: f64 = 0.95;

/// What a step of so many images took at its peak.
#[derive(Debug, Clone, Copy)]
struct Peak {
    images: usize,
    bytes: u64,
}

/// A way to train in that memory.
#[derive(Debug, Clone, PartialEq)]
struct Way {
    accumulate: usize,
    checkpoint_blocks: usize,
    /// Images at a time.
    images: usize,
    /// What that takes.
    bytes: u64,
}

/// What is known of a recipe's memory with so many blocks recomputed together.
struct Line {
    checkpoint_blocks: usize,
    base: f64,
    image: f64,
}

impl Line {
    fn through(checkpoint_blocks: usize, [few, more]: [Peak; 2]) -> Self {
        let image = more.bytes.saturating_sub(few.bytes) as f64 / (more.images - few.images) as f64;
        Self { checkpoint_blocks, base: (few.bytes as f64 - few.images as f64 * image).max(0.0), image }
    }

    /// The fewest parts of a process's `batch` that fit into so many bytes.
    fn way(&self, batch: usize, limit: u64) -> Option<Way> {
        let parts = (1..=batch).filter(|parts| batch.is_multiple_of(*parts));
        parts
            .map(|accumulate| {
                let images = batch / accumulate;
                let bytes = (self.base + images as f64 * self.image) as u64;
                Way { accumulate, checkpoint_blocks: self.checkpoint_blocks, images, bytes }
            })
            .find(|way| way.bytes as f64 <= SHARE * limit as f64)
    }
}

/// Tells the keys with which a trainer's recipe takes at most `limit` bytes of its device's memory, as sentences and as JSON.
/// `ranks` processes share the batch.
///
/// # Errors
/// A backend that doesn't tell its memory, a step that can't be tried, or a memory that even one image at a time is too much for.
pub(crate) fn fit(
    trainer: &Trainer,
    on: &DeviceArgs,
    ranks: usize,
    limit: u64,
) -> Result<(Vec<String>, Value)> {
    let recipe = &trainer.recipe;
    let depth = trainer.model.geometry().depth;
    let batch = recipe.train.batch / ranks.max(1);
    let mut file = NamedTempFile::with_suffix(".toml").map_err(|e| Error::failure(e.to_string()))?;
    file.write_all(recipe.to_toml().as_bytes()).map_err(|e| Error::io(file.path(), &e))?;
    let try_step = |images: usize, checkpoint_blocks: usize| -> Result<Peak> {
        let exe =
            std::env::current_exe().map_err(|e| Error::failure(format!("can't find the program: {e}")))?;
        let mut command = Command::new(exe);
        command.arg("bench").arg(file.path()).args(["--synthetic", "--steps", "1", "--json"]);
        command.args(["--backend", &on.backend, "--device", &on.device().to_string()]);
        command.args(plugins::options());
        command.args([format!("train.batch={images}"), "train.accumulate=1".to_owned()]);
        command.arg(format!("train.checkpoint_blocks={checkpoint_blocks}"));
        parent::bind(&mut command);
        let done = command.stdin(Stdio::null()).output();
        let done = done.map_err(|e| Error::failure(format!("a step can't be tried: {e}")))?;
        let told: Value = serde_json::from_slice(&done.stdout).unwrap_or_default();
        match told["peak_bytes"].as_u64() {
            Some(bytes) => Ok(Peak { images, bytes }),
            None if done.status.success() => {
                Err(Error::user("the backend doesn't tell how much memory it takes").at("--fit-memory"))
            }
            None => {
                let said = String::from_utf8_lossy(&done.stderr);
                let last = said.lines().last().unwrap_or("without a word").to_owned();
                Err(Error::user(format!("a step of {images} images failed: {last}")).at("--fit-memory"))
            }
        }
    };
    let mut tried = vec![];
    let mut lines = vec![];
    let roots = (depth as f64).sqrt().round().max(1.0) as usize;
    for checkpoint_blocks in [0, roots] {
        let few = try_step(FEW, checkpoint_blocks)?;
        // Far apart, but where that could be too much already.
        let more = try_step(if 2 * few.bytes <= limit { 4 * FEW } else { FEW + 2 }, checkpoint_blocks)?;
        tried.push((checkpoint_blocks, [few, more]));
        lines.push(Line::through(checkpoint_blocks, [few, more]));
    }
    let mut ways = vec![];
    for ((_, [few, _]), line) in tried.iter().zip(&mut lines) {
        ways.extend(confirmed(line, *few, &try_step, batch, limit)?);
    }
    let told = json!({
        "limit_bytes": limit,
        "tried": tried.iter().flat_map(|(blocks, peaks)| peaks.map(|peak| json!({
            "images": peak.images, "checkpoint_blocks": blocks, "peak_bytes": peak.bytes,
        }))).collect::<Vec<_>>(),
        "ways": ways.iter().map(|way| json!({
            "keys": keys(way), "images": way.images, "bytes": way.bytes,
        })).collect::<Vec<_>>(),
    });
    let mut said: Vec<String> = tried
        .iter()
        .zip(&lines)
        .map(|((blocks, [few, more]), line)| {
            let how =
                if *blocks == 0 { String::new() } else { format!(", {blocks} blocks recomputed together") };
            format!(
                "steps of {} and {} images took {} and {} at their peak{how}: {} and {} an image",
                few.images,
                more.images,
                size(few.bytes),
                size(more.bytes),
                size(line.base as u64),
                size(line.image as u64)
            )
        })
        .collect();
    if ways.is_empty() {
        let least = lines.iter().map(|line| (line.base + line.image) as u64).min().unwrap_or_default();
        return Err(Error::user(format!("one image at a time takes about {}", size(least)))
            .at("--fit-memory")
            .help("give more, or choose a smaller encoder, smaller images or precision=bf16"));
    }
    for (number, way) in ways.iter().enumerate() {
        // What costs time is worth telling only where it saves parts.
        if number > 0 && way.accumulate >= ways[0].accumulate {
            continue;
        }
        let beginning = if number == 0 { format!("to fit {}", size(limit)) } else { "or".to_owned() };
        let slower = if way.checkpoint_blocks > 0 {
            "; blocks are computed twice, about a third more time"
        } else {
            ""
        };
        said.push(format!(
            "{beginning}: {} ({} images at a time took {}{slower})",
            keys(way),
            way.images,
            size(way.bytes)
        ));
    }
    Ok((said, told))
}

/// The way that a line tells, tried: where it takes more than was told, the line is drawn anew through what it took.
fn confirmed(
    line: &mut Line,
    few: Peak,
    try_step: &dyn Fn(usize, usize) -> Result<Peak>,
    batch: usize,
    limit: u64,
) -> Result<Option<Way>> {
    while let Some(way) = line.way(batch, limit) {
        if way.images <= few.images {
            return Ok(Some(way));
        }
        let peak = try_step(way.images, way.checkpoint_blocks)?;
        if peak.bytes as f64 <= SHARE * limit as f64 {
            return Ok(Some(Way { bytes: peak.bytes, ..way }));
        }
        *line = Line::through(way.checkpoint_blocks, [few, peak]);
    }
    Ok(None)
}

fn keys(way: &Way) -> String {
    format!("train.accumulate={} train.checkpoint_blocks={}", way.accumulate, way.checkpoint_blocks)
}

fn size(bytes: u64) -> String {
    match bytes as f64 {
        bytes if bytes < 1e7 => format!("{:.1} MB", bytes / 1e6),
        bytes if bytes < 1e9 => format!("{:.0} MB", bytes / 1e6),
        bytes => format!("{:.2} GB", bytes / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fewest_parts_that_fit_are_taken() {
        let peak = |images: usize, bytes: u64| Peak { images, bytes };
        let line = Line::through(0, [peak(2, 1_200), peak(8, 1_800)]);
        assert_eq!((line.base, line.image), (1_000.0, 100.0));
        let way = |limit| line.way(64, limit).map(|way| (way.accumulate, way.images, way.bytes));
        assert_eq!(way(8_000), Some((1, 64, 7_400)));
        // 5 % stay free.
        assert_eq!(way(7_400), Some((2, 32, 4_200)));
        assert_eq!(way(1_400), Some((32, 2, 1_200)));
        assert_eq!(way(1_000), None);
        // An allocator's whims don't make memory that falls with images.
        let flat = Line::through(0, [peak(2, 1_200), peak(4, 1_100)]);
        assert_eq!((flat.base, flat.image), (1_200.0, 0.0));
    }
}
