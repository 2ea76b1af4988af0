//! The manifest beside the library.

use palimpsest_core::plugin::{Manifest, manifests, sha256};

use crate::outcome::{Checked, fail, skip};
use crate::subject::Subject;

pub(crate) fn truthful(subject: &Subject<'_>) -> Checked {
    let path = subject.path();
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(std::path::Path::new("."));
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let names_it = |manifest: &Manifest| manifest.library.values().any(|library| library.file == name);
    let found = manifests(folder).into_iter().find_map(|at| {
        let manifest = Manifest::read(&at).ok().filter(names_it)?;
        Some((at, manifest))
    });
    let Some((at, manifest)) = found else { return skip("there is no manifest beside it") };
    let help = "write it again: cargo xtask plugin build";
    let due = &manifest.here()?.sha256;
    let hash = sha256(path)?;
    if *due != hash {
        return fail(
            at.display().to_string(),
            format!("says sha256 {due}, and the library's is {hash}"),
            help,
        );
    }
    let library = subject.library()?;
    let (major, minor) = library.abi();
    let identity = library.identity();
    for (what, says, is) in [
        ("id", &manifest.id, identity.id.clone()),
        ("version", &manifest.version, identity.version.clone()),
        ("abi", &manifest.abi, format!("{major}.{minor}")),
        ("summary", &manifest.summary, library.summary().to_owned()),
    ] {
        if *says != is {
            return fail(
                at.display().to_string(),
                format!("says {what} `{says}`, and the library `{is}`"),
                help,
            );
        }
    }
    Ok(at.display().to_string())
}
