//! Images framed together with their targets.

use palimpsest_core::data::{Image, Image8};
use palimpsest_datasets::augment::{Augment, PixelBox};
use palimpsest_datasets::joint::{Framing, LargeScaleJitter, ScaledCrop, planes, stream};
use palimpsest_datasets::{Filter, Scratch};
use palimpsest_targets::{BoundingBox, IGNORE, LabelMap, Object, Rle};
use serde_json::Value;

use crate::files::{assert_error, bytes, fixture};

fn whole(width: usize, height: usize) -> Framing {
    Framing::resize((width, height), (width, height))
}

/// An image of which each pixel's red is its column and green its row.
fn places(width: usize, height: usize) -> Image {
    let pixels: Vec<u8> =
        (0..width * height).flat_map(|at| [(at % width) as u8, (at / width) as u8, 9]).collect();
    Image { width, height, channels: 3, pixels }.into()
}

fn image(framing: &Framing, image: &Image) -> Image8 {
    bytes(framing.image(image, 77, Filter::Bilinear, &mut Scratch::default()).expect("frames"))
}

#[test]
fn labels_are_resized_as_pillow_does() {
    let bytes = std::fs::read(fixture("nearest/nearest.json")).expect("reads");
    let cases: Value = serde_json::from_slice(&bytes).expect("JSON");
    let numbers = |v: &Value| -> Vec<usize> {
        v.as_array().expect("a list").iter().map(|v| v.as_u64().expect("a number") as usize).collect()
    };
    for case in cases.as_array().expect("a list") {
        let (size, cut, to) = (numbers(&case["size"]), numbers(&case["box"]), numbers(&case["to"]));
        let bytes = |v: &Value| numbers(v).iter().map(|&v| v as u8).collect::<Vec<_>>();
        let map = LabelMap::new(size[0], size[1], bytes(&case["labels"]));
        let source = PixelBox { left: cut[0], top: cut[1], width: cut[2] - cut[0], height: cut[3] - cut[1] };
        let framing = Framing { source, ..Framing::resize((1, 1), (to[0], to[1])) };
        assert_eq!(framing.labels(&map).expect("frames").labels, bytes(&case["want"]), "{cut:?} to {to:?}");
    }
}

#[test]
fn image_labels_and_masks_are_framed_alike() {
    // Without resampling, all three must agree pixel by pixel.
    let (width, height) = (9, 7);
    let positions = places(width, height);
    let map = LabelMap::new(
        width,
        height,
        (0..width * height).map(|at| (at % width + 10 * (at / width)) as u8).collect(),
    );
    let object = Object::masked(0, Rle::from_fn(width, height, |x, y| (x * y) % 3 == 1));
    for flip in [false, true] {
        for (window, source) in [
            ((-2, 1), PixelBox { left: 0, top: 0, width: 9, height: 7 }),
            ((3, -4), PixelBox { left: 0, top: 0, width: 9, height: 7 }),
            ((0, 0), PixelBox { left: 2, top: 1, width: 5, height: 4 }),
        ] {
            let framing =
                Framing { source, resized: (source.width, source.height), window, size: (8, 6), flip };
            let (shown, labels) = (image(&framing, &positions), framing.labels(&map).expect("frames"));
            let objects = framing.objects(std::slice::from_ref(&object), 0.0).expect("frames");
            let mask = objects[0].mask.as_ref().expect("a mask").decode();
            for (at, &covered) in mask.iter().enumerate() {
                let pixel = &shown.pixels[3 * at..3 * at + 3];
                if labels.labels[at] == IGNORE {
                    assert_eq!((pixel, covered), (&[77; 3][..], 0));
                    continue;
                }
                let (x, y) = (usize::from(pixel[0]), usize::from(pixel[1]));
                assert_eq!(usize::from(labels.labels[at]), x + 10 * y);
                assert_eq!(covered == 1, (x * y) % 3 == 1);
            }
        }
    }
}

