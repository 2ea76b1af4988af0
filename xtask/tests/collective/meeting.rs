//! Processes that don't meet: a sentence within the limit, on every rank.

use std::io::Read as _;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::workshop::{complaint, driver, free_place, has_gloo, rank, told};

/// Far beyond the limit of three seconds, on a machine that is busy: against a hang.
const SOON: Duration = Duration::from_secs(30);

#[test]
fn a_rank_that_never_comes_is_named_by_all() {
    if !has_gloo("a_rank_that_never_comes_is_named_by_all") {
        return;
    }
    let (folder, place, start) = (tempfile::tempdir().expect("a folder"), free_place(), Instant::now());
    let ranks: Vec<_> = [0, 1, 3].map(|k| rank("gloo", [k, 4], &place, folder.path())).into();
    for text in ranks.into_iter().map(complaint) {
        assert_eq!(text, "error: rank 2 did not come within 3 s");
    }
    let alone = complaint(rank("gloo", [1, 2], &place, folder.path()));
    assert_eq!(alone, format!("error: rank 0 did not come to {place} within 3 s"));
    assert!(start.elapsed() < SOON);
}

/// Another program has the port: rank 0 can't serve there, and what answers rank 1 is no store.
#[test]
fn a_port_in_use_is_a_sentence() {
    if !has_gloo("a_port_in_use_is_a_sentence") {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let place = listener.local_addr().expect("an address");
    // It takes what comes and says nothing.
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || stream.read_to_end(&mut vec![]));
        }
    });
    let folder = tempfile::tempdir().expect("a folder");
    let start = Instant::now();
    let ranks = [0, 1].map(|k| rank("gloo", [k, 2], &place.to_string(), folder.path()));
    let [first, second] = ranks.map(complaint);
    assert!(first.starts_with(&format!("error: port {} is in use on this machine", place.port())), "{first}");
    assert!(second.starts_with(&format!("error: what serves {place} does not answer")), "{second}");
    assert!(start.elapsed() < SOON);
}

#[test]
fn a_host_or_interface_that_is_none_is_a_sentence() {
    if !has_gloo("a_host_or_interface_that_is_none_is_a_sentence") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    // RFC 2606 keeps `invalid` free of hosts.
    let text = complaint(rank("gloo", [0, 2], "nowhere.invalid:29500", folder.path()));
    assert!(
        text.starts_with("error: the host `nowhere.invalid` where the processes meet can't be resolved"),
        "{text}"
    );
    let mut command =
        driver(&["collective-worker", "gloo", "--task", "laws", "--interface", "none7", "--out"]);
    command.arg(folder.path()).args(["--ranks", "2", "--rank", "0", "--meet", "127.0.0.1:29500"]);
    let text = told(&command.output().expect("the driver starts"));
    assert!(text.starts_with("error: the network interface `none7` has no address here"), "{text}");
}

#[test]
fn engines_and_launchers_that_do_not_fit_are_sentences() {
    let folder = tempfile::tempdir().expect("a folder");
    let worker = |engine: &str, variables: &[(&str, &str)]| {
        let mut command = driver(&["collective-worker", engine, "--task", "laws", "--out"]);
        command.arg(folder.path()).envs(variables.iter().copied());
        let output = command.output().expect("the driver starts");
        assert_eq!(output.status.code(), Some(2));
        told(&output)
    };
    let text = worker("gloo", &[("OMPI_COMM_WORLD_RANK", "0"), ("OMPI_COMM_WORLD_SIZE", "2")]);
    assert!(
        text.contains("the engine gloo needs a place where the processes meet, and mpirun names none"),
        "{text}"
    );
    let text = worker("mpi", &[("RANK", "0"), ("WORLD_SIZE", "2"), ("MASTER_ADDR", "127.0.0.1")]);
    assert!(text.contains("the engine mpi works between processes that mpirun or srun started"), "{text}");
}
