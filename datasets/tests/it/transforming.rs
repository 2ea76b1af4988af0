use palimpsest_core::data::{Image, Image8};
use palimpsest_core::random::{Philox, Stream};
use palimpsest_datasets::augment::random_resized_box;
use palimpsest_datasets::decode::decode_file;
use palimpsest_datasets::{Augment, Border, Crop, DecodeOptions, Filter, Scratch, Transform};

use crate::files::{assert_error, bytes, fixture};

const RATIO: (f64, f64) = (3.0 / 4.0, 4.0 / 3.0);

fn random(sample: u64) -> Philox {
    Philox::new(5, Stream::Test, 0, sample)
}

/// A transform whose output is the 8-bit values themselves.
fn plain(size: usize, channels: usize, augment: Augment) -> Transform {
    Transform::new(size, channels, augment, &vec![0.0; channels], &vec![1.0 / 255.0; channels])
        .expect("is sound")
}

fn apply(transform: &Transform, image: &Image8, sample: u64) -> Vec<f32> {
    let mut out = vec![f32::NAN; transform.shape().iter().product()];
    let mut scratch = Scratch::default();
    transform.apply(image.clone(), &mut random(sample), &mut scratch, &mut out).expect("transforms");
    // Division and multiplication by 255 leave an error in the last bits.
    out.into_iter().map(f32::round).collect()
}

/// Both round each pass to 8 bits, at different precision: values may differ by one, with no bias.
#[track_caller]
fn assert_near(planes: &[f32], want: &Image8) {
    let area = want.width * want.height;
    let differences: Vec<f32> =
        (0..area * 3).map(|i| planes[i % 3 * area + i / 3] - f32::from(want.pixels[i])).collect();
    let most = differences.iter().fold(0.0, |most: f32, d| most.max(d.abs()));
    let bias = differences.iter().sum::<f32>() / differences.len() as f32;
    assert!(most <= 1.0 && bias.abs() < 0.1, "greatest difference {most}, bias {bias}");
}

#[test]
fn cutting_and_resizing_agrees_with_pillow() {
    let photo = bytes(decode_file(&fixture("photo.png"), DecodeOptions::default()).expect("decodes"));
    for [left, top, width, height, side] in [[0, 0, 61, 47, 24], [7, 5, 40, 33, 32], [20, 10, 17, 21, 48]] {
        for (filter, name) in [(Filter::Bilinear, "bilinear"), (Filter::Bicubic, "bicubic")] {
            let want = fixture(&format!("photo_{left}_{top}_{width}_{height}_{side}_{name}.png"));
            let want = bytes(decode_file(&want, DecodeOptions::default()).expect("decodes"));
            // The box alone: what the crop sees is the same as of a larger image (see the next test).
            let rows = (top..top + height)
                .flat_map(|y| photo.pixels[(y * 61 + left) * 3..(y * 61 + left + width) * 3].iter().copied());
            let cut = Image { width, height, channels: 3, pixels: rows.collect() };
            let whole = Crop::RandomResized {
                scale: (1.0, 1.0),
                ratio: (width as f64 / height as f64, width as f64 / height as f64),
            };
            let got = apply(&plain(side, 3, Augment { crop: whole, flip: 0.0, filter }), &cut, 0);
            assert_near(&got, &want);
        }
    }
}

#[test]
fn a_crop_does_not_see_beyond_its_box() {
    let photo = bytes(decode_file(&fixture("photo.png"), DecodeOptions::default()).expect("decodes"));
    let augment = Augment { flip: 0.0, ..Augment::random_resized(0.2) };
    for sample in 0..20 {
        let b = random_resized_box(61, 47, (0.2, 1.0), RATIO, &mut random(sample));
        let mut hidden = photo.clone();
        for y in 0..47 {
            for x in 0..61 {
                if !(b.left..b.left + b.width).contains(&x) || !(b.top..b.top + b.height).contains(&y) {
                    hidden.pixels[(y * 61 + x) * 3..][..3].fill(0);
                }
            }
        }
        let transform = plain(32, 3, augment);
        assert_eq!(apply(&transform, &photo, sample), apply(&transform, &hidden, sample));
    }
}

