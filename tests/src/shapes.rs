//! Images with label sets and numbers that anyone can tell: coloured squares that are there or not, on a ground of some
//! brightness, with the list that says so.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use palimpsest_core::random::{Philox, Stream};

/// Pixels along a side.
pub const SIDE: usize = 32;

/// The colours, which are the labels.
pub const COLOURS: [(&str, [u8; 3]); 3] =
    [("red", [250, 40, 40]), ("green", [40, 230, 40]), ("blue", [60, 60, 250])];

/// Writes `count` images and `list.csv` into a folder: `path`, a column of 1 and 0 for each colour, of which some are
/// unknown (empty or -1), `colours` (the names of all), `brightness` (of the ground, 0 to 255), `squares` (how many there
/// are; missing of some), `split` (every fourth image is of the test part). Returns the list's path.
///
/// # Panics
/// If a file can't be written.
pub fn write(folder: &Path, count: usize) -> PathBuf {
    let names: Vec<&str> = COLOURS.iter().map(|(name, _)| *name).collect();
    let mut list = format!("path,{},colours,brightness,squares,split\n", names.join(","));
    for image in 0..count {
        let mut random = Philox::new(7, Stream::Test, 0, image as u64);
        let ground = 30 + (random.uniform() * 190.0) as u8;
        let mut pixels = vec![ground; 3 * SIDE * SIDE];
        let mut has = [false; 3];
        for (has, (_, colour)) in has.iter_mut().zip(COLOURS) {
            *has = random.uniform() < 0.4;
            let mut corner = || (random.uniform() * (SIDE - 12) as f32) as usize;
            let (left, top) = (corner(), corner());
            if *has {
                for (y, x) in (top..top + 12).flat_map(|y| (left..left + 12).map(move |x| (y, x))) {
                    pixels[3 * (y * SIDE + x)..][..3].copy_from_slice(&colour);
                }
            }
        }
        let path = format!("{image:04}.png");
        let file = fs::File::create(folder.join(&path)).expect("made");
        let mut encoder = png::Encoder::new(file, SIDE as u32, SIDE as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.write_header().and_then(|mut writer| writer.write_image_data(&pixels)).expect("written");
        let told = |label: usize, has: bool| match (image + label) % 23 {
            5 => "",
            6 => "-1",
            _ if has => "1",
            _ => "0",
        };
        let flags: Vec<&str> = has.iter().enumerate().map(|(label, &has)| told(label, has)).collect();
        let there: Vec<&str> = names.iter().zip(has).filter(|(_, has)| *has).map(|(name, _)| *name).collect();
        let squares = if image % 17 == 3 { String::new() } else { there.len().to_string() };
        let split = if image % 4 == 0 { "test" } else { "train" };
        let _ = writeln!(list, "{path},{},{},{ground},{squares},{split}", flags.join(","), there.join("|"));
    }
    let path = folder.join("list.csv");
    fs::write(&path, list).expect("written");
    path
}
