//! TIFF, NumPy's arrays, 16 bits, floats and many channels, against tifffile, Pillow and NumPy
//! (`fixtures/scientific/make.py`).

use palimpsest_core::data::{Image, Samples};
use palimpsest_core::random::{Philox, Stream};
use palimpsest_datasets::augment::Placement;
use palimpsest_datasets::decode::{DecodeOptions, decode, decode_file};
use palimpsest_datasets::image_header::ImageHeader;
use palimpsest_datasets::joint::{Framing, planes};
use palimpsest_datasets::{Augment, Crop, Filter, Scale, Scaling, Scratch, Transform};
use serde_json::Value;

use crate::files::{assert_error, fixture, put};

fn file(name: &str) -> std::path::PathBuf {
    fixture("scientific").join(name)
}

fn listed(name: &str) -> Vec<Value> {
    let bytes = std::fs::read(file(name)).expect("reads");
    serde_json::from_slice(&bytes).expect("JSON")
}

fn options(case: &Value) -> DecodeOptions {
    let pair = |key: &str| -> Option<(f64, f64)> {
        let ends = case[key].as_array()?;
        Some((ends[0].as_f64()?, ends[1].as_f64()?))
    };
    let scale = match (pair("range"), pair("percentiles")) {
        (Some((low, high)), _) => Scale::Range(low, high),
        (_, Some((low, high))) => Scale::Percentiles(low, high),
        _ => Scale::TypeRange,
    };
    DecodeOptions {
        channels: case["channels"].as_u64().expect("a number") as usize,
        page: case["page"].as_u64().unwrap_or(0) as usize,
        scaling: Scaling { scale, nan: case["nan"].as_f64() },
        ..DecodeOptions::default()
    }
}

#[test]
fn files_of_tifffile_pillow_and_numpy() {
    let cases = listed("files.json");
    assert!(cases.len() > 50, "{}", cases.len());
    for case in cases {
        let name = case["file"].as_str().expect("a name");
        let image = decode_file(&file(name), options(&case)).unwrap_or_else(|e| panic!("{e}"));
        let shape: Vec<usize> = serde_json::from_value(case["shape"].clone()).expect("numbers");
        let named = format!("{name} {} {} {}", case["range"], case["percentiles"], case["page"]);
        assert_eq!([image.height, image.width, image.channels], shape[..], "{named}");
        let want = case["want"].as_array().expect("numbers").iter().map(|v| v.as_f64().expect("a number"));
        match (&image.pixels, case["kind"].as_str()) {
            (Samples::U8(got), Some("u8")) => assert!(want.eq(got.iter().map(|&v| f64::from(v))), "{named}"),
            (Samples::U16(got), Some("u16")) => {
                assert!(want.eq(got.iter().map(|&v| f64::from(v))), "{named}");
            }
            (Samples::F32(got), Some("f32")) => {
                for (i, (&got, want)) in got.iter().zip(want).enumerate() {
                    // Both divide in 64 bits and round once.
                    assert!(
                        (f64::from(got) - want).abs() <= f64::from(f32::EPSILON),
                        "{named}: {i}: {got}, not {want}"
                    );
                }
            }
            (got, want) => panic!("{named} has {} samples, not {want:?}", got.kind()),
        }
    }
}

#[test]
fn what_is_not_read_is_told_by_name() {
    for case in listed("refused.json") {
        let name = case["file"].as_str().expect("a name");
        let words: Vec<String> = serde_json::from_value(case["words"].clone()).expect("words");
        let words: Vec<&str> = std::iter::once(name).chain(words.iter().map(String::as_str)).collect();
        assert_error(decode_file(&file(name), options(&case)).map(drop), &words);
    }
    let bmp = [b"BM".to_vec(), vec![0; 60]].concat();
    let boxed = |brand: &[u8]| [b"\0\0\0\x20ftyp", brand, b"\0\0\0\0"].concat();
    for (bytes, name) in [
        (bmp, "a BMP image"),
        (boxed(b"avif"), "an AVIF image"),
        (boxed(b"heic"), "a HEIC image"),
        (boxed(b"mif1"), "a HEIC image"),
    ] {
        assert_error(decode(&bytes, DecodeOptions::default()).map(drop), &[name, "convert it to PNG"]);
    }
}

