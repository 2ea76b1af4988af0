//! `data fetch`: public data sets from their owners' hosts.

use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use palimpsest_core::{Error, Result};
use palimpsest_fetch::{Progress, Set, default_folder, fetch, find, plan};
use serde_json::json;

use crate::cli::Fetch;
use crate::output;

pub(crate) fn run(args: &Fetch) -> Result<()> {
    let mut set = find(&args.name)?.clone();
    for file in &mut set.files {
        let mirrors = args.mirror.iter().map(|url| format!("{}/{}", url.trim_end_matches('/'), file.name));
        file.urls.splice(0..0, mirrors);
    }
    let folder = match &args.out {
        Some(folder) => folder.clone(),
        None => default_folder(&set.name)
            .ok_or_else(|| Error::user("this user has no home folder").help("give --out FOLDER"))?,
    };
    if args.dry_run {
        tell(&set, &folder, args.result.json);
        return Ok(());
    }
    output::note(&format!("{}; licence: {}; {}", set.summary, set.licence, set.page));
    let mut bar = Bar::default();
    let fetched = fetch(&set, &folder, args.keep, &mut bar).inspect_err(|_| bar.end())?;
    let path = fetched.path.display();
    if args.result.json {
        output::line(
            &json!({
                "set": set.name, "reader": set.reader, "path": fetched.path.display().to_string(), "already": fetched.already,
                "licence": set.licence,
            })
            .to_string(),
        );
    } else {
        let already = if fetched.already { ": there already" } else { "" };
        output::line(&format!("data.name={} data.path={path}{already}", set.reader));
    }
    Ok(())
}

/// What would be fetched.
fn tell(set: &Set, folder: &Path, as_json: bool) {
    let plan = plan(set, folder);
    if as_json {
        let files: Vec<_> = set
            .files
            .iter()
            .map(|f| json!({ "name": f.name, "size": f.size, "urls": f.urls, "md5": f.md5, "sha256": f.sha256 }))
            .collect();
        output::line(
            &json!({
                "set": set.name, "reader": set.reader, "licence": set.licence, "page": set.page,
                "folder": plan.folder.display().to_string(), "complete": plan.complete, "size": plan.size, "present": plan.present,
                "needed": plan.needed, "files": files,
            })
            .to_string(),
        );
        return;
    }
    output::line(&format!("{}: {}", set.name, set.summary));
    output::line(&format!("licence  {}", set.licence));
    output::line(&format!("page     {}", set.page));
    output::line(&format!("folder   {}", plan.folder.display()));
    output::line(&format!(
        "bytes    {} in all, {} are there, about {} needed on disk while it is unpacked",
        plan.size, plan.present, plan.needed
    ));
    let rows: Vec<Vec<String>> = set
        .files
        .iter()
        .map(|f| {
            vec![f.name.clone(), f.size.to_string(), format!("checksum: {}", f.checksums()), f.urls.join(" ")]
        })
        .collect();
    output::table(&rows);
    if plan.complete {
        output::line("there already: nothing would be fetched");
    }
}

/// A bar with the bytes of a file, its rate and the time that is left.
#[derive(Default)]
struct Bar {
    bar: Option<ProgressBar>,
}

impl Progress for Bar {
    fn begin(&mut self, name: &str, present: u64, size: u64) {
        self.end();
        let bar = ProgressBar::new(size);
        let style = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta} left";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        bar.set_message(name.to_owned());
        // The rate counts from here, not from what an earlier try brought.
        bar.set_position(present);
        bar.reset_eta();
        self.bar = Some(bar);
    }

    fn at(&mut self, present: u64) {
        self.bar.iter().for_each(|bar| bar.set_position(present));
    }

    fn phase(&mut self, what: &str) {
        self.end();
        output::note(what);
    }

    fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}
