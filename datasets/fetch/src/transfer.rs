//! One file over HTTP, resumed where an earlier try stopped.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use palimpsest_core::{Error, Result};
use ureq::Agent;

use crate::catalog::File;
use crate::checksum;

/// What watches a transfer.
pub trait Progress {
    /// A file of this size begins, `present` bytes of it being there.
    fn begin(&mut self, name: &str, present: u64, size: u64);
    /// So many bytes of it are there.
    fn at(&mut self, present: u64);
    /// Something else is done with it, as `unpacking`.
    fn phase(&mut self, what: &str);
    /// It is done.
    fn end(&mut self);
}

/// Tries of an address whose connection breaks while bytes still come.
const TRIES: usize = 5;
/// A host that sends nothing for so long is given up.
const SILENCE: Duration = Duration::from_secs(60);

/// Why an address gave no file, or not yet.
enum Stop {
    /// Another try may go on where this one stopped.
    Broken(String),
    /// Another address may have it.
    Refused(String),
    /// No address will help.
    Here(Error),
}

/// Fetches a file into `folder`, verified; one that is there already is only verified.
///
/// # Errors
/// No address has it, what comes isn't what was published, or the disk refuses.
pub(crate) fn file(file: &File, folder: &Path, progress: &mut dyn Progress) -> Result<PathBuf> {
    let path = folder.join(&file.name);
    if path.is_file() {
        return match checksum::difference(&path, file)? {
            None => Ok(path),
            Some(what) => Err(Error::user(format!("is not the file that was published: {what}"))
                .at(path.display())
                .help("delete it, and it is fetched again")),
        };
    }
    let part = folder.join(format!("{}.part", file.name));
    let agent: Agent = Agent::config_builder()
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_recv_response(Some(SILENCE))
        .http_status_as_error(false)
        .user_agent(concat!("palimpsest/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let mut failures = vec![];
    for url in &file.urls {
        let transfer = Transfer { agent: &agent, url, file, part: &part };
        match transfer.whole(progress) {
            Ok(()) => {
                progress.phase("verifying");
                match checksum::difference(&part, file)? {
                    None => {
                        fs::rename(&part, &path).map_err(|e| Error::io(&path, &e))?;
                        return Ok(path);
                    }
                    Some(what) => {
                        fs::remove_file(&part).map_err(|e| Error::io(&part, &e))?;
                        failures.push(format!("{url}: not the file that was published: {what}"));
                    }
                }
            }
            Err(Stop::Broken(why) | Stop::Refused(why)) => failures.push(format!("{url}: {why}")),
            Err(Stop::Here(error)) => return Err(error),
        }
    }
    Err(Error::failure(failures.join("; "))
        .help(format!("check the network and try again, or put the file at {} yourself", path.display())))
}

/// A file at one address, and where it goes.
struct Transfer<'a> {
    agent: &'a Agent,
    url: &'a str,
    file: &'a File,
    part: &'a Path,
}

impl Transfer<'_> {
    /// The whole file, in as many tries as it takes while each brings something.
    fn whole(&self, progress: &mut dyn Progress) -> Result<(), Stop> {
        let mut idle = 0;
        loop {
            let before = length(self.part);
            match self.attempt(progress) {
                Err(Stop::Broken(why)) => {
                    idle = if length(self.part) > before { 0 } else { idle + 1 };
                    if idle >= TRIES {
                        return Err(Stop::Broken(why));
                    }
                }
                other => return other,
            }
        }
    }

    /// One request, from where the last one stopped.
    fn attempt(&self, progress: &mut dyn Progress) -> Result<(), Stop> {
        let Self { agent, url, file, part } = *self;
        let here = |e: &std::io::Error| Stop::Here(Error::io(part, e));
        let mut present = length(part);
        if present > file.size {
            fs::remove_file(part).map_err(|e| here(&e))?;
            present = 0;
        }
        progress.begin(&file.name, present, file.size);
        if present == file.size {
            return Ok(());
        }
        let mut request = agent.get(url);
        if present > 0 {
            request = request.header("Range", format!("bytes={present}-"));
        }
        let response = request.call().map_err(|e| Stop::Refused(unreachable_host(&e)))?;
        let status = response.status().as_u16();
        let header =
            |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        match status {
            // The whole file: what was there is written over.
            200 => present = 0,
            206 => {
                let range = header("content-range").unwrap_or_default();
                if !range.starts_with(&format!("bytes {present}-")) {
                    return Err(Stop::Refused(format!("answers with another part of the file ({range})")));
                }
            }
            404 | 410 => return Err(Stop::Refused(format!("the host has no such file any more ({status})"))),
            401 | 403 => return Err(Stop::Refused(format!("the host refuses it ({status})"))),
            _ => return Err(Stop::Refused(format!("the host answers {status}"))),
        }
        if let Some(length) = header("content-length").and_then(|text| text.parse::<u64>().ok())
            && length != file.size - present
        {
            return Err(Stop::Refused(format!(
                "the host has a file of {} bytes, and {} were published",
                length + present,
                file.size
            )));
        }
        let mut out = OpenOptions::new()
            .create(true)
            .write(true)
            .append(present > 0)
            .truncate(present == 0)
            .open(part)
            .map_err(|e| here(&e))?;
        // The connection is read in a thread of its own, so that silence can be told from slowness.
        let mut body = response.into_body().into_reader();
        let (send, receive) = sync_channel::<std::io::Result<Vec<u8>>>(8);
        std::thread::spawn(move || {
            loop {
                let mut chunk = vec![0; 1 << 18];
                let read = body.read(&mut chunk).map(|count| {
                    chunk.truncate(count);
                    chunk
                });
                let last = read.as_ref().map_or(true, Vec::is_empty);
                if send.send(read).is_err() || last {
                    break;
                }
            }
        });
        loop {
            let chunk = match receive.recv_timeout(SILENCE) {
                Ok(Ok(chunk)) => chunk,
                Ok(Err(error)) => return Err(Stop::Broken(format!("the connection broke ({error})"))),
                Err(RecvTimeoutError::Timeout) => {
                    return Err(Stop::Broken(format!("the host sent nothing for {} s", SILENCE.as_secs())));
                }
                Err(RecvTimeoutError::Disconnected) => break,
            };
            if chunk.is_empty() {
                break;
            }
            present += chunk.len() as u64;
            if present > file.size {
                return Err(Stop::Refused("the host sends more than was published".to_owned()));
            }
            out.write_all(&chunk).map_err(|e| here(&e))?;
            progress.at(present);
        }
        out.sync_all().map_err(|e| here(&e))?;
        if present == file.size {
            Ok(())
        } else {
            Err(Stop::Broken(format!("the connection ended after {present} of {} bytes", file.size)))
        }
    }
}

fn length(path: &Path) -> u64 {
    path.metadata().map_or(0, |metadata| metadata.len())
}

/// Why nothing answered.
fn unreachable_host(error: &ureq::Error) -> String {
    match error {
        ureq::Error::HostNotFound => "the host is not known; is there a network?".to_owned(),
        ureq::Error::TooManyRedirects => "the host sends from one address to the next".to_owned(),
        ureq::Error::Timeout(_) => "the host does not answer".to_owned(),
        other => format!("the host can't be reached ({other})"),
    }
}