#[test]
fn resize_and_centre_crop_agree_with_torchvision() {
    let photo = bytes(decode_file(&fixture("photo.png"), DecodeOptions::default()).expect("decodes"));
    let want = fixture("photo_centre_28_24.png");
    let want = bytes(decode_file(&want, DecodeOptions::default()).expect("decodes"));
    assert_near(&apply(&plain(24, 3, Augment::centre(28)), &photo, 0), &want);
}

#[test]
fn random_resized_crop_has_torchvisions_moments() {
    let text = std::fs::read_to_string(fixture("random_resized_crop.txt")).expect("is there");
    for line in text.lines().filter(|l| !l.starts_with('#')) {
        let n: Vec<f64> = line.split(' ').map(|w| w.parse().expect("a number")).collect();
        let (width, height) = (n[0] as usize, n[1] as usize);
        let draws = 20_000;
        let boxes: Vec<[f64; 4]> = (0..draws)
            .map(|i| {
                let b = random_resized_box(width, height, (n[2], n[3]), RATIO, &mut random(i));
                assert!(b.left + b.width <= width && b.top + b.height <= height && b.width * b.height > 0);
                [b.left, b.top, b.width, b.height].map(|v| v as f64)
            })
            .collect();
        for axis in 0..4 {
            let (want_mean, want_std) = (n[4 + 2 * axis], n[5 + 2 * axis]);
            let mean = boxes.iter().map(|b| b[axis]).sum::<f64>() / draws as f64;
            let std = (boxes.iter().map(|b| (b[axis] - mean).powi(2)).sum::<f64>() / draws as f64).sqrt();
            // Five standard errors of the difference of two such samples.
            let error = 5.0 * want_std * (2.0 / draws as f64).sqrt() + 1e-4;
            assert!((mean - want_mean).abs() <= error, "{line}: mean {axis} is {mean}");
            assert!((std - want_std).abs() <= 1.5 * error, "{line}: deviation {axis} is {std}");
        }
    }
}

#[test]
fn extreme_images_give_a_box() {
    for (width, height) in [(1, 1), (1, 5_000), (5_000, 1), (2, 3)] {
        for sample in 0..50 {
            let b = random_resized_box(width, height, (0.01, 1.0), RATIO, &mut random(sample));
            assert!(b.width >= 1 && b.height >= 1 && b.left + b.width <= width && b.top + b.height <= height);
            let image = Image { width, height, channels: 1, pixels: vec![9; width * height] };
            for augment in [Augment::random_resized(0.01), Augment::simple_resized(), Augment::centre(8)] {
                assert_eq!(apply(&plain(8, 1, augment), &image, sample), [9.0; 64]);
            }
        }
    }
}

fn ramp(side: usize) -> Image8 {
    Image { width: side, height: side, channels: 1, pixels: (0..side * side).map(|i| i as u8 + 1).collect() }
}

/// Where each padded crop of an image of the training size came from, by brute force.
#[test]
fn padded_crops_are_windows_of_the_padded_image() {
    let image = ramp(6);
    for (border, padding) in [(Border::Black, 2_i64), (Border::Reflect, 2)] {
        let crop = Crop::Padded { padding: padding as usize, border };
        let transform = plain(6, 1, Augment { crop, flip: 0.0, filter: Filter::Bilinear });
        let at = |x: i64, y: i64| -> f32 {
            let inside = |v: i64| (0..6).contains(&v);
            let mirror = |v: i64| {
                if v < 0 {
                    -v
                } else if v > 5 {
                    10 - v
                } else {
                    v
                }
            };
            match border {
                Border::Black if !inside(x) || !inside(y) => 0.0,
                _ => f32::from(image.pixels[(mirror(y) * 6 + mirror(x)) as usize]),
            }
        };
        let mut seen = std::collections::BTreeSet::new();
        for sample in 0..400 {
            let got = apply(&transform, &image, sample);
            let window = (-padding..=padding)
                .flat_map(|dy| (-padding..=padding).map(move |dx| (dx, dy)))
                .find(|&(dx, dy)| (0..36).all(|i| got[i] == at(i as i64 % 6 + dx, i as i64 / 6 + dy)));
            seen.insert(window.expect("a window of the padded image"));
        }
        assert_eq!(seen.len(), 25, "all offsets occur");
    }
}

