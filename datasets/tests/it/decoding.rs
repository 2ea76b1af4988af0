use image::metadata::Orientation;
use image::{DynamicImage, GrayAlphaImage, GrayImage, ImageBuffer, ImageFormat, Luma, LumaA, Rgb, Rgba};
use palimpsest_core::data::Image;
use palimpsest_datasets::decode::{DecodeOptions, Exif, decode, decode_file};
use palimpsest_datasets::{Scale, Scaling};

use crate::files::{assert_error, bytes, encode, fixture, jpeg, png, put, rgb_image};

const RGB: DecodeOptions = DecodeOptions {
    channels: 3,
    max_pixels: 100_000_000,
    exif: Exif::Apply,
    page: 0,
    scaling: Scaling { scale: Scale::TypeRange, nan: None },
};
const GREY: DecodeOptions = DecodeOptions { channels: 1, ..RGB };

fn near(image: &Image, x: usize, y: usize, want: &[u8], by: u8) {
    let image = bytes(image.clone());
    let at = (y * image.width + x) * image.channels;
    let got = &image.pixels[at..at + image.channels];
    assert!(got.iter().zip(want).all(|(g, w)| g.abs_diff(*w) <= by), "({x}, {y}) is {got:?}, not {want:?}");
}

#[test]
fn png_and_lossless_webp_are_exact() {
    let truth = rgb_image(13, 9, 1);
    for format in [ImageFormat::Png, ImageFormat::WebP] {
        let got = decode(&encode(&truth.clone().into(), format), RGB).expect("decodes");
        assert_eq!((got.width, got.height, got.channels), (13, 9, 3));
        assert_eq!(bytes(got).pixels, *truth.as_raw());
    }
}

#[test]
fn grey_has_rec_601_luma_as_pillow() {
    let got = decode_file(&fixture("photo.png"), GREY).expect("decodes");
    let want = decode_file(&fixture("photo_grey.png"), GREY).expect("decodes");
    assert_eq!(got, want);
}

#[test]
fn jpeg_in_grey_and_colour() {
    let truth = rgb_image(40, 24, 0);
    let file = encode(&truth.clone().into(), ImageFormat::Jpeg);
    let colour = bytes(decode(&file, RGB).expect("decodes"));
    let grey = bytes(decode(&file, GREY).expect("decodes"));
    assert_eq!((grey.width, grey.height, grey.channels, grey.pixels.len()), (40, 24, 1, 40 * 24));
    // Up to the rounding of the conversion to RGB and back.
    for (p, &g) in colour.pixels.chunks_exact(3).zip(&grey.pixels) {
        assert!(palimpsest_datasets::colour::luma_601(p[0], p[1], p[2]).abs_diff(g) <= 3);
    }
    let from_grey: DynamicImage = DynamicImage::from(truth).to_luma8().into();
    let file = encode(&from_grey, ImageFormat::Jpeg);
    assert_eq!(decode(&file, GREY).expect("decodes").channels, 1);
    let grey_as_rgb = bytes(decode(&file, RGB).expect("decodes"));
    assert!(grey_as_rgb.pixels.chunks_exact(3).all(|p| p[0] == p[1] && p[1] == p[2]));
}

#[test]
fn cmyk_and_ycck() {
    for name in ["cmyk.jpg", "ycck.jpg"] {
        let got = decode_file(&fixture(name), RGB).expect(name);
        assert_eq!((got.width, got.height), (32, 32));
        near(&got, 8, 8, &[0, 255, 255], 4);
        near(&got, 24, 8, &[255, 0, 0], 4);
        near(&got, 8, 24, &[127, 127, 127], 4);
        near(&got, 24, 24, &[255, 255, 255], 4);
        near(&decode_file(&fixture(name), GREY).expect(name), 8, 24, &[127], 4);
    }
}

