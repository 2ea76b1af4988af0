//! A folder outside the workspace, and the driver in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::driver::{self, library, stderr};

/// The folder of an author. The driver that runs there sees no plug-ins but those that it is told of.
pub(crate) struct Workshop {
    folder: tempfile::TempDir,
}

impl Workshop {
    pub(crate) fn new() -> Self {
        Self { folder: driver::folder() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = driver::command(self.folder.path(), args);
        command.env("XDG_DATA_HOME", self.path("data")).env_remove("PALIMPSEST_PLUGIN_PATH");
        // One target folder for all of them, so that the SDK is compiled once; and no network.
        command.env("CARGO_TARGET_DIR", target()).env("CARGO_NET_OFFLINE", "true");
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the driver starts")
    }

    pub(crate) fn succeed(&self, args: &[&str]) -> String {
        output(&mut self.command(args))
    }

    /// What it says where it must not succeed, and its exit status.
    pub(crate) fn fail(&self, args: &[&str]) -> (String, Option<i32>) {
        let output = self.run(args);
        assert!(!output.status.success(), "{args:?} succeeded");
        (stderr(&output), output.status.code())
    }

    /// `plugin new`, with its name for all.
    pub(crate) fn write(&self, name: &str, language: &str, tier: &str) -> PathBuf {
        self.succeed(&["plugin", "new", name, "--lang", language, "--tier", tier]);
        self.path(name)
    }

    /// `plugin build`: the folder with library and manifest.
    pub(crate) fn build(&self, name: &str) -> PathBuf {
        self.succeed(&["plugin", "build", name]);
        self.path(name).join("plugin")
    }

    /// Changes a text of a file.
    pub(crate) fn edit(&self, file: &Path, from: &str, to: &str) {
        let text = std::fs::read_to_string(file).expect("a file");
        assert!(text.contains(from), "{} has no {from}", file.display());
        std::fs::write(file, text.replace(from, to)).expect("the file is written");
    }

    /// Checks that failed, with all that was checked.
    pub(crate) fn validate(&self, library: &Path, more: &[&str]) -> Verdict {
        validate(self.command(&["plugin", "validate", "--json"]).arg(library).args(more))
    }
}

pub(crate) struct Verdict {
    pub(crate) checks: usize,
    /// Each with what was found.
    pub(crate) failed: Vec<(String, String)>,
    /// Checks with a note, and that.
    pub(crate) noted: Vec<(String, String)>,
}

pub(crate) fn validate(command: &mut Command) -> Verdict {
    let output = command.output().expect("the driver starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let answer: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    let checks = answer["checks"].as_array().expect("checks");
    let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let with = |verdict: &str, text: &dyn Fn(&serde_json::Value) -> String| -> Vec<(String, String)> {
        let those = checks.iter().filter(|check| check["verdict"] == verdict);
        those.map(|check| (word(&check["check"]), text(check))).collect()
    };
    let failed = with("failed", &|check| word(&check["findings"][0]["value"]));
    let noted = with("noted", &|check| word(&check["note"]));
    assert_eq!(answer["passed"], failed.is_empty());
    assert_eq!(output.status.code(), Some(i32::from(!failed.is_empty())));
    Verdict { checks: checks.len(), failed, noted }
}

/// Where cargo builds what authors write: kept between tests.
pub(crate) fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugins")
}

/// What a command prints; it must succeed.
pub(crate) fn output(command: &mut Command) -> String {
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{command:?}: {}", stderr(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A source of this workspace.
pub(crate) fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Compiles a plug-in in C with these macros.
pub(crate) fn compile(source: &Path, library: &Path, define: &str) {
    let mut cc = Command::new("cc");
    cc.args([
        "-std=c11",
        "-D_POSIX_C_SOURCE=200809L",
        "-fPIC",
        "-shared",
        "-O1",
        "-Wall",
        "-Wextra",
        "-Werror",
    ]);
    cc.arg(define).arg("-I").arg(self::source("plugins/include"));
    output(cc.arg("-o").arg(library).arg(source).arg("-lm"));
}

/// The libraries of this workspace that are good.
pub(crate) fn good() -> Vec<PathBuf> {
    ["adaptive_noise", "attention_mask", "band_noise", "colour_noise", "pca_noise", "token_mix"]
        .map(|name| library(&format!("palimpsest_{name}")))
        .to_vec()
}