#[test]
fn boxes_follow_their_masks() {
    let object =
        Object::masked(3, Rle::from_fn(40, 30, |x, y| (10..20).contains(&x) && (5..25).contains(&y)));
    let framed =
        |framing: Framing, least: f64| framing.objects(std::slice::from_ref(&object), least).expect("frames");
    let flipped = &framed(Framing { flip: true, ..whole(40, 30) }, 0.5)[0];
    assert_eq!((flipped.bounds, flipped.area), (BoundingBox::new(20.0, 5.0, 10.0, 20.0), 200.0));
    assert_eq!(flipped.mask.as_ref().expect("a mask").bounds(), flipped.bounds);
    let doubled = &framed(Framing::resize((40, 30), (80, 60)), 0.5)[0];
    assert_eq!((doubled.bounds, doubled.area), (BoundingBox::new(20.0, 10.0, 20.0, 40.0), 800.0));
    assert_eq!(doubled.mask.as_ref().expect("a mask").area(), 800);
    // Three of ten columns are left.
    let cut = Framing { window: (17, 0), size: (20, 30), ..whole(40, 30) };
    let left = &framed(cut, 0.3)[0];
    assert_eq!(left.bounds, BoundingBox::new(0.0, 5.0, 3.0, 20.0));
    assert!((left.area - 60.0).abs() < 1e-9);
    assert!(framed(cut, 0.31).is_empty());
    assert!(framed(Framing { window: (30, 0), ..cut }, 0.0).is_empty());
    // The source cuts too.
    let source = PixelBox { left: 17, top: 0, width: 20, height: 30 };
    assert_eq!(framed(Framing { source, ..Framing::resize((20, 30), (20, 30)) }, 0.3)[0].bounds, left.bounds);
    // With a box alone, the box's share counts.
    let boxed = Object { mask: None, ..object.clone() };
    let kept = cut.objects(std::slice::from_ref(&boxed), 0.29).expect("frames");
    assert_eq!((kept[0].bounds, kept[0].mask.is_none()), (left.bounds, true));
    assert!(cut.objects(std::slice::from_ref(&boxed), 0.31).expect("frames").is_empty());
    // Crowds stay crowds.
    let crowd = Object { crowd: true, ..object.clone() };
    assert!(cut.objects(&[crowd], 0.0).expect("frames")[0].crowd);
}

#[test]
fn a_cut_box_is_drawn_anew_around_its_mask() {
    // A triangle: cutting it leaves less than the cut box.
    let object = Object::masked(0, Rle::from_fn(20, 20, |x, y| y <= x));
    let cut = Framing { size: (10, 20), ..whole(20, 20) };
    let framed = cut.objects(&[object], 0.0).expect("frames");
    assert_eq!(framed[0].bounds, BoundingBox::new(0.0, 0.0, 10.0, 10.0));
}

#[test]
fn boxes_go_there_and_back() {
    let framing = Framing {
        source: PixelBox { left: 3, top: 2, width: 30, height: 20 },
        resized: (45, 41),
        window: (-4, 7),
        size: (32, 32),
        flip: true,
    };
    let bounds = BoundingBox::new(5.25, 3.5, 11.0, 6.125);
    let back = framing.restore(&framing.location(&bounds));
    for (a, b) in [
        (back.left, bounds.left),
        (back.top, bounds.top),
        (back.width, bounds.width),
        (back.height, bounds.height),
    ] {
        assert!((a - b).abs() < 1e-12, "{back:?}");
    }
}

#[test]
fn fitting_keeps_proportions() {
    let framing = Framing::fit((200, 100), (64, 64));
    assert_eq!((framing.resized, framing.window, framing.size), ((64, 32), (0, 0), (64, 64)));
    let shown = image(&framing, &places(200, 100));
    assert_eq!(shown.pixels[3 * 64 * 40], 77);
    assert_eq!(Framing::fit((1, 1000), (10, 10)).resized, (1, 10));
}

#[test]
fn jitter_has_the_range_it_says() {
    let jitter = LargeScaleJitter::new(64, 48);
    jitter.check().expect("sound");
    let (mut least, mut most, mut flips) = (f64::INFINITY, 0.0f64, 0);
    for sample in 0..2_000 {
        let framing = jitter.draw((100, 80), &mut stream(5, 0, sample));
        assert_eq!(framing, jitter.draw((100, 80), &mut stream(5, 0, sample)));
        let factor = framing.resized.1 as f64 / 80.0 / (48.0f64 / 80.0);
        (least, most) = (least.min(factor), most.max(factor));
        flips += usize::from(framing.flip);
        // The window never leaves a resized part that is larger, and begins at 0 else.
        for (at, resized, size) in
            [(framing.window.0, framing.resized.0, 64), (framing.window.1, framing.resized.1, 48)]
        {
            assert!(at >= 0 && at as usize <= resized.saturating_sub(size), "{framing:?}");
        }
    }
    // Rounding to whole pixels is up to 0.5 / 48.
    assert!(least > 0.1 - 0.011 && least < 0.12 && most < 2.0 + 0.011 && most > 1.98, "{least} {most}");
    // Five standard deviations of a fair coin.
    assert!((888..=1_112).contains(&flips), "{flips}");
    assert_ne!(jitter.draw((100, 80), &mut stream(5, 0, 1)), jitter.draw((100, 80), &mut stream(5, 1, 1)));
    assert_error(LargeScaleJitter { scale: (2.0, 0.1), ..jitter }.check(), &["jitter 2..0.1", "; use"]);
    assert_error(LargeScaleJitter { size: (0, 4), ..jitter }.check(), &["window of 0x4"]);
    assert_error(LargeScaleJitter { flip: 1.5, ..jitter }.check(), &["flip = 1.5"]);
}

