//! The lines of `metrics.jsonl`: of each logged step one, of each evaluation another.

use std::fs::File;
use std::io::{Read, Write};
use std::sync::PoisonError;

use serde_json::Value;

use super::RunFolder;
use crate::stored::{check_regular, read};
use crate::{Error, Result};

impl RunFolder {
    /// Appends a line to `metrics.jsonl`.
    ///
    /// # Errors
    /// A full disk.
    pub fn append_metrics(&self, line: &Value) -> Result<()> {
        if !self.writes && !line["eval"].is_object() {
            *self.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(line.clone());
        }
        self.append("metrics.jsonl", &line.to_string())
    }

    /// The lines of `metrics.jsonl`; those that are damaged are left out.
    ///
    /// # Errors
    /// A file that can't be read.
    pub fn metrics(&self) -> Result<Vec<Value>> {
        let path = self.path("metrics.jsonl");
        let bytes = if path.exists() { read(&path)? } else { vec![] };
        Ok(bytes.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
    }

    /// What an evaluation after `step` gave, as far as it is logged.
    ///
    /// # Errors
    /// A file that can't be read.
    pub fn evaluation(&self, step: u64) -> Result<Option<Value>> {
        let lines = self.metrics()?.into_iter().rev();
        let mut of_step = lines.filter(|line| line["step"].as_u64() == Some(step));
        Ok(of_step.find_map(|mut line| Some(line["eval"].take()).filter(Value::is_object)))
    }

    /// Drops metrics of steps after `step`, which a resumed run does again, and moves lines that are damaged to
    /// `metrics.damaged`. Returns how many.
    ///
    /// # Errors
    /// A file that can't be read or rewritten.
    pub fn rewind_metrics(&self, step: u64) -> Result<usize> {
        let path = self.path("metrics.jsonl");
        if !self.writes || !path.exists() {
            return Ok(0);
        }
        let (mut kept, mut damaged) = (vec![], vec![]);
        for line in read(&path)?.split_inclusive(|&byte| byte == b'\n') {
            match serde_json::from_slice::<Value>(line) {
                Ok(value) if value["step"].as_u64().is_none_or(|s| s <= step) => {
                    kept.extend_from_slice(line.trim_ascii_end());
                    kept.push(b'\n');
                }
                Ok(_) => {}
                Err(_) if line.trim_ascii().is_empty() => {}
                // Half-written when the process was killed: its step is done again.
                Err(_) if !line.ends_with(b"\n") => {}
                Err(_) => damaged.push(String::from_utf8_lossy(line.trim_ascii_end()).into_owned()),
            }
        }
        damaged.iter().try_for_each(|line| self.append("metrics.damaged", line))?;
        self.write("metrics.jsonl", &kept)?;
        Ok(damaged.len())
    }

    /// Writes the line of metrics of a step that was left to rank 0, which was lost before it did.
    pub(super) fn append_left(&self, step: u64) -> Result<()> {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(line) = left.filter(|line| line["step"].as_u64() == Some(step)) else { return Ok(()) };
        let path = self.path("metrics.jsonl");
        check_regular(&path)?;
        let write = || -> std::io::Result<()> {
            let mut file = File::options().create(true).read(true).append(true).open(&path)?;
            // Several survivors may come here at once. Some network file systems have no locks.
            let _ = file.lock();
            let mut bytes = vec![];
            file.read_to_end(&mut bytes)?;
            let lines = bytes.split(|&byte| byte == b'\n');
            let mut known = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
            if known.any(|known| known["step"] == line["step"]) {
                return Ok(());
            }
            // What rank 0 had half written stays a line of its own.
            let gap = if bytes.is_empty() || bytes.ends_with(b"\n") { "" } else { "\n" };
            file.write_all(format!("{gap}{line}\n").as_bytes())
        };
        write().map_err(|e| Error::io(&path, &e))
    }
}