/// What every decoder is to bear: an end that is missing, and bytes that are others. A size that lies takes no memory.
#[test]
fn broken_files_are_errors() {
    let deep = |channels| DecodeOptions { channels, max_pixels: 1 << 16, ..DecodeOptions::default() };
    for (name, channels) in [
        ("grey8_lzw.tif", 1),
        ("bands5_planar.tif", 5),
        ("bands5_float.tif", 5),
        ("float_tiled.tif", 1),
        ("palette.tif", 3),
        ("pages.tif", 3),
        ("bands5_chw.npy", 5),
        ("bands5_fortran.npy", 5),
    ] {
        let whole = std::fs::read(file(name)).expect("reads");
        assert!(decode(&whole, deep(channels)).is_ok(), "{name}");
        for length in 0..whole.len() {
            // Some ends are not needed: what counts is that it returns.
            let cut = decode(&whole[..length], deep(channels));
            assert!(
                length + 300 > whole.len() || cut.is_err() || name == "pages.tif",
                "{name}, {length} bytes"
            );
            let mut flipped = whole.clone();
            for bit in [0x01, 0x80, 0xFF] {
                flipped[length] ^= bit;
                let _ = decode(&flipped, deep(channels));
                let _ = ImageHeader::read(std::io::Cursor::new(&flipped));
            }
        }
    }
    assert_error(
        decode(&std::fs::read(file("bands5_hwc.npy")).expect("reads")[..500], deep(5)).map(drop),
        &["truncated", "copy it again"],
    );
}

/// A TIFF of one strip of 8-bit grey, whose header says any size.
fn lying(width: u32, height: u32, channels: u16) -> Vec<u8> {
    let entries: [(u16, u16, u32, u32); 9] = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, 8),
        (277, 3, 1, u32::from(channels)),
        (278, 4, 1, height),
        (279, 4, 1, 16),
    ];
    let mut bytes = b"II*\0".to_vec();
    bytes.extend(24u32.to_le_bytes());
    bytes.extend([7; 16]);
    bytes.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in entries {
        bytes.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
        bytes.extend([count.to_le_bytes(), value.to_le_bytes()].concat());
    }
    bytes.extend([0; 4]);
    bytes
}

#[test]
fn sizes_that_lie() {
    let of = |width, height, channels| {
        let options = DecodeOptions { channels: usize::from(channels), ..DecodeOptions::default() };
        decode(&lying(width, height, channels), options)
    };
    assert_eq!(of(4, 4, 1).expect("is sound").pixels, vec![7u8; 16].into());
    assert_error(of(1_000_000, 1_000_000, 1).map(drop), &["1000000x1000000 pixels", "max_pixels"]);
    assert_error(of(u32::MAX, u32::MAX, 1).map(drop), &["max_pixels"]);
    assert_error(of(10_000, 9_999, 64).map(drop), &["more samples than the limit", "max_pixels"]);
    assert_error(of(5_000, 4_000, 1).map(drop), &["broken image"]);
    assert_error(of(0, 4, 1).map(drop), &["broken image"]);
    let header = ImageHeader::read(std::io::Cursor::new(lying(30, 20, 3))).expect("a header");
    assert_eq!((header.stored, header.orientation), ((30, 20), 1));
    let turned = ImageHeader::of_file(&file("turned.tif")).expect("a header");
    assert_eq!((turned.stored, turned.orientation), ((7, 5), 6));
    let big = ImageHeader::of_file(&file("float_big_endian.tif")).expect("a header");
    assert_eq!(big.stored, (5, 7));

    // The same of arrays.
    let mut array = std::fs::read(file("grey8.npy")).expect("reads");
    let at = array.windows(6).position(|w| w == b"(5, 7)").expect("the shape");
    array[at..at + 6].copy_from_slice(b"(9999,");
    array[at + 6..at + 12].copy_from_slice(b"9999)}");
    assert_error(
        decode(&array, DecodeOptions { channels: 1, ..DecodeOptions::default() }).map(drop),
        &["truncated"],
    );
}

fn float_image(name: &str) -> (Vec<f32>, usize, usize) {
    let options = DecodeOptions { channels: 1, ..DecodeOptions::default() };
    let image = decode_file(&file(name), options).expect("decodes");
    let Samples::F32(values) = image.pixels else { panic!("floats") };
    (values, image.width, image.height)
}

