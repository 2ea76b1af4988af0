use palimpsest_core::data::Image;
use palimpsest_datasets::decode::{DecodeOptions, decode_file};
use palimpsest_datasets::{ContactSheet, Tile};
use tempfile::tempdir;

use crate::files::{assert_error, put};

#[test]
fn small_images_are_enlarged_by_whole_pixels() {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("new/samples.png");
    let mut sheet = ContactSheet::new(2, ["original", "a caption that is much too long for it"]);
    let pixels: Vec<u8> = (0..784).map(|i| (i % 251) as u8).collect();
    let grey = Image { width: 28, height: 28, channels: 1, pixels };
    let planes: Vec<f32> = grey.pixels.iter().map(|&v| (f32::from(v) / 255.0 - 0.3) / 0.4).collect();
    let pair = [
        Tile::from_image(&grey.clone().into(), [0; 3]).caption("0.25"),
        Tile::from_planes(&planes, 28, 28, &[0.3], &[0.4]),
    ];
    sheet.push_row(pair.to_vec());
    sheet.push_row([pair.clone(), pair].concat());
    sheet.write(&path).expect("writes");

    let drawn = sheet.draw();
    assert_eq!(decode_file(&path, DecodeOptions::default()).expect("is a PNG"), drawn.clone().into());
    // 28 pixels five times, margins of 6, a caption line of 14 above, and below each of three rows.
    assert_eq!((drawn.width, drawn.height), (6 + 2 * 146, 6 + 14 + 3 * (140 + 14 + 6)));
    let at = |x: usize, y: usize| drawn.pixels[(y * drawn.width + x) * 3];
    for (i, &want) in grey.pixels.iter().enumerate() {
        let (x, y) = (6 + i % 28 * 5, 20 + i / 28 * 5);
        assert_eq!([at(x, y), at(x + 4, y + 4), at(x + 146, y + 2)], [want; 3]);
    }
    let ink = |rows: std::ops::Range<usize>| {
        rows.flat_map(|y| (6..146).map(move |x| (x, y))).any(|(x, y)| at(x, y) < 100)
    };
    assert!(ink(6..14), "the caption above");
    assert!(ink(163..171), "the caption below");
    let left: Vec<_> = std::fs::read_dir(folder.path().join("new")).expect("is there").collect();
    assert_eq!(left.len(), 1, "no draft is left");
}

#[test]
fn odd_values_and_places() {
    let nan = Tile::from_planes(&[f32::NAN, 9.0, -9.0, 0.5], 2, 2, &[0.0], &[1.0]);
    assert_eq!(nan, Tile::from_rgb(2, 2, vec![255, 0, 255, 255, 255, 255, 0, 0, 0, 128, 128, 128]));
    let folder = tempdir().expect("a folder");
    let file = put(folder.path(), "file", "text");
    let sheet = ContactSheet::new(1, [""; 0]);
    assert!(sheet.draw().width > 0, "an empty sheet is an image too");
    assert_error(sheet.write(&file.join("x.png")), &["file"]);
}
