//! `completions`: what completes commands in a shell, for a program of the packed name and for `cargo xtask`.

use std::fs;
use std::path::Path;

use clap::builder::PossibleValuesParser;
use clap::{Arg, Command};
use clap_complete::generate;
use palimpsest_core::finetune::TaskHeadEntry;
use palimpsest_core::{Error, Result, registry};

use crate::cli::{self, Shell};
use crate::{backends, output};

/// Completes what follows `cargo xtask` as what follows `palimpsest`.
const AFTER_CARGO: [&str; 3] = [
    include_str!("completions/cargo.bash"),
    include_str!("completions/cargo.zsh"),
    include_str!("completions/cargo.fish"),
];

pub(super) fn run(shell: Shell) -> Result<()> {
    let mut text = script(shell);
    if cli::program() == "cargo xtask" {
        text += AFTER_CARGO[shell as usize];
    }
    output::line(text.trim_end());
    Ok(())
}

/// Writes the scripts for a program of the packed name, under the names that shells look for.
pub(super) fn write(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(|e| Error::io(folder, &e))?;
    for (shell, name) in
        [(Shell::Bash, "palimpsest.bash"), (Shell::Zsh, "_palimpsest"), (Shell::Fish, "palimpsest.fish")]
    {
        let path = folder.join(name);
        fs::write(&path, script(shell)).map_err(|e| Error::io(&path, &e))?;
    }
    Ok(())
}

/// The script for a program of the packed name.
fn script(shell: Shell) -> String {
    let mut command = visible(&cli::command(cli::PACKED));
    let mut text = vec![];
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    generate(shell, &mut command, cli::PACKED, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// A command without what help hides, which completion would offer.
fn visible(command: &Command) -> Command {
    let arguments = command.get_arguments().filter(|argument| !argument.is_hide_set());
    let inner = command.get_subcommands().filter(|inner| !inner.is_hide_set());
    Command::new(command.get_name().to_owned())
        .about(command.get_about().cloned().unwrap_or_default())
        .args(arguments.cloned().map(with_names))
        .subcommands(inner.map(visible))
}

/// An argument with the names that are known for it.
fn with_names(argument: Arg) -> Arg {
    match argument.get_id().as_str() {
        "head" => argument.value_parser(PossibleValuesParser::new(
            registry::all::<TaskHeadEntry>().iter().map(|entry| entry.name),
        )),
        "backend" | "backends" => {
            argument.value_parser(PossibleValuesParser::new(backends::KNOWN.iter().map(|known| known.name)))
        }
        _ => argument,
    }
}
