//! Archives that no honest owner publishes, and damaged ones: one sentence, and nothing outside the folder.

use std::fs;

use palimpsest_fetch::{Unpack, fetch};

use crate::server::{Answer, Server};
use crate::{Quiet, file, gzip, noise, set, tar as tar_of, zip};

fn refused(body: &[u8], unpack: Unpack, parts: &[&str]) {
    let server = Server::new([("/a", Answer::File(body.to_vec()))]);
    let trial = set(vec![file("a.archive", body, unpack, vec![server.url("/a")])]);
    let root = tempfile::tempdir().expect("a folder");
    let folder = root.path().join("trial");
    let error = fetch(&trial, &folder, false, &mut Quiet).expect_err("refused");
    assert_eq!(error.exit_status(), 2, "{error}");
    for part in ["a.archive"].iter().chain(parts) {
        assert!(error.to_string().contains(part), "no `{part}` in: {error}");
    }
    let outside: Vec<_> = fs::read_dir(root.path()).expect("read").flatten().map(|e| e.file_name()).collect();
    assert_eq!(outside, ["trial"]);
    let left: Vec<_> = fs::read_dir(&folder).expect("read").flatten().map(|e| e.file_name()).collect();
    assert_eq!(left, [".fetching"], "only what was fetched stays");
}

/// A tar archive of one entry, its name and kind as they are.
fn raw_tar(name: &str, kind: tar::EntryType, link: Option<&str>, body: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    // The builder itself refuses such names.
    header.as_gnu_mut().expect("gnu").name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(body.len() as u64);
    header.set_mode(0o644);
    if let Some(link) = link {
        header.set_link_name(link).expect("a link");
    }
    header.set_cksum();
    let mut archive = tar::Builder::new(vec![]);
    archive.append(&header, body).expect("appended");
    archive.into_inner().expect("an archive")
}

#[test]
fn tar() {
    use tar::EntryType::{Block, Fifo, Link, Regular, Symlink};
    for (name, kind, link, part) in [
        ("../escaped", Regular, None, "`../escaped` climbs out"),
        ("a/../../escaped", Regular, None, "climbs out"),
        ("/tmp/escaped", Regular, None, "absolute path"),
        ("a\\..\\escaped", Regular, None, "backslash"),
        ("link", Symlink, Some("/etc/passwd"), "`link` is a link"),
        ("link", Symlink, Some("inside"), "is a link"),
        ("hard", Link, Some("../../x"), "is a link"),
        ("pipe", Fifo, None, "neither a file nor a folder"),
        ("disk", Block, None, "neither a file nor a folder"),
    ] {
        let body: &[u8] = if kind == Regular { b"text" } else { b"" };
        refused(&raw_tar(name, kind, link, body), Unpack::Tar, &[part, "don't trust this file"]);
    }
}

#[test]
fn zip_files() {
    refused(&zip(&[("../escaped", b"text")]), Unpack::Zip, &["`../escaped` climbs out"]);
    refused(&zip(&[("/escaped", b"text")]), Unpack::Zip, &["absolute path"]);
    refused(&zip(&[("a\\b", b"text")]), Unpack::Zip, &["backslash"]);
    let mut link = zip::ZipWriter::new(std::io::Cursor::new(vec![]));
    link.add_symlink("link", "/etc/passwd", zip::write::SimpleFileOptions::default()).expect("added");
    refused(&link.finish().expect("an archive").into_inner(), Unpack::Zip, &["`link` is a link"]);
}

#[test]
fn bombs() {
    let zeros = vec![0; 120 << 20];
    refused(
        &gzip(&tar_of(&[("zeros", &zeros)])),
        Unpack::TarGz,
        &["far more than an archive of this size holds"],
    );
    refused(&zip(&[("zeros", &zeros)]), Unpack::Zip, &["far more than"]);
}

#[test]
fn damaged() {
    let body = noise(5000);
    let whole = gzip(&tar_of(&[("a", &body)]));
    refused(&whole[..whole.len() - 2000], Unpack::TarGz, &["damaged or truncated", "fetch it again"]);
    refused(b"this is no archive at all, only some text", Unpack::Zip, &["damaged or truncated"]);
    refused(&[7; 2048], Unpack::Tar, &["damaged or truncated"]);
    let mut broken = zip(&[("a", &body)]);
    let middle = broken.len() / 2;
    broken[middle] ^= 0xff;
    refused(&broken, Unpack::Zip, &["damaged or truncated"]);
}

/// Headers with names that claim gigabytes: their bytes are never in memory at once.
#[test]
fn long_headers() {
    use tar::EntryType::{GNULongName, XHeader};
    let long = vec![b'a'; 40 << 20];
    for kind in [GNULongName, XHeader] {
        let archive = raw_tar("name", kind, None, &long);
        refused(&gzip(&archive), Unpack::TarGz, &["has a header of far more bytes than names take"]);
    }
}

/// Sound ones are read: GNU's, and those of POSIX.
#[test]
fn long_names() {
    let long = format!("{}/file.txt", "folder".repeat(30));
    let gnu = tar_of(&[(&long, b"gnu")]);
    let mut posix = tar::Builder::new(vec![]);
    posix.append_pax_extensions([("path", long.as_bytes()), ("mtime", b"1.5")]).expect("appended");
    let mut header = tar::Header::new_ustar();
    header.set_size(5);
    header.set_mode(0o644);
    header.set_path("short").expect("a path");
    header.set_cksum();
    posix.append(&header, &b"posix"[..]).expect("appended");
    for (body, text) in [(gnu, "gnu"), (posix.into_inner().expect("an archive"), "posix")] {
        let server = Server::new([("/a", Answer::File(body.clone()))]);
        let trial = set(vec![file("a.archive", &body, Unpack::Tar, vec![server.url("/a")])]);
        let root = tempfile::tempdir().expect("a folder");
        fetch(&trial, &root.path().join("trial"), false, &mut Quiet).expect("fetches");
        assert_eq!(fs::read_to_string(root.path().join("trial").join(&long)).expect("unpacked"), text);
    }
}
