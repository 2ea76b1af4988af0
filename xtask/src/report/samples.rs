//! The sample sheets: the latest large, earlier ones in a strip.

use std::fs;
use std::path::{Path, PathBuf};

use super::html::{details, embedded_png, esc, note};
use super::number::count;

/// Earlier sheets that are shown at most, so that the page stays small.
const EARLIER: usize = 12;

/// An image of the folder `samples`.
pub(super) struct Sample {
    step: u64,
    path: PathBuf,
}

/// The images of a folder, by step.
pub(super) fn list(folder: &Path) -> Vec<Sample> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut samples: Vec<Sample> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let step = name.strip_prefix("step-")?.strip_suffix(".png")?.parse().ok()?;
            Some(Sample { step, path: entry.path() }).filter(|sample| sample.path.is_file())
        })
        .collect();
    samples.sort_by_key(|sample| sample.step);
    samples
}

/// The latest image, then the others.
pub(super) fn show(samples: &[Sample]) -> String {
    let mut out = String::new();
    let mut left = samples;
    while let Some((sample, before)) = left.split_last() {
        left = before;
        match read(&sample.path) {
            Ok((png, size)) => {
                out.push_str(&figure(sample, &png, size));
                break;
            }
            Err(why) => out.push_str(&note(&why)),
        }
    }
    if samples.is_empty() {
        return note("No sample sheets yet.");
    }
    if !left.is_empty() {
        out.push_str(&earlier(left));
    }
    out
}

/// The latest image that is whole, under a caption of its own.
pub(super) fn last(samples: &[Sample], caption: &str) -> Option<String> {
    let (png, size) = samples.iter().rev().find_map(|sample| read(&sample.path).ok())?;
    let image = embedded_png(&png, size, &format!("Sample sheet of {caption}"));
    Some(format!(
        "<figure class=\"sample\">\n{image}\n<figcaption>{}</figcaption>\n</figure>\n",
        esc(caption)
    ))
}

fn earlier(samples: &[Sample]) -> String {
    let n = samples.len();
    let shown = n.min(EARLIER);
    let mut strip = String::from("<div class=\"strip\">\n");
    // Evenly over the run, the first among them.
    for i in 0..shown {
        let sample = &samples[i * n / shown];
        strip.push_str(&match read(&sample.path) {
            Ok((png, size)) => figure(sample, &png, size),
            Err(why) => note(&why),
        });
    }
    strip.push_str("</div>\n");
    let label =
        if shown == n { format!("Earlier sheets ({n})") } else { format!("Earlier sheets ({shown} of {n})") };
    details(&label, &strip)
}

fn figure(sample: &Sample, png: &[u8], size: (u32, u32)) -> String {
    let step = format!("step {}", count(sample.step));
    let image = embedded_png(png, size, &format!("Sample sheets after {step}"));
    format!("<figure class=\"sample\">\n{image}\n<figcaption>{}</figcaption>\n</figure>\n", esc(step))
}

/// A whole PNG file and its size.
fn read(path: &Path) -> Result<(Vec<u8>, (u32, u32)), String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let png = fs::read(path).map_err(|e| format!("samples/{name} can't be read: {e}."))?;
    let side = |at: usize| Some(u32::from_be_bytes(png.get(at..at + 4)?.try_into().ok()?));
    let whole = png.starts_with(b"\x89PNG\r\n\x1a\n") && png.ends_with(b"IEND\xae\x42\x60\x82");
    match (whole, side(16), side(20)) {
        (true, Some(width), Some(height)) => Ok((png, (width, height))),
        _ => Err(format!("samples/{name} is half-written or no PNG file.")),
    }
}