#[test]
fn sixteen_bits() {
    let rgb: DynamicImage =
        ImageBuffer::<Rgb<u16>, _>::from_fn(4, 3, |x, y| Rgb([x as u16 * 0x5555, y as u16 * 0x7FFF, 0xFFFF]))
            .into();
    let got = decode(&encode(&rgb, ImageFormat::Png), RGB).expect("decodes");
    near(&got, 1, 1, &[0x55, 0x7F, 0xFF], 1);
    near(&got, 3, 2, &[0xFF, 0xFF, 0xFF], 1);
    let grey: DynamicImage = ImageBuffer::<Luma<u16>, _>::from_pixel(4, 3, Luma([0x8080])).into();
    near(&decode(&encode(&grey, ImageFormat::Png), GREY).expect("decodes"), 2, 1, &[0x80], 0);
}

#[test]
fn alpha_is_composited_on_white() {
    let shades = [(0_u8, 0_u8, 255_u8), (0, 255, 0), (100, 128, 177), (255, 7, 255)];
    for (value, alpha, want) in shades {
        let rgba: DynamicImage = ImageBuffer::from_pixel(3, 2, Rgba([value, value, value, alpha])).into();
        for format in [ImageFormat::Png, ImageFormat::WebP] {
            near(&decode(&encode(&rgba, format), RGB).expect("decodes"), 1, 1, &[want; 3], 0);
        }
        let grey: DynamicImage = GrayAlphaImage::from_pixel(3, 2, LumaA([value, alpha])).into();
        near(&decode(&encode(&grey, ImageFormat::Png), GREY).expect("decodes"), 1, 1, &[want], 0);
        near(&decode(&encode(&grey, ImageFormat::Png), RGB).expect("decodes"), 1, 1, &[want; 3], 0);
    }
}

/// CRC-32 of PNG chunks.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, &b| {
        (0..8).fold(crc ^ u32::from(b), |c, _| if c & 1 == 1 { c >> 1 ^ 0xEDB8_8320 } else { c >> 1 })
    })
}

fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let inner = [&kind[..], body].concat();
    [&(body.len() as u32).to_be_bytes()[..], &inner, &crc(&inner).to_be_bytes()].concat()
}

/// A PNG of one colour type and bit depth from its chunks and raw rows.
fn raw_png(width: u32, height: u32, depth: u8, kind: u8, extra: &[Vec<u8>], rows: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([depth, kind, 0, 0, 0]);
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(rows).expect("packs");
    let data = packed.finish().expect("packs");
    let parts = [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", &header),
        extra.concat(),
        chunk(b"IDAT", &data),
        chunk(b"IEND", &[]),
    ];
    parts.concat()
}

#[test]
fn palettes_with_and_without_transparency() {
    let palette = chunk(b"PLTE", &[10, 20, 30, 200, 100, 0]);
    // Two pixels of one bit each: entries 0 and 1.
    let rows = [0, 0b0100_0000];
    let got = decode(&raw_png(2, 1, 1, 3, std::slice::from_ref(&palette), &rows), RGB).expect("decodes");
    assert_eq!(bytes(got).pixels, [10, 20, 30, 200, 100, 0]);
    let clear = chunk(b"tRNS", &[0]);
    let got = decode(&raw_png(2, 1, 1, 3, &[palette, clear], &rows), RGB).expect("decodes");
    assert_eq!(bytes(got).pixels, [255, 255, 255, 200, 100, 0]);
}

