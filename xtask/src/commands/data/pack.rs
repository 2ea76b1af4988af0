//! `data pack`: a recipe's images as shards.

use palimpsest_core::head::counted;
use palimpsest_core::shell::quoted;
use palimpsest_core::{Error, Result};
use palimpsest_datasets::DataSource;
use palimpsest_datasets::pack::{
    Forecast, PackFormat, PackOptions, Packed, Progress, Resize, Watch, forecast, open_parts, pack_watched,
    reader_keys,
};
use serde_json::json;

use super::source;
use crate::cli::PackData;
use crate::counting::Counting;
use crate::{interrupt, output};

pub(super) fn run(args: &PackData) -> Result<()> {
    let recipe = source(&args.recipe)?;
    let data = DataSource::from(&recipe);
    let (parts, notes) = open_parts(&data, args.split)?;
    notes.iter().for_each(|note| output::note(&format!("note: {note}")));
    let options = PackOptions {
        format: args.format,
        shard_size: args.size,
        resize: args.resize.map(|side| Resize { side: side as usize, max_pixels: data.max_pixels() }),
        shuffle: args.shuffle,
        bad_files: recipe.data.bad_files,
    };
    if args.dry_run {
        return tell(args, &forecast(&parts, &options)?);
    }
    let (checking, packing) = (Counting::new("shards checked"), Counting::new("images packed"));
    let progress = |progress| match progress {
        Progress::Checked(done, all) => checking.at(done, all),
        Progress::Packed(done, all) => packing.at(done, all),
    };
    let watch = Watch { progress: &progress, stop: interrupt::flag()? };
    let packed = pack_watched(&parts, &args.out, &options, watch);
    drop((checking, packing));
    let packed = packed?;
    done(args, &packed, &reader_keys(args.format, &parts))
}

fn done(args: &PackData, packed: &Packed, keys: &[String]) -> Result<()> {
    for note in &packed.notes {
        output::note(&format!("note: {note}"));
    }
    for left in &packed.left_out {
        output::note(&format!("note: left out of {}: {}", left.part, left.why));
    }
    let bytes: u64 = packed.shards.iter().map(|shard| shard.bytes).sum();
    let samples: usize = packed.shards.iter().map(|shard| shard.samples).sum();
    let reader = reader(args.format);
    let own = [format!("data.name={reader}"), format!("data.path={}", args.out.display())];
    let given: Vec<String> = own.iter().chain(keys).map(|key| quoted(key)).collect();
    if args.result.json {
        output::json(&json!({
            "reader": reader, "path": args.out.display().to_string(), "samples": samples, "bytes": bytes,
            "keys": keys, "kept": packed.kept, "shards": packed.shards, "left_out": packed.left_out,
        }));
        return Ok(());
    }
    let kept =
        if packed.kept > 0 { format!(", {} of them there already", packed.kept) } else { String::new() };
    output::line(&format!(
        "{} in {} of {bytes} bytes{kept}",
        counted(samples, "image", "images"),
        counted(packed.shards.len(), "shard", "shards"),
    ));
    output::line(&given.join(" "));
    Ok(())
}

/// The reader of what is written.
fn reader(format: PackFormat) -> &'static str {
    match format {
        PackFormat::WebDataset => "webdataset",
        PackFormat::Parquet => "parquet",
    }
}

fn tell(args: &PackData, forecast: &Forecast) -> Result<()> {
    let there =
        args.out.ancestors().find(|folder| folder.exists()).filter(|there| !there.as_os_str().is_empty());
    let free = fs4::available_space(there.unwrap_or_else(|| std::path::Path::new("."))).ok();
    let needed: u64 = forecast.parts.iter().map(|part| part.bytes).sum();
    if args.result.json {
        let mut all = serde_json::to_value(forecast).map_err(|e| Error::failure(e.to_string()))?;
        all["bytes"] = json!(needed);
        all["free"] = json!(free);
        output::json(&all);
        return Ok(());
    }
    let head = ["part", "images", "shards, about", "bytes, about", "written anew as JPEG", "as PNG"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(forecast.parts.iter().map(|part| {
        let share = |share: f64| format!("{:.0} %", 100.0 * share);
        let counts = [part.samples.to_string(), part.shards.to_string(), part.bytes.to_string()];
        let [samples, shards, bytes] = counts;
        vec![part.part.clone(), samples, shards, bytes, share(part.as_jpeg), share(part.as_png)]
    }));
    output::table(&rows);
    for part in &forecast.parts {
        if part.looked_at < part.samples {
            output::line(&format!("{}: estimated from {} of its images", part.part, part.looked_at));
        }
        for broken in &part.broken {
            output::line(&format!("{}: can't be read: {broken}", part.part));
        }
    }
    if forecast.parts.iter().any(|part| part.as_jpeg + part.as_png < 1.0) {
        output::line("Image files that aren't written anew are copied as they are.");
    }
    if let Some(free) = free {
        output::line(&format!("{free} bytes are free there{}", if free < needed { ": too few" } else { "" }));
    }
    Ok(())
}
