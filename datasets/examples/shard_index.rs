//! What an index of a large set of tar shards costs: writes shards of small bodies, then opens them cold and warm.
//!
//! `cargo run --release -p palimpsest-datasets --example shard_index -- FOLDER [SAMPLES] [SHARDS]`
//!
//! FOLDER must not be there; it is left for another look and takes 2.5 kB a sample.
#![allow(clippy::print_stdout, reason = "it prints its figures")]

use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use palimpsest_core::{Error, Result};
use palimpsest_datasets::{DataSpec, Split, open_with_notes};

/// Members of one sample, with headers as tar has them: an image of a few bytes and a class.
fn sample(out: &mut impl Write, number: usize) -> std::io::Result<()> {
    let class = number % 1000;
    for (suffix, body) in [("jpg", format!("image {number}")), ("cls", class.to_string())] {
        let mut header = tar::Header::new_ustar();
        header.set_path(format!("n{class:08}/n{class:08}_{number}.{suffix}"))?;
        header.set_size(body.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        let mut block = [0; 512];
        block[..body.len()].copy_from_slice(body.as_bytes());
        out.write_all(header.as_bytes())?;
        out.write_all(&block)?;
    }
    Ok(())
}

fn write(folder: &Path, samples: usize, shards: usize) -> std::io::Result<()> {
    std::fs::create_dir(folder)?;
    for shard in 0..shards {
        let path = folder.join(format!("train-{shard:06}.tar"));
        let mut out = BufWriter::with_capacity(1 << 20, std::fs::File::create(path)?);
        for number in shard * samples / shards..(shard + 1) * samples / shards {
            sample(&mut out, number)?;
        }
        out.write_all(&[0; 1024])?;
        out.flush()?;
    }
    Ok(())
}

/// Bytes of memory of this process now, and the most that there were.
fn memory() -> [f64; 2] {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ["VmRSS:", "VmHWM:"].map(|name| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok()).unwrap_or(f64::NAN) / 1e3
    })
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(folder) = arguments.first().map(Path::new) else {
        return Err(Error::user("no folder was given").help("name one that isn't there yet"));
    };
    let number =
        |at: usize, default: usize| arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (samples, shards) = (number(1, 1_281_167), number(2, 147));
    if !folder.exists() {
        let start = Instant::now();
        write(folder, samples, shards).map_err(|e| Error::io(folder, &e))?;
        println!("{samples} samples in {shards} shards written in {:.1} s", start.elapsed().as_secs_f64());
    }
    // Each in a process of its own, so that memory is that of one opening.
    if arguments.get(3).is_none() {
        for what in ["first", "warm", "warm again"] {
            let own = std::env::current_exe().map_err(|e| Error::io("the program", &e))?;
            let all =
                [folder.display().to_string(), samples.to_string(), shards.to_string(), what.to_owned()];
            std::process::Command::new(own).args(all).status().map_err(|e| Error::failure(e.to_string()))?;
        }
        return Ok(());
    }
    let before = memory();
    let start = Instant::now();
    let spec = DataSpec { holdout: 0.0, ..DataSpec::at("webdataset", folder) };
    let opened = open_with_notes(&spec, Split::Train)?;
    let seconds = start.elapsed().as_secs_f64();
    let [now, most] = memory();
    let last = opened.dataset.len() - 1;
    println!(
        "{}: opened {} samples of {} classes in {seconds:.2} s; {:.1} MB more memory, {:.1} MB at most; the last is {}",
        arguments[3],
        opened.dataset.len(),
        opened.dataset.classes().len(),
        now - before[0],
        most - before[0],
        opened.dataset.location(last),
    );
    opened.notes.iter().for_each(|note| println!("  {note}"));
    Ok(())
}
