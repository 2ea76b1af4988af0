//! The tests of a binary once more, in a process whose environment differs: for what a process settles once.

use std::process::Command;

/// Runs the tests of this binary with an environment variable of another value, but for those whose name has `but` in
/// it: the one that calls this.
///
/// # Panics
/// One of them fails, or there is none.
pub fn with(variable: &str, value: &str, but: &str) {
    let binary = std::env::current_exe().expect("this binary has a path");
    let output = Command::new(binary).args(["--skip", but]).env(variable, value).output().expect("it starts");
    let told = String::from_utf8_lossy(&output.stdout);
    let none = told.contains("result: ok. 0 passed");
    assert!(
        output.status.success() && !none,
        "{variable}={value}: {told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