/// Floats as Pillow in its mode F, and 16 bits as those rounded, whatever the number of channels.
#[test]
fn resizing_agrees_with_pillow() {
    let (values, width, _) = float_image("float.npy");
    for [left, top, wide, high, side] in [[0, 0, 61, 47, 24], [7, 5, 40, 33, 32], [20, 10, 17, 21, 48]] {
        for (filter, name) in [(Filter::Bilinear, "bilinear"), (Filter::Bicubic, "bicubic")] {
            let (want, ..) = float_image(&format!("resized_{left}_{top}_{wide}_{high}_{side}_{name}.npy"));
            let cut: Vec<f32> = (top..top + high)
                .flat_map(|y| values[y * width + left..y * width + left + wide].iter().copied())
                .collect();
            let ratio = wide as f64 / high as f64;
            let crop = Crop::RandomResized { scale: (1.0, 1.0), ratio: (ratio, ratio) };
            let made = |image: Image, channels: usize| {
                let (mean, std) = (vec![0.0; channels], vec![1.0; channels]);
                let augment = Augment { crop, flip: 0.0, filter };
                let transform = Transform::new(side, channels, augment, &mean, &std).expect("is sound");
                let mut out = vec![f32::NAN; channels * side * side];
                let mut random = Philox::new(0, Stream::Augment, 0, 0);
                transform.apply(image, &mut random, &mut Scratch::default(), &mut out).expect("transforms");
                out
            };
            // Channel c is the image times (c + 1) / 5.
            let five = |of: &dyn Fn(f32) -> f32| -> Vec<f32> {
                cut.iter().flat_map(|&v| (1..=5).map(move |c| v * c as f32 / 5.0)).map(of).collect()
            };
            let floats = Image { width: wide, height: high, channels: 5, pixels: five(&|v| v) };
            let words = five(&|v| (v * 65_535.0).round()).into_iter().map(|v| v as u16).collect::<Vec<_>>();
            let words = floats.with_pixels(words);
            let bytes = five(&|v| (v * 255.0).round()).into_iter().map(|v| v as u8).collect::<Vec<_>>();
            let bytes = floats.with_pixels(bytes);
            let results = [
                // A rounding of the sum of up to some ten products.
                (made(floats.into(), 5), 2e-6),
                // Each pass rounds to a level, and so did the source.
                (made(words.into(), 5), 2.5 / 65_535.0),
                (made(bytes.into(), 5), 2.5 / 255.0),
            ];
            for (i, (got, by)) in results.into_iter().enumerate() {
                for (c, plane) in got.chunks(side * side).enumerate() {
                    if i > 0 && c == 4 && filter == Filter::Bicubic {
                        // It overshoots white here, and integers are cut there after each pass, as Pillow's are.
                        continue;
                    }
                    for (got, want) in plane.iter().zip(&want) {
                        let want = want * (c + 1) as f32 / 5.0;
                        let want = if i > 0 { want.max(0.0) } else { want };
                        assert!(
                            (got - want).abs() <= by,
                            "{name} {side}, type {i}, channel {c}: {got}, not {want}"
                        );
                    }
                }
            }
        }
    }
}

/// Noise of black and white of 8 bits: the hardest case for a filter that overshoots, since values are cut between the
/// passes, and it counts which is first: here the columns, in Pillow mostly the rows.
#[test]
fn noise_is_resized_as_pillow_does_columns_first() {
    let read = |name: &str| {
        let options = DecodeOptions { channels: 1, ..DecodeOptions::default() };
        decode_file(&file(name), options).expect("decodes").into_8_bit().expect("8 bits")
    };
    let noise = read("noise.npy");
    for side in [8, 40] {
        for (filter, name) in [(Filter::Bilinear, "bilinear"), (Filter::Bicubic, "bicubic")] {
            let want = read(&format!("noise_{side}_{name}.npy"));
            let ratio = noise.width as f64 / noise.height as f64;
            let crop = Crop::RandomResized { scale: (1.0, 1.0), ratio: (ratio, ratio) };
            for channels in [1, 5] {
                let std = vec![1.0 / 255.0; channels];
                let augment = Augment { crop, flip: 0.0, filter };
                let transform =
                    Transform::new(side, channels, augment, &vec![0.0; channels], &std).expect("is sound");
                let pixels: Vec<u8> = noise.pixels.iter().flat_map(|&v| vec![v; channels]).collect();
                let image = Image { width: noise.width, height: noise.height, channels, pixels };
                let mut out = vec![f32::NAN; channels * side * side];
                let mut random = Philox::new(0, Stream::Augment, 0, 0);
                transform.apply(image, &mut random, &mut Scratch::default(), &mut out).expect("transforms");
                let worst = out.chunks(side * side).flat_map(|plane| plane.iter().zip(&want.pixels));
                let worst = worst.map(|(got, &want)| (got - f32::from(want)).abs()).fold(0.0f32, f32::max);
                assert!(worst < 1.01, "{name} to {side}, {channels} channels: {worst} levels");
            }
        }
    }
}

