//! `data …` on the command line.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use palimpsest_core::data::Split;
use palimpsest_datasets::pack::PackFormat;

use super::{JsonArg, RecipeArgs};

#[derive(Subcommand)]
pub(crate) enum DataCommand {
    /// The readers and the layout that each expects, and the public data sets that `data fetch` knows
    List {
        #[command(flatten)]
        result: JsonArg,
    },
    /// Fetch a public data set: resumed where it stopped, verified, then unpacked
    #[command(
        after_help = "Examples:\n  cargo xtask data fetch cifar10 --dry-run\n  cargo xtask data fetch imagenette-160 --out data/imagenette"
    )]
    Fetch(Fetch),
    /// A contact sheet of what the loader and the corruption really produce
    #[command(
        after_help = "Examples:\n  cargo xtask data show recipes/paper-micro.toml --out sheet.png\n  cargo xtask data show recipes/can-micro.toml --step 500"
    )]
    Show(ShowData),
    /// What a recipe's images are like: mean and deviation, sizes, classes, broken files, duplicates
    #[command(
        after_help = "Examples:\n  cargo xtask data stats\n  cargo xtask data stats data.name=folder data.path=photos --limit 5000\n  cargo xtask data stats recipes/clothing-paper.toml data.path=photos --split train --json"
    )]
    Stats(DataStats),
    /// Pack a recipe's images into WebDataset's tars or parquet files; goes on where it was stopped
    #[command(
        after_help = "Examples:\n  cargo xtask data pack --format webdataset --out shards\n  cargo xtask data pack data.name=folder data.path=photos --format webdataset --out shards --size 500MB --resize 256\n  cargo xtask data pack data.name=folder data.path=photos --format webdataset --out shards --dry-run"
    )]
    Pack(PackData),
}

#[derive(Args)]
pub(crate) struct DataStats {
    #[command(flatten)]
    pub(crate) recipe: RecipeArgs,
    /// One part alone, train or test; the other isn't opened
    #[arg(long, value_name = "PART")]
    pub(crate) split: Option<Split>,
    /// Images of each part that are looked at, drawn by the recipe's seed; 0 takes all
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) limit: usize,
    /// The page to write
    #[arg(long, default_value = "data-stats.html", value_hint = ValueHint::FilePath)]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) result: JsonArg,
}

#[derive(Args)]
pub(crate) struct PackData {
    #[command(flatten)]
    pub(crate) recipe: RecipeArgs,
    /// What shards are: webdataset (tar) or parquet
    #[arg(long)]
    pub(crate) format: PackFormat,
    /// The folder for them: a new one, or that of an earlier try with the same data and options
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub(crate) out: PathBuf,
    /// Bytes of samples in a shard at most, as 500MB or 1GiB; what ends a file comes on top
    #[arg(long, value_name = "BYTES", default_value = "1GB", value_parser = bytes)]
    pub(crate) size: u64,
    /// Shrink larger images so that their shorter side has so many pixels; without it image files are copied as they are
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u64).range(1..=16_384))]
    pub(crate) resize: Option<u64>,
    /// One part alone, train or test; the other isn't opened
    #[arg(long, value_name = "PART")]
    pub(crate) split: Option<Split>,
    /// Samples in an order drawn by this seed, for programs that read shards from their beginning to their end
    #[arg(long, value_name = "SEED")]
    pub(crate) shuffle: Option<u64>,
    /// Tell what would be written, and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) result: JsonArg,
}

/// A number of bytes with or without a unit.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim().trim_end_matches(|c: char| c.is_ascii_alphabetic()).trim_end();
    let unit = match text.trim()[digits.len()..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => 0,
    };
    match digits.parse::<f64>() {
        Ok(number) if unit > 0 && number > 0.0 && number * unit as f64 >= 1.0 => {
            Ok((number * unit as f64) as u64)
        }
        _ => Err("give a number of bytes above 0, as 1GB, 500MB or 1GiB".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_have_units_or_none() {
        let sizes = ["1GB", "500 MB", "1.5kb", "2GiB", "7", "1e9"].map(|text| bytes(text).expect("a size"));
        assert_eq!(sizes, [1_000_000_000, 500_000_000, 1_500, 2 << 30, 7, 1_000_000_000]);
        for wrong in ["", "GB", "0", "-1MB", "1TBs", "nan", "0.1"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }
}

#[derive(Args)]
pub(crate) struct ShowData {
    #[command(flatten)]
    pub(crate) recipe: RecipeArgs,
    /// The image to write
    #[arg(long, default_value = "contact-sheet.png", value_hint = ValueHint::FilePath)]
    pub(crate) out: PathBuf,
    /// Images
    #[arg(long, default_value_t = 8)]
    pub(crate) images: usize,
    /// The corruption after so many steps of the run, which a schedule may change; the images are the same
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) step: u64,
}

#[derive(Args)]
pub(crate) struct Fetch {
    /// The data set (see cargo xtask data list)
    pub(crate) name: String,
    /// The folder for it; by default palimpsest/datasets/NAME in the user's data folder
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub(crate) out: Option<PathBuf>,
    /// A host that has the same files: each is looked for at URL/FILE first
    #[arg(long, value_name = "URL")]
    pub(crate) mirror: Vec<String>,
    /// Keep the archives once they are unpacked
    #[arg(long)]
    pub(crate) keep: bool,
    /// Tell what would be fetched, and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) result: JsonArg,
}
