//! Event files that TensorBoard reads: scalars, texts and images.

mod event;
mod record;
#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use palimpsest_core::{Error, Result};

const PREFIX: &str = "events.out.tfevents.";

/// Writes one event file.
pub(crate) struct EventWriter {
    path: PathBuf,
    file: BufWriter<File>,
}

impl EventWriter {
    /// A new file in `dir`, which is made where it is missing.
    ///
    /// # Errors
    /// A folder that can't be written, or a full disk.
    pub(crate) fn create(dir: &Path) -> Result<Self> {
        Self::start(dir, 0)
    }

    /// A new file for a run that goes on: what older files in `dir` hold of `first_step` and the
    /// steps after it is dropped by the reader, because these steps are done again.
    ///
    /// # Errors
    /// As [`EventWriter::create`].
    pub(crate) fn resume(dir: &Path, first_step: u64) -> Result<Self> {
        Self::start(dir, first_step)
    }

    fn start(dir: &Path, first_step: u64) -> Result<Self> {
        fs::create_dir_all(dir).map_err(|e| Error::io(dir, &e))?;
        // Readers take the files of a folder by name, and a name holds its time: a later file must
        // sort after the earlier ones even within a second or after the clock was set back.
        let newest = newest(dir);
        let mut second = now() as u64;
        second = newest.map_or(second, |newest| second.max(newest + 1));
        let (path, file) = loop {
            let path = dir.join(format!("{PREFIX}{second:010}.{}", host()));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => break (path, file),
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => second += 1,
                Err(e) => return Err(Error::io(&path, &e)),
            }
        };
        let mut writer = Self { path, file: BufWriter::new(file) };
        // A fresh run starts a session too: the web interface takes the first start that it sees for
        // the initial one, and purges at the following ones only.
        writer.write(&event::version(now(), first_step))?;
        writer.write(&event::session_start(now(), first_step))?;
        writer.flush()?;
        Ok(writer)
    }

    /// The file.
    #[cfg(test)]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a number to the curve `tag`.
    ///
    /// # Errors
    /// A full disk.
    pub(crate) fn scalar(&mut self, tag: &str, value: f32, step: u64) -> Result<()> {
        self.write(&event::summary(now(), step, &event::scalar(tag, value)))
    }

    /// Adds a PNG file of `width` x `height` pixels.
    ///
    /// # Errors
    /// A full disk.
    pub(crate) fn image(&mut self, tag: &str, png: &[u8], width: u32, height: u32, step: u64) -> Result<()> {
        self.write(&event::summary(now(), step, &event::image(tag, png, width, height)))
    }

    /// Adds a text, which is shown as Markdown.
    ///
    /// # Errors
    /// A full disk.
    pub(crate) fn text(&mut self, tag: &str, markdown: &str, step: u64) -> Result<()> {
        self.write(&event::summary(now(), step, &event::text(tag, markdown)))
    }

    /// Hands everything to the system, so that readers see it.
    ///
    /// # Errors
    /// A full disk.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.file.flush().map_err(|e| Error::io(&self.path, &e))
    }

    fn write(&mut self, event: &[u8]) -> Result<()> {
        record::write(&mut self.file, event).map_err(|e| Error::io(&self.path, &e))
    }
}

/// The time in the name of the last event file.
fn newest(dir: &Path) -> Option<u64> {
    fs::read_dir(dir)
        .ok()?
        .filter_map(|entry| {
            let name = entry.ok()?.file_name().into_string().ok()?;
            name.strip_prefix(PREFIX)?.split('.').next()?.parse().ok()
        })
        .max()
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// The host's name as far as it goes into a file name.
fn host() -> String {
    let name = ["/proc/sys/kernel/hostname", "/etc/hostname"]
        .iter()
        .find_map(|path| fs::read_to_string(path).ok())
        .or_else(|| std::env::var("HOSTNAME").or_else(|_| std::env::var("COMPUTERNAME")).ok())
        .unwrap_or_default();
    let name: String =
        name.trim().chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect();
    if name.is_empty() { "localhost".to_owned() } else { name }
}
