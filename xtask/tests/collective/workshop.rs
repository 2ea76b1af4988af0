//! The driver, and ranks that are started by hand.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

/// The driver with these arguments, by nobody's launcher.
pub(crate) fn driver(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(args);
    for name in ["RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "GLOO_SOCKET_IFNAME"] {
        command.env_remove(name);
    }
    command
}

pub(crate) fn run(args: &[&str]) -> Output {
    driver(args).output().expect("the driver starts")
}

/// One of `ranks` processes, with a limit of three seconds.
pub(crate) fn rank(engine: &str, [rank, ranks]: [usize; 2], meet: &str, out: &Path) -> Child {
    let (rank, ranks) = (rank.to_string(), ranks.to_string());
    let mut command = driver(&["collective-worker", engine, "--task", "laws", "--limit", "3"]);
    command.args(["--ranks", &ranks, "--rank", &rank, "--meet", meet, "--out"]).arg(out);
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the driver starts")
}

/// What a process that must fail says.
pub(crate) fn complaint(child: Child) -> String {
    let output = child.wait_with_output().expect("it ends");
    assert!(!output.status.success());
    told(&output)
}

pub(crate) fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

/// A place on this machine that nobody used a moment ago.
pub(crate) fn free_place() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").to_string()
}

/// Whether gloo can be built and used here; passed over by name where it can't.
pub(crate) fn has_gloo(test: &str) -> bool {
    static BUILT: OnceLock<Output> = OnceLock::new();
    let built = BUILT.get_or_init(|| run(&["collective", "build", "gloo"]));
    let text = told(built);
    if !built.status.success() {
        // Any other reason is a failure.
        assert!(text.contains("libtorch"), "{text}");
        eprintln!("{test} is passed over: {text}");
    }
    built.status.success()
}