/// All ways of cutting give the same of grey and RGB of 8 bits as of the same by 16 bits and floats.
#[test]
fn all_types_are_cut_alike() {
    let (width, height) = (13, 11);
    for channels in [1, 3, 5] {
        let bytes: Vec<u8> = (0..width * height * channels).map(|i| (i * 37 % 256) as u8).collect();
        let image = Image { width, height, channels, pixels: bytes.clone() };
        let words: Vec<u16> = bytes.iter().map(|&v| 257 * u16::from(v)).collect();
        let floats: Vec<f32> = bytes.iter().map(|&v| f32::from(v) / 255.0).collect();
        let (mean, std) = (vec![0.4; channels], vec![0.3; channels]);
        let augments = [
            Augment { flip: 0.5, ..Augment::pad_and_crop() },
            // Where the image has the size of the square already, nothing is resampled.
            Augment { flip: 0.5, ..Augment::centre(11) },
        ];
        for (augment, side) in augments.into_iter().zip([11, 9]) {
            let transform = Transform::new(side, channels, augment, &mean, &std).expect("is sound");
            for sample in 0..8 {
                let made = |image: Image| {
                    let mut out = vec![f32::NAN; channels * side * side];
                    let mut random = Philox::new(0, Stream::Augment, 0, sample);
                    transform
                        .apply(image, &mut random, &mut Scratch::default(), &mut out)
                        .expect("transforms");
                    out
                };
                let want = made(image.clone().into());
                for got in [
                    made(image.with_pixels(words.clone()).into()),
                    made(image.with_pixels(floats.clone()).into()),
                ] {
                    assert!(want.iter().zip(&got).all(|(a, b)| (a - b).abs() < 1e-6), "{channels}, {sample}");
                }
            }
        }
        let placement = Placement {
            source: palimpsest_datasets::augment::PixelBox { left: 2, top: 1, width: 8, height: 9 },
            resized: (8, 9),
            window: (-1, 2),
            border: palimpsest_datasets::Border::Black,
            flip: true,
        };
        let framing = Framing::of_placement(placement, 10);
        let framed = |image: Image| {
            let framed =
                framing.image(&image, 77, Filter::Bilinear, &mut Scratch::default()).expect("frames");
            planes(&framed, &mean, &std)
        };
        let want = framed(image.clone().into());
        for got in [framed(image.with_pixels(words).into()), framed(image.with_pixels(floats).into())] {
            assert!(want.iter().zip(&got).all(|(a, b)| (a - b).abs() < 1e-6), "{channels}");
        }
    }
}

#[test]
fn data_of_8_bits_take_no_range() {
    use palimpsest_datasets::{DataSpec, Split, open};
    for (scale, nan, page, key) in [
        (Scale::Range(0.0, 9.0), None, 0, "data.range"),
        (Scale::Percentiles(1.0, 99.0), None, 0, "data.percentiles"),
        (Scale::TypeRange, Some(0.0), 0, "data.nan"),
        (Scale::TypeRange, None, 1, "data.page"),
    ] {
        let spec = DataSpec { scaling: Scaling { scale, nan }, page, ..DataSpec::new("fashion-mnist") };
        assert_error(
            open(&spec, Split::Train).map(drop),
            &["`fashion-mnist` are 8-bit", key, "leave the key out"],
        );
    }
}

#[test]
fn folders_of_scientific_images() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, class) in [("bands5_planar.tif", "a"), ("bands5_hwc.npy", "b"), ("bands5_of_rgb.tif", "b")] {
        put(folder.path(), &format!("{class}/{name}"), std::fs::read(file(name)).expect("reads"));
    }
    put(folder.path(), "b/old.bmp", b"BM");
    let spec = palimpsest_datasets::DataSpec {
        channels: 5,
        holdout: 0.0,
        ..palimpsest_datasets::DataSpec::at("folder", folder.path())
    };
    let opened =
        palimpsest_datasets::open_with_notes(&spec, palimpsest_datasets::Split::Train).expect("opens");
    assert_eq!((opened.dataset.len(), opened.dataset.classes()), (3, &["a".to_owned(), "b".to_owned()][..]));
    for index in 0..3 {
        let image = opened.dataset.load(index).expect("loads");
        assert_eq!((image.width, image.height, image.channels, image.pixels.kind()), (11, 9, 5, "16-bit"));
    }
    let notes = opened.notes.join("\n");
    assert!(notes.contains("1 BMP file was passed over, which isn't read: convert it to PNG"), "{notes}");
}
