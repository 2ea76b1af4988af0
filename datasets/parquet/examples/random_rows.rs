//! How long an image takes at random places of a Parquet file, beside its neighbours in order.
//!
//! `cargo run --release -p palimpsest-parquet --example random_rows -- FILE [COLUMN]`
#![allow(clippy::print_stdout, reason = "it prints its figures")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use palimpsest_parquet::{ImageFile, PageCache};

fn main() -> palimpsest_core::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = PathBuf::from(arguments.next().unwrap_or_default());
    let column = arguments.next().unwrap_or_else(|| "image".to_owned());
    let start = Instant::now();
    let file = ImageFile::open(&path, &column, Arc::new(PageCache::new(256 << 20)))?;
    let rows = file.rows();
    println!("opened {rows} rows in {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    let start = Instant::now();
    let first = file.bytes(0)?.len();
    println!(
        "the first image, {first} bytes, with its row group: {:.1} ms",
        start.elapsed().as_secs_f64() * 1e3
    );
    // A stride that has no factor in common with the number of rows visits each row once.
    let stride = (rows / 2..rows.max(2)).find(|&stride| stride % 2 == 1 && rows % stride != 0).unwrap_or(1);
    for (name, stride) in [("random, row groups touched first", stride), ("random", stride), ("in order", 1)]
    {
        let start = Instant::now();
        let mut bytes = 0;
        for i in 0..rows {
            bytes += file.bytes(i * stride % rows)?.len();
        }
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "{name}: {:.3} ms an image of {} bytes, {:.0} MB/s",
            1e3 * seconds / rows as f64,
            bytes / rows,
            bytes as f64 / seconds / 1e6
        );
    }
    println!("places of images in memory: {:.1} bytes a row", file.layout_bytes() as f64 / rows as f64);
    Ok(())
}
