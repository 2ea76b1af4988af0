//! Fetching from a host on this machine.

mod hostile;
mod server;
mod table;
mod transfers;

use std::io::Write;

use md5::Md5;
use palimpsest_fetch::{File, Progress, Set, Unpack};
use sha2::{Digest, Sha256};

/// Watches nothing.
pub(crate) struct Quiet;

impl Progress for Quiet {
    fn begin(&mut self, _: &str, _: u64, _: u64) {}
    fn at(&mut self, _: u64) {}
    fn phase(&mut self, _: &str) {}
    fn end(&mut self) {}
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A file as a table has it, with both checksums of `body`.
pub(crate) fn file(name: &str, body: &[u8], unpack: Unpack, urls: Vec<String>) -> File {
    File {
        name: name.to_owned(),
        urls,
        size: body.len() as u64,
        md5: Some(hex(&Md5::digest(body))),
        sha256: Some(hex(&Sha256::digest(body))),
        unpack,
    }
}

pub(crate) fn set(files: Vec<File>) -> Set {
    Set {
        name: "trial".to_owned(),
        summary: "a trial".to_owned(),
        licence: "none".to_owned(),
        page: "nowhere".to_owned(),
        reader: "folder".to_owned(),
        path: "pictures".to_owned(),
        gone: None,
        files,
    }
}

/// Bytes without a pattern that a checksum could miss.
pub(crate) fn noise(count: usize) -> Vec<u8> {
    let mut state = 1u32;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(count)
    .collect()
}

/// A tar archive of these files.
pub(crate) fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(vec![]);
    for (name, body) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(body.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, *body).expect("appended");
    }
    archive.into_inner().expect("an archive")
}

pub(crate) fn gzip(body: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    out.write_all(body).expect("written");
    out.finish().expect("compressed")
}

/// A zip archive of these files, their names as they are.
pub(crate) fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(vec![]));
    for (name, body) in files {
        let options = zip::write::SimpleFileOptions::default();
        archive.start_file(*name, options).expect("started");
        archive.write_all(body).expect("written");
    }
    archive.finish().expect("an archive").into_inner()
}
