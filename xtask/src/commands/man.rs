//! `man`: manual pages.

use std::fs;
use std::io::Write;
use std::path::Path;

use palimpsest_core::{Error, Result};

use crate::cli::{self, Man};
use crate::output;

pub(super) fn run(args: &Man) -> Result<()> {
    if let Some(folder) = &args.out {
        write(folder)?;
        output::line(&folder.display().to_string());
        return Ok(());
    }
    let mut page = vec![];
    let rendered = clap_mangen::Man::new(cli::command(cli::PACKED)).render(&mut page);
    rendered.and_then(|()| std::io::stdout().write_all(&page)).map_err(|e| Error::failure(e.to_string()))
}

/// A page for each command of a program of the packed name.
pub(super) fn write(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(cli::command(cli::PACKED), folder))
        .map_err(|e| Error::io(folder, &e))
}
