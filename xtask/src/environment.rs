//! What a run was made with: `env.json`.

use std::collections::BTreeSet;

use palimpsest_core::plugin::PluginIdentity;
use palimpsest_core::recipe::Recipe;
use palimpsest_core::stored;
use palimpsest_core::train::RunFolder;
use palimpsest_core::{Device, DeviceHandle};
use serde_json::{Value, json};

use crate::gpu::Gpu;
use crate::plugins;

/// Revision, versions, machine and command line.
pub(crate) fn describe(device: &DeviceHandle, plugin: Option<&PluginIdentity>) -> Value {
    let mut all = of_process();
    all["backend"] = json!(device.backend.info());
    all["device"] = json!(device.id.to_string());
    all["gpu"] = json!(Gpu::of(device.id).map(|gpu| gpu.facts()));
    all["plugins"] = json!(plugin.into_iter().map(plugins::recorded).collect::<Vec<_>>());
    all
}

/// The machine and command line of a comparison on a device, with its card where it is one.
pub(crate) fn of_comparison(recipe: &Recipe, device: Device, gpu: Option<&Gpu>) -> Value {
    let mut all = of_process();
    all["recipe_hash"] = json!(recipe.hash());
    all["device"] = json!(device.to_string());
    all["gpu"] = json!(gpu.map(Gpu::facts));
    all
}

/// The program, its machine and its command line.
pub(crate) fn of_process() -> Value {
    json!({
        "palimpsest": env!("CARGO_PKG_VERSION"),
        "revision": revision(),
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
        "cpu": cpu_model(),
        "cpu_flags": cpu_flags(),
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
    of_cpuinfo(&std::fs::read_to_string("/proc/cpuinfo").ok()?, "model name").map(str::to_owned)
}

/// The processor's vector instructions, in order.
fn cpu_flags() -> Option<Vec<String>> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    Some(vector_flags(of_cpuinfo(&text, "flags")?).into_iter().map(str::to_owned).collect())
}

fn vector_flags(flags: &str) -> BTreeSet<&str> {
    const FAMILIES: [&str; 3] = ["avx512", "avx_", "amx"];
    let wide = |flag: &&str| {
        ["avx2", "fma"].contains(flag) || FAMILIES.iter().any(|family| flag.starts_with(family))
    };
    flags.split_whitespace().filter(wide).collect()
}

/// What the first processor has under a key.
fn of_cpuinfo<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let mut fields = text.lines().filter_map(|line| line.split_once(':'));
    fields.find_map(|(name, value)| (name.trim() == key).then_some(value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vector_flags_are_in_order() {
        let text = "processor\t: 0\nmodel name\t: A: B\nflags\t\t: fpu avx f16c fma4 fma avx512f avx2 avx_vnni amx_tile avx512_bf16\n\n\
                    processor\t: 1\nflags\t\t: none\n";
        assert_eq!(of_cpuinfo(text, "model name"), Some("A: B"));
        let found: Vec<&str> = vector_flags(of_cpuinfo(text, "flags").unwrap()).into_iter().collect();
        assert_eq!(found, ["amx_tile", "avx2", "avx512_bf16", "avx512f", "avx_vnni", "fma"]);
    }
}
