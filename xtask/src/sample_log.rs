//! Which images a run was trained on, step by step, in the order that they came: `samples-RANK.jsonl` in its folder.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use palimpsest_core::data::{Batch, BatchSource};
use palimpsest_core::{Error, Result};
use serde_json::json;

/// A source of batches whose images are written down as they are delivered. A step that is done again, since it came after
/// the last checkpoint, has its lines again: the last ones count.
pub(crate) struct SampleLog<'a> {
    source: &'a mut dyn BatchSource,
    path: PathBuf,
    file: File,
    /// The part that is delivered next, counted from the first of step 0.
    next: u64,
}

impl<'a> SampleLog<'a> {
    /// Goes on with the file of a run's folder. `step` is the one that comes next.
    ///
    /// # Errors
    /// A file that can't be written.
    pub(crate) fn open(
        source: &'a mut dyn BatchSource,
        folder: &Path,
        rank: usize,
        step: u64,
    ) -> Result<Self> {
        // Another host's process has it where no disk is shared.
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, &e))?;
        let path = folder.join(format!("samples-{rank}.jsonl"));
        let io = |e: std::io::Error| Error::io(&path, &e);
        let mut file =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path).map_err(io)?;
        // Half a line, as a full disk leaves it, would spoil the next one.
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(io)?;
        let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        file.set_len(whole as u64).map_err(io)?;
        file.seek(SeekFrom::End(0)).map_err(io)?;
        let next = step * source.parts() as u64;
        Ok(Self { source, path, file, next })
    }
}

impl BatchSource for SampleLog<'_> {
    fn next_batch(&mut self) -> Result<Batch> {
        let batch = self.source.next_batch()?;
        // Counted as the metrics do: the first step is 1.
        let step = self.next / self.source.parts() as u64 + 1;
        let line = json!({ "step": step, "first_sample": batch.first_sample, "indices": batch.indices });
        // In one write, so that a process that is killed leaves no half of a line before others.
        self.file.write_all(format!("{line}\n").as_bytes()).map_err(|e| Error::io(&self.path, &e))?;
        self.next += 1;
        Ok(batch)
    }

    fn parts(&self) -> usize {
        self.source.parts()
    }

    fn recycle(&mut self, batch: Batch) {
        self.source.recycle(batch);
    }

    fn seek(&mut self, step: u64) -> Result<()> {
        self.next = step * self.source.parts() as u64;
        self.source.seek(step)
    }

    fn steps_per_epoch(&self) -> u64 {
        self.source.steps_per_epoch()
    }

    fn take_warnings(&mut self) -> Vec<String> {
        self.source.take_warnings()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct One;

    impl BatchSource for One {
        fn next_batch(&mut self) -> Result<Batch> {
            let (pixels, shape) = (vec![0.0].into(), [1, 1, 1, 1]);
            Ok(Batch { pixels, shape, labels: vec![-1], indices: vec![7], first_sample: 5 })
        }
        fn seek(&mut self, _: u64) -> Result<()> {
            Ok(())
        }
        fn steps_per_epoch(&self) -> u64 {
            1
        }
    }

    /// As a full disk leaves it.
    #[test]
    fn half_a_line_is_cut_off() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("samples-0.jsonl");
        std::fs::write(&path, "{\"step\":5}\n{\"step\":9").expect("written");
        let mut source = One;
        SampleLog::open(&mut source, folder.path(), 0, 5)
            .and_then(|mut log| log.next_batch())
            .expect("a batch");
        let text = std::fs::read_to_string(&path).expect("a log");
        let steps = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a line"));
        assert_eq!(steps.map(|line| line["step"].as_u64()).collect::<Vec<_>>(), [Some(5), Some(6)]);
    }
}