#[test]
fn simple_resized_crop_keeps_the_aspect() {
    // An image twice as wide as high, left half black: the crop is never squeezed.
    let pixels = (0..64 * 32).map(|i| if i % 64 < 32 { 0 } else { 255 }).collect();
    let image = Image { width: 64, height: 32, channels: 1, pixels };
    let transform = plain(16, 1, Augment { flip: 0.0, ..Augment::simple_resized() });
    let mut widths = std::collections::BTreeSet::new();
    for sample in 0..300 {
        let got = apply(&transform, &image, sample);
        widths.insert(got[..16].iter().filter(|&&v| v > 127.0).count());
    }
    assert_eq!(widths.into_iter().collect::<Vec<_>>(), (0..=16).collect::<Vec<_>>());
}

#[test]
fn flips_mirror_half_of_the_images() {
    let image = ramp(8);
    let upright = apply(&plain(8, 1, Augment::centre(8)), &image, 0);
    let mirrored: Vec<f32> = upright.chunks(8).flat_map(|row| row.iter().rev().copied()).collect();
    let transform = plain(8, 1, Augment { flip: 0.5, ..Augment::centre(8) });
    let flips = (0..1_000).filter(|&i| {
        let got = apply(&transform, &image, i);
        assert!(got == upright || got == mirrored);
        got == mirrored
    });
    let flips = flips.count();
    assert!((420..=580).contains(&flips), "{flips}");
    let always = plain(8, 3, Augment { flip: 1.0, ..Augment::centre(8) });
    assert_eq!(apply(&always, &image, 0), mirrored.repeat(3));
}

#[test]
fn normalisation_is_by_channel() {
    let image = Image { width: 1, height: 1, channels: 3, pixels: vec![0u8, 128, 255] };
    let transform =
        Transform::new(1, 3, Augment::centre(1), &[0.5, 0.25, 0.0], &[0.5, 0.25, 2.0]).expect("is sound");
    let mut got = [0.0; 3];
    transform.apply(image, &mut random(0), &mut Scratch::default(), &mut got).expect("transforms");
    for (got, want) in got.iter().zip([-1.0, (128.0 / 255.0 - 0.25) / 0.25, 0.5]) {
        assert!((got - want).abs() < 1e-6, "{got} {want}");
    }
}

#[test]
fn settings_out_of_range() {
    let with = |size, channels, augment, mean: &[f32], std: &[f32]| {
        Transform::new(size, channels, augment, mean, std)
    };
    let centre = Augment::centre(8);
    assert_error(with(0, 1, centre, &[0.0], &[1.0]), &["image_size = 0"]);
    assert_error(with(8, 65, centre, &[0.0; 65], &[1.0; 65]), &["channels = 65"]);
    assert_error(with(8, 3, centre, &[0.0], &[1.0; 3]), &["mean has 1 numbers for 3 channels"]);
    assert_error(with(8, 1, centre, &[0.0], &[0.0]), &["std has 0", "above 0"]);
    assert_error(with(9, 1, centre, &[0.0], &[1.0]), &["9", "8", "resize"]);
    assert_error(with(8, 1, Augment::random_resized(0.0), &[0.0], &[1.0]), &["scale 0..1"]);
    assert_error(with(8, 1, Augment { flip: 1.5, ..centre }, &[0.0], &[1.0]), &["flip = 1.5"]);
}
