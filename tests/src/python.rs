//! Running the Python references, where the machine has what they import.

use std::path::Path;
use std::process::Command;

use crate::files::here;

/// Why Python's `modules` can't be imported, if they can't.
///
/// # Errors
/// The reason, for the test's output.
pub fn available(modules: &str) -> Result<(), String> {
    match Command::new("python3").args(["-c", &format!("import {modules}")]).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr);
            Err(text.lines().last().unwrap_or("python3 failed").to_owned())
        }
        Err(error) => Err(format!("python3: {error}")),
    }
}

/// Runs a script of `tests/python` and reads the JSON that it prints.
///
/// # Panics
/// If it fails or prints no JSON.
pub fn run(script: &str, arguments: &[&Path]) -> serde_json::Value {
    let path = here("python").join(script);
    let output = Command::new("python3").arg(path).args(arguments).output().expect("python3");
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script} failed:\n{text}\n{errors}");
    serde_json::from_str(&text)
        .unwrap_or_else(|e| panic!("{script} printed no JSON ({e}):\n{text}\n{errors}"))
}