/// A JPEG with an EXIF segment that has the orientation alone.
fn with_orientation(jpeg: &[u8], orientation: u8, big: bool) -> Vec<u8> {
    let tiff: &[u8] = if big {
        &[b'M', b'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0]
    } else {
        &[b'I', b'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0]
    };
    let body = [b"Exif\0\0", tiff].concat();
    let length = (body.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xFF, 0xE1], &length, &body, &jpeg[2..]].concat()
}

#[test]
fn exif_orientation_is_applied() {
    let truth =
        GrayImage::from_fn(32, 16, |x, y| Luma([if x < 16 { 0 } else { 160 } + if y < 8 { 0 } else { 80 }]));
    let bytes = encode(&DynamicImage::from(truth.clone()), ImageFormat::Jpeg);
    for orientation in 1..=8 {
        for big in [false, true] {
            let got = decode(&with_orientation(&bytes, orientation, big), GREY).expect("decodes");
            // The image crate's own turns are the reference.
            let mut want = DynamicImage::from(truth.clone());
            want.apply_orientation(Orientation::from_exif(orientation).expect("is one"));
            assert_eq!((got.width as u32, got.height as u32), (want.width(), want.height()));
            let want = want.to_luma8();
            for (x, y) in [(3, 3), (got.width - 4, 3), (3, got.height - 4), (got.width - 4, got.height - 4)] {
                near(&got, x, y, &[want.get_pixel(x as u32, y as u32)[0]], 6);
            }
        }
    }
}

#[test]
fn the_format_is_told_by_content() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = put(folder.path(), "really_a.jpg", png(5, 4, 0));
    assert_eq!(bytes(decode_file(&path, RGB).expect("decodes")).pixels, *rgb_image(5, 4, 0).as_raw());
}

#[test]
fn broken_files_are_one_clear_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    let check = |name: &str, bytes: &[u8], parts: &[&str]| {
        let path = put(root, name, bytes);
        assert_error(decode_file(&path, RGB), parts);
        assert_error(decode_file(&path, RGB), &[path.to_str().expect("Unicode")]);
    };
    check("empty.jpg", b"", &["is empty"]);
    check("text.jpg", b"<html>not found</html>", &["not a JPEG, PNG or WebP", "<html>"]);
    check("gif.png", b"GIF89a\x01\x00\x01\x00", &["not a JPEG, PNG or WebP"]);
    check("soi.jpg", &[0xFF, 0xD8], &["broken image"]);
    assert_error(decode_file(&root.join("missing.jpg"), RGB), &["missing.jpg", "no such file"]);

    let huge = raw_png(60_000, 60_000, 8, 2, &[], &[0; 100]);
    check("huge.png", &huge, &["60000x60000", "max_pixels"]);
    let mut huge = jpeg(64, 48, 0);
    let frame = huge.windows(2).position(|w| w == [0xFF, 0xC0]).expect("a frame header");
    huge[frame + 5..frame + 9].copy_from_slice(&[0xEA, 0x60, 0xEA, 0x60]);
    check("huge.jpg", &huge, &["60000x60000", "max_pixels"]);
    check("none.png", &raw_png(0, 0, 8, 2, &[], &[]), &["broken image"]);
}

#[test]
fn every_truncation_is_an_error_and_no_byte_flip_panics() {
    let webp = encode(&rgb_image(24, 20, 3).into(), ImageFormat::WebP);
    for whole in [jpeg(64, 48, 3), png(24, 20, 3), webp] {
        for keep in 0..whole.len() - 1 {
            // The last chunk of a PNG carries no pixels: without it the image is complete.
            if whole.starts_with(b"\x89PNG") && keep >= whole.len() - 16 {
                break;
            }
            assert!(decode(&whole[..keep], RGB).is_err(), "{keep} of {} bytes decoded", whole.len());
        }
        for at in (0..whole.len()).step_by(3) {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x5A;
            // Either way is fine; what counts is that it returns.
            let _ = decode(&flipped, DecodeOptions { max_pixels: 1 << 20, ..RGB });
        }
    }
}

#[test]
fn other_channel_counts_are_refused() {
    assert_error(
        decode(&png(2, 2, 0), DecodeOptions { channels: 4, ..RGB }),
        &["has 3 channels, and 4 are asked for", "data.channels=3"],
    );
    assert_error(
        decode(&png(2, 2, 0), DecodeOptions { channels: 65, ..RGB }),
        &["65 channels", "at most 64"],
    );
    assert_error(decode(&jpeg(8, 8, 0), DecodeOptions { channels: 5, ..RGB }), &["has 3 channels"]);
}
