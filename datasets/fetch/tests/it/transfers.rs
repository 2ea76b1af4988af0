//! Whole, cut, wrong, missing and moved files.

use std::fs;
use std::path::Path;

use palimpsest_fetch::{Unpack, fetch, plan};

use crate::server::{Answer, Server};
use crate::{Quiet, file, gzip, noise, set, tar, zip};

fn unpacked(folder: &Path, name: &str) -> Vec<u8> {
    fs::read(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

#[test]
fn archives_of_a_set_share_folders() {
    let (a, b) = (noise(70_000), noise(10));
    let first = gzip(&tar(&[("pictures/a.png", &a)]));
    let second = zip(&[("pictures/sub/b.png", &b), ("notes.txt", b"notes")]);
    let third = tar(&[("./pictures/c.png", b"c")]);
    let server = Server::new([
        ("/1", Answer::File(first.clone())),
        ("/2", Answer::Redirect("/moved".to_owned())),
        ("/moved", Answer::File(second.clone())),
        ("/3", Answer::File(third.clone())),
        ("/4", Answer::File(b.clone())),
    ]);
    let set = set(vec![
        file("1.tgz", &first, Unpack::TarGz, vec![server.url("/1")]),
        file("2.zip", &second, Unpack::Zip, vec![server.url("/2")]),
        file("3.tar", &third, Unpack::Tar, vec![server.url("/3")]),
        file("labels.bin", &b, Unpack::None, vec![server.url("/4")]),
    ]);
    let root = tempfile::tempdir().expect("a folder");
    let folder = root.path().join("trial");
    let before = plan(&set, &folder);
    assert!(!before.complete && before.present == 0 && before.needed > before.size);
    let fetched = fetch(&set, &folder, false, &mut Quiet).expect("fetched");
    assert_eq!((fetched.path.clone(), fetched.already), (folder.join("pictures"), false));
    assert_eq!(unpacked(&folder, "pictures/a.png"), a);
    assert_eq!(unpacked(&folder, "pictures/sub/b.png"), b);
    assert_eq!(unpacked(&folder, "pictures/c.png"), b"c");
    assert_eq!(unpacked(&folder, "labels.bin"), b);
    assert_eq!(unpacked(&folder, "notes.txt"), b"notes");
    assert!(!folder.join(".fetching").exists() && !folder.join(".unpacking").exists());
    // A second time nothing is asked for.
    let requests = server.requests().len();
    assert!(plan(&set, &folder).complete);
    assert!(fetch(&set, &folder, false, &mut Quiet).expect("there").already);
    assert_eq!(server.requests().len(), requests);
}

#[test]
fn a_cut_transfer_goes_on_where_it_stopped() {
    let body = noise(600_000);
    let server = Server::new([("/a", Answer::Cut(body.clone(), 250_000))]);
    let set = set(vec![file("a.bin", &body, Unpack::None, vec![server.url("/a")])]);
    let root = tempfile::tempdir().expect("a folder");
    fetch(&set, root.path(), false, &mut Quiet).expect("fetched");
    assert_eq!(unpacked(root.path(), "a.bin"), body);
    let requests = server.requests();
    assert_eq!(requests.len(), 2, "{requests:?}");
    let from: usize = requests[1].split(" from ").nth(1).expect("a range").parse().expect("a number");
    assert!(from > 0 && from <= 250_000, "{requests:?}");
}

#[test]
fn a_part_of_an_earlier_day_is_used() {
    let body = noise(1000);
    let server =
        Server::new([("/a", Answer::File(body.clone())), ("/b", Answer::WithoutRanges(body.clone()))]);
    for (url, expected) in [("/a", "/a from 400"), ("/b", "/b from 400")] {
        let set = set(vec![file("a.bin", &body, Unpack::None, vec![server.url(url)])]);
        let root = tempfile::tempdir().expect("a folder");
        let downloads = root.path().join(".fetching");
        fs::create_dir(&downloads).expect("made");
        fs::write(downloads.join("a.bin.part"), &body[..400]).expect("written");
        assert_eq!(plan(&set, root.path()).present, 400);
        fetch(&set, root.path(), true, &mut Quiet).expect("fetched");
        assert_eq!(server.requests().last().map(String::as_str), Some(expected));
        assert_eq!(unpacked(root.path(), "a.bin"), body);
        assert!(downloads.join("a.bin").is_file(), "kept as asked");
    }
}

/// The error of fetching, which leaves nothing unpacked.
fn refused(set: &palimpsest_fetch::Set, parts: &[&str], status: u8) {
    let root = tempfile::tempdir().expect("a folder");
    let folder = root.path().join("trial");
    let error = fetch(set, &folder, false, &mut Quiet).expect_err("refused");
    assert_eq!(error.exit_status(), status, "{error}");
    for part in parts {
        assert!(error.to_string().contains(part), "no `{part}` in: {error}");
    }
    assert!(!folder.join("pictures").exists() && !folder.join("a.bin").exists());
}

#[test]
fn faults_are_one_sentence() {
    let (body, other) = (noise(1000), noise(1001)[1..].to_vec());
    let server = Server::new([
        ("/other", Answer::File(other)),
        ("/gone", Answer::Status(410)),
        ("/forbidden", Answer::Status(403)),
        ("/broken", Answer::Status(500)),
        ("/short", Answer::File(body[..900].to_vec())),
        ("/circle", Answer::Redirect("/circle".to_owned())),
    ]);
    let trial = |path: &str| set(vec![file("a.bin", &body, Unpack::None, vec![server.url(path)])]);
    refused(
        &trial("/other"),
        &["/other", "not the file that was published", "SHA-256", "put the file at"],
        1,
    );
    refused(&trial("/none"), &["/none", "no such file any more (404)"], 1);
    refused(&trial("/gone"), &["(410)"], 1);
    refused(&trial("/forbidden"), &["refuses it (403)"], 1);
    refused(&trial("/broken"), &["answers 500"], 1);
    refused(&trial("/short"), &["a file of 900 bytes, and 1000 were published"], 1);
    refused(&trial("/circle"), &["from one address to the next"], 1);
    // A port that nobody listens on.
    let closed =
        std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its number");
    let nobody = set(vec![file("a.bin", &body, Unpack::None, vec![format!("http://{closed}/a")])]);
    refused(&nobody, &["the host can't be reached", "check the network"], 1);
    let unknown = vec!["http://no-such-host.invalid/a".to_owned()];
    refused(
        &set(vec![file("a.bin", &body, Unpack::None, unknown)]),
        &["no-such-host.invalid", "the host"],
        1,
    );
}

#[test]
fn the_next_address_is_tried() {
    let body = noise(1000);
    let server = Server::new([
        ("/other", Answer::File(noise(1001)[1..].to_vec())),
        ("/good", Answer::File(body.clone())),
    ]);
    let urls = ["/none", "/other", "/good"].map(|path| server.url(path)).to_vec();
    let set = set(vec![file("a.bin", &body, Unpack::None, urls)]);
    let root = tempfile::tempdir().expect("a folder");
    fetch(&set, root.path(), false, &mut Quiet).expect("fetched");
    assert_eq!(unpacked(root.path(), "a.bin"), body);
    assert_eq!(server.requests(), ["/none", "/other", "/good"]);
}

#[test]
fn places_that_can_not_be_used() {
    let body = noise(1000);
    let server = Server::new([("/a", Answer::File(body.clone()))]);
    let mut trial = set(vec![file("a.bin", &body, Unpack::None, vec![server.url("/a")])]);
    let root = tempfile::tempdir().expect("a folder");
    let fetch_error = |set: &palimpsest_fetch::Set, folder: &Path| {
        let error = fetch(set, folder, false, &mut Quiet).expect_err("refused");
        assert_eq!(error.exit_status(), 2, "{error}");
        error.to_string()
    };
    // A folder of the user's.
    let own = root.path().join("own");
    fs::create_dir_all(own.join("pictures")).expect("made");
    assert!(fetch_error(&trial, &own).contains("holds something else already"));
    assert!(own.join("pictures").is_dir());
    // A file in its place.
    let in_the_way = root.path().join("file");
    fs::write(&in_the_way, "text").expect("written");
    let error = fetch(&trial, &in_the_way, false, &mut Quiet).expect_err("refused").to_string();
    assert!(error.contains("file"), "{error}");
    // Another set.
    let folder = root.path().join("trial");
    fetch(&trial, &folder, false, &mut Quiet).expect("fetched");
    trial.files[0].name = "b.bin".to_owned();
    assert!(fetch_error(&trial, &folder).contains("holds the data set `trial`, or an older version"));
    // More than any disk has.
    trial.files[0].size = 1 << 60;
    let error = fetch_error(&trial, &root.path().join("large"));
    assert!(error.contains("are needed and") && error.contains("free"), "{error}");
    // A file that somebody put there, and that isn't the one.
    let downloads = root.path().join("put/.fetching");
    fs::create_dir_all(&downloads).expect("made");
    fs::write(downloads.join("b.bin"), "text").expect("written");
    trial.files[0].size = 1000;
    assert!(fetch_error(&trial, &root.path().join("put")).contains("it has 4 bytes, not 1000"));
    assert_eq!(server.requests(), ["/a"]);
}
