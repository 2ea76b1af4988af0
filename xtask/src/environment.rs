//! What a run was made with: `env.json`.

use palimpsest_core::plugin::PluginIdentity;
use palimpsest_core::recipe::Recipe;
use palimpsest_core::stored;
use palimpsest_core::train::RunFolder;
use palimpsest_core::{Device, DeviceHandle};
use serde_json::{Value, json};

use crate::gpu::Gpu;

/// Revision, versions, machine and command line.
pub(crate) fn describe(device: &DeviceHandle, plugin: Option<&PluginIdentity>) -> Value {
    let info = device.backend.info();
    json!({
        "palimpsest": env!("CARGO_PKG_VERSION"),
        "revision": revision(),
        "backend": info,
        "device": device.id.to_string(),
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
        "cpu": cpu_model(),
        "threads": std::thread::available_parallelism().map_or(1, usize::from),
        "command": command(),
        "started": seconds_since_epoch(),
        "gpu": Gpu::of(device.id).map(|gpu| gpu.facts()),
        "plugins": plugin.into_iter().collect::<Vec<_>>(),
    })
}

/// The machine and command line of a comparison on a device, with its card where it is one.
pub(crate) fn of_comparison(recipe: &Recipe, device: Device, gpu: Option<&Gpu>) -> Value {
    json!({
        "palimpsest": env!("CARGO_PKG_VERSION"),
        "revision": revision(),
        "recipe_hash": recipe.hash(),
        "device": device.to_string(),
        "gpu": gpu.map(Gpu::facts),
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
        "cpu": cpu_model(),
        "threads": std::thread::available_parallelism().map_or(1, usize::from),
        "command": command(),
        "started": seconds_since_epoch(),
    })
}

/// What `env.json` of a run holds; nothing where it is missing or damaged.
pub(crate) fn of_run(folder: &RunFolder) -> Value {
    let bytes = stored::read(&folder.path("env.json")).unwrap_or_default();
    serde_json::from_slice(&bytes).ok().filter(Value::is_object).unwrap_or_else(|| json!({}))
}

/// What was changed of the recipe on the way, with the steps.
pub(crate) fn changes(folder: &RunFolder) -> Vec<String> {
    let environment = of_run(folder);
    let legs = environment["resumed"].as_array().into_iter().flatten();
    legs.flat_map(|leg| {
        let changes = leg["changes"].as_array().into_iter().flatten().filter_map(Value::as_str);
        changes.map(|change| format!("from step {}: {change}", leg["step"]))
    })
    .collect()
}

/// The arguments of this process. A path may hold bytes that are no text.
pub(crate) fn command() -> Vec<String> {
    std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect()
}

/// Seconds since 1970.
pub(crate) fn seconds_since_epoch() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// The commit of the sources, with `+` where they were changed; `None` outside a checkout.
fn revision() -> Option<String> {
    let git = |args: &[&str]| {
        let root = env!("CARGO_MANIFEST_DIR");
        let output = std::process::Command::new("git").arg("-C").arg(root).args(args).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|s| !s.is_empty());
    Some(if changed { format!("{commit}+") } else { commit })
}

fn cpu_model() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split(':').nth(1)?.trim().to_owned())
}