#[test]
fn crops_avoid_a_single_class() {
    // One class but for a corner: most crops of 16 would have no other.
    let labels = (0..64 * 64).map(|at| u8::from(at % 64 < 20 && at / 64 < 20)).collect();
    let map = LabelMap::new(64, 64, labels);
    let crop = ScaledCrop { base: (64, 64), scale: (1.0, 1.0), flip: 0.0, ..ScaledCrop::new(16) };
    crop.check().expect("sound");
    let share_of_mixed = |crop: ScaledCrop| {
        let mixed = (0..500).filter(|&sample| {
            let framing = crop.draw(&map, &mut stream(1, 0, sample));
            let counts = framing.labels(&map).expect("frames").histogram();
            let most = counts[0].max(counts[1]) as f64;
            counts[0] > 0 && counts[1] > 0 && most < 0.75 * 256.0
        });
        mixed.count() as f64 / 500.0
    };
    let (without, with) = (share_of_mixed(ScaledCrop { most_of_one: 1.0, ..crop }), share_of_mixed(crop));
    // A first crop and ten more: 1 - (1 - p)^11, within five standard errors.
    let expected = 1.0 - (1.0 - without).powi(11);
    let tolerance = 5.0 * (expected * (1.0 - expected) / 500.0).sqrt()
        + 11.0 * 5.0 * (without / 500.0).sqrt() * (1.0 - without).powi(10);
    assert!(with > without && (with - expected).abs() < tolerance, "{without} {with} {expected} {tolerance}");
    // Nothing but pixels to ignore: it ends, too.
    let blank = LabelMap::new(64, 64, vec![IGNORE; 64 * 64]);
    crop.draw(&blank, &mut stream(1, 0, 0));
    // Small images are padded with what is ignored.
    let small = LabelMap::new(8, 8, vec![0; 64]);
    let framing = ScaledCrop { base: (8, 8), ..crop }.draw(&small, &mut stream(1, 0, 0));
    assert_eq!(framing.labels(&small).expect("frames").histogram()[usize::from(IGNORE)], 256 - 64);
    assert_error(ScaledCrop { most_of_one: 0.0, ..crop }.check(), &["most_of_one = 0"]);
    assert_error(ScaledCrop { base: (0, 1), ..crop }.check(), &["base of (0, 1)"]);
}

#[test]
fn scaled_crop_fits_like_mmsegmentation() {
    // 683 x 512 into (2048, 512): the shorter side decides; a panorama: the longer.
    let crop = ScaledCrop { scale: (1.0, 1.0), ..ScaledCrop::new(512) };
    let resized =
        |w: usize, h: usize| crop.draw(&LabelMap::new(w, h, vec![0; w * h]), &mut stream(0, 0, 0)).resized;
    assert_eq!(resized(341, 256), (682, 512));
    assert_eq!(resized(300, 30), (2048, 205));
}

#[test]
fn classification_crops_frame_alike() {
    let placement = Augment::random_resized(0.2).draw(50, 40, 16, &mut stream(0, 0, 3));
    let framing = Framing::of_placement(placement, 16);
    let shown = image(&framing, &places(50, 40));
    assert_eq!((shown.width, shown.height), (16, 16));
    assert_eq!(framing.labels(&LabelMap::new(50, 40, vec![1; 2_000])).expect("frames").histogram()[1], 256);
}

#[test]
fn planes_are_normalised() {
    let image = Image { width: 2, height: 1, channels: 3, pixels: vec![0u8, 51, 255, 255, 102, 0] };
    let out = planes(&image.into(), &[0.0, 0.2, 0.5], &[1.0, 0.5, 0.25]);
    let want = [0.0, 1.0, 0.0, 0.4, 2.0, -2.0];
    assert!(out.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-6), "{out:?}");
}

#[test]
fn targets_of_another_size() {
    let framing = whole(8, 8);
    assert_error(framing.labels(&LabelMap::new(7, 8, vec![0; 56])), &["label map of 7x8; "]);
    assert_error(
        framing.objects(&[Object::masked(0, Rle::from_fn(8, 7, |_, _| true))], 0.0),
        &["mask of 8x7; "],
    );
}
