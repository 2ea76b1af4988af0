//! The page that follows runs.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::driver::{command, folder, run, stderr, succeed};
use crate::signals::send;
use crate::survival::wait_for;

/// A server, which is killed where a test fails.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(folder: &Path, args: &[&str]) -> Self {
        let args = [&["report"][..], args, &["--serve", "--port", "0"]].concat();
        let mut command = command(folder, &args);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the driver starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("text");
        let address = line.trim().trim_start_matches("http://").trim_end_matches('/').to_owned();
        assert!(address.starts_with("127.0.0.1:"), "{line}");
        Self { child, address }
    }

    /// What it answers to these bytes.
    fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
        // A server that refuses may have closed before all is written.
        let _ = stream.write_all(request.as_bytes());
        let mut answer = vec![];
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Status and body.
    fn get(&self, path: &str) -> (u16, String) {
        let answer = self.raw(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address));
        (status(&answer), answer.split_once("\r\n\r\n").expect("a body").1.to_owned())
    }

    fn state(&self) -> Value {
        serde_json::from_str(&self.get("/state").1).expect("JSON")
    }

    /// Ends it as Ctrl-C does.
    fn end(mut self) {
        send(&self.child, "INT");
        assert_eq!(self.child.wait().expect("ended").code(), Some(0));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn status(answer: &str) -> u16 {
    answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or_else(|| panic!("no status: {answer:?}"))
}

#[test]
fn a_run_is_followed_to_its_end() {
    let folder = folder();
    let path = folder.path();
    let args = ["pretrain", "tiny.toml", "--out", "run", "--steps", "1000000", "train.log_every=20"];
    let mut trained = command(path, &args).stderr(Stdio::null()).spawn().expect("the driver starts");
    wait_for("the first metrics", || path.join("run/metrics.jsonl").exists());
    let server = Server::start(path, &["run"]);
    let (status, page) = server.get("/");
    assert_eq!(status, 200);
    for part in
        ["<script src=\"/live.js\"", "Progress", "running", "of 1,000,000", "Time left", "id=\"part-0\""]
    {
        assert!(page.contains(part), "no `{part}` in: {page}");
    }
    assert!(!page.contains("http://") && !page.contains("https://"), "the page asks for nothing elsewhere");
    let first = server.state();
    assert_eq!(first["running"], true);
    let hashes = |state: &Value| -> Vec<String> {
        state["parts"].as_array().expect("parts").iter().map(|part| part["hash"].to_string()).collect()
    };
    wait_for("further steps", || hashes(&server.state())[1] != hashes(&first)[1]);
    let now = server.state();
    // The recipe stays as it was, and isn't sent again.
    assert_eq!(hashes(&now).last(), hashes(&first).last());
    let part = server.get("/part/part-1").1;
    assert!(part.contains("Waiting for data") && !part.contains("<html"), "{part}");
    // A line that is being written is passed over.
    send(&trained, "INT");
    trained.wait().expect("ended");
    let mut metrics = OpenOptions::new().append(true).open(path.join("run/metrics.jsonl")).expect("opened");
    metrics.write_all(b"{\"step\": 77777777, \"lo").expect("written");
    wait_for("the end", || server.state()["running"] == false);
    let part = server.get("/part/part-1").1;
    assert!(part.contains("not finished") && !part.contains("77,777,777"), "{part}");
    server.end();
}

#[test]
fn runs_of_a_folder_come_and_are_compared() {
    let folder = folder();
    let path = folder.path();
    fs::create_dir(path.join("runs")).expect("made");
    let server = Server::start(path, &["runs"]);
    assert!(server.get("/").1.contains("There are no runs in the folder yet"));
    succeed(path, &["pretrain", "tiny.toml", "--out", "runs/a", "--steps", "5"]);
    wait_for("the run", || server.state()["title"] == "tiny");
    succeed(path, &["pretrain", "tiny.toml", "--out", "runs/b", "--steps", "5", "seed=1"]);
    wait_for("both", || server.state()["title"] == "Comparison of 2 runs");
    let page = server.get("/").1;
    assert!(
        page.contains("runs/a") && page.contains("runs/b") && page.contains("Recipe differences"),
        "{page}"
    );
    server.end();
    let server = Server::start(path, &["runs/b", "runs/a"]);
    assert_eq!(server.state()["title"], "Comparison of 2 runs");
    server.end();
}

#[test]
fn nothing_else_is_served() {
    let folder = folder();
    let path = folder.path();
    succeed(path, &["pretrain", "tiny.toml", "--out", "run", "--steps", "5"]);
    let server = Server::start(path, &["run"]);
    for other in [
        "/config.toml",
        "/../tiny.toml",
        "/part/../run/config.toml",
        "/part/part-99",
        "/part/",
        "//",
        "/live.js/",
    ] {
        assert_eq!(server.get(other).0, 404, "{other}");
    }
    let asked = |method: &str, host: &str| status(&server.raw(&format!("{method} / HTTP/1.1\r\n{host}\r\n")));
    let own = format!("Host: {}\r\n", server.address);
    assert_eq!(asked("GET", "Host: localhost:1\r\n"), 200);
    // A page of another site whose name leads here.
    assert_eq!(asked("GET", "Host: evil.example\r\n"), 403);
    assert_eq!(asked("GET", ""), 403);
    assert_eq!(asked("GET", "Host: localhost\r\nHost: evil.example\r\n"), 403);
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        assert_eq!(asked(method, &own), 405, "{method}");
    }
    let head = server.raw(&format!("HEAD / HTTP/1.1\r\n{own}\r\n"));
    assert!(
        head.ends_with("\r\n\r\n") && head.contains("nosniff") && head.contains("frame-ancestors 'none'"),
        "{head}"
    );
    assert!(!head.to_lowercase().contains("access-control"), "{head}");
    assert_eq!(status(&server.raw("no request\r\n\r\n")), 400);
    let long = format!("GET / HTTP/1.1\r\n{own}X: {}\r\n", "x".repeat(40_000));
    let answer = server.raw(&long);
    assert!(answer.is_empty() || status(&answer) == 431, "{answer}");

    // Whoever says nothing keeps nobody out for long.
    let silent: Vec<TcpStream> = (0..64).filter_map(|_| TcpStream::connect(&server.address).ok()).collect();
    wait_for("a free place", || {
        server.raw(&format!("GET /state HTTP/1.1\r\n{own}\r\n")).starts_with("HTTP/1.1 200")
    });
    drop(silent);
    server.end();
}

#[test]
fn places_that_cannot_be_served_are_told() {
    let folder = folder();
    let path = folder.path();
    let output = run(path, &["report", "nowhere", "--serve"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("nowhere: no such folder"), "{}", stderr(&output));
    fs::create_dir(path.join("runs")).expect("made");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("known").port().to_string();
    let output = run(path, &["report", "runs", "--serve", "--port", &port]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("choose another --port"), "{}", stderr(&output));
    let output = run(path, &["report", "runs", "--port", "1"]);
    assert!(stderr(&output).contains("--serve"), "{}", stderr(&output));
}
