//! Composed scenes, and sheets of them.

use std::collections::HashSet;

use palimpsest_datasets::scene::{Scene, SceneSettings, Scenes};
use palimpsest_datasets::target_sheet::{detection_sheet, object_sheet, segmentation_sheet};
use palimpsest_datasets::{DataSpec, Split, open, open_detection, open_segmentation};
use palimpsest_targets::{Object, Rle};

use crate::files::{assert_error, bytes};

fn scenes(split: Split) -> Scenes {
    Scenes::open(SceneSettings::default(), split).expect("opens")
}

fn masks(scene: &Scene) -> Vec<Vec<u8>> {
    scene.objects.iter().map(|object| object.mask.as_ref().expect("a mask").decode()).collect()
}

#[test]
fn masks_are_disjoint_and_boxes_tight() {
    let data = scenes(Split::Train);
    let (mut classes, mut counts, mut covered) = ([0; 10], [0; 6], 0);
    for index in 0..300 {
        let scene = data.scene(index).expect("composes");
        let (width, height) = (scene.image.width, scene.image.height);
        let mut owners = vec![0; width * height];
        counts[scene.objects.len()] += 1;
        for (object, mask) in scene.objects.iter().zip(masks(&scene)) {
            classes[object.class as usize] += 1;
            owners.iter_mut().zip(&mask).for_each(|(owner, inside)| *owner += inside);
            // By hand, from the pixels.
            let inside = |x: usize, y: usize| mask[y * width + x] == 1;
            let columns: Vec<usize> = (0..width).filter(|&x| (0..height).any(|y| inside(x, y))).collect();
            let rows: Vec<usize> = (0..height).filter(|&y| (0..width).any(|x| inside(x, y))).collect();
            let b = object.bounds;
            assert_eq!((b.left, b.right()), (columns[0] as f64, (columns[columns.len() - 1] + 1) as f64));
            assert_eq!((b.top, b.bottom()), (rows[0] as f64, (rows[rows.len() - 1] + 1) as f64));
            assert_eq!(object.area, mask.iter().map(|&v| f64::from(v)).sum::<f64>());
        }
        assert!(owners.iter().all(|&owner| owner <= 1));
        let labels = scene.labels();
        assert!(labels.labels.iter().zip(&owners).all(|(&label, &owner)| (label > 0) == (owner == 1)));
        assert!(scene.visible.iter().all(|&v| (SceneSettings::default().least_visible..=1.0).contains(&v)));
        covered += scene.visible.iter().filter(|&&v| v < 0.999).count();
    }
    assert!(classes.iter().all(|&n| n > 40), "{classes:?}");
    assert!(counts[2..].iter().all(|&n| n > 30), "{counts:?}");
    // There is something to be learnt of occlusion.
    assert!(covered > 200, "{covered}");
}

#[test]
fn the_class_is_the_items() {
    let data = scenes(Split::Test);
    for index in 0..50 {
        let scene = data.scene(index).expect("composes");
        for (object, &item) in scene.objects.iter().zip(&scene.items) {
            assert_eq!(Some(object.class), data.items().label(item));
        }
    }
}

#[test]
fn test_scenes_have_test_items_only() {
    // By the items' pixels: whatever a test scene is made of is no training image.
    let train = open(&DataSpec::new("fashion-mnist"), Split::Train).expect("opens");
    let pixels: HashSet<Vec<u8>> =
        (0..train.len()).map(|i| bytes(train.load(i).expect("loads")).pixels).collect();
    let data = scenes(Split::Test);
    let mut used = HashSet::new();
    for index in 0..data.count() {
        used.extend(data.scene(index).expect("composes").items);
    }
    assert!(used.len() > 800, "{}", used.len());
    for item in used {
        assert!(data.items().location(item).contains("test"), "{}", data.items().location(item));
        assert!(!pixels.contains(&bytes(data.items().load(item).expect("loads")).pixels), "item {item}");
    }
}

#[test]
fn a_scene_is_a_function_of_seed_split_and_index() {
    let with = |seed, split, index| {
        let settings = SceneSettings { seed, ..SceneSettings::default() };
        Scenes::open(settings, split).expect("opens").scene(index).expect("composes")
    };
    let scene = with(3, Split::Train, 7);
    assert_eq!(scene, with(3, Split::Train, 7));
    assert_ne!(scene, with(3, Split::Train, 8));
    assert_ne!(scene.image, with(3, Split::Test, 7).image);
    assert_ne!(scene, with(4, Split::Train, 7));
    // Pinned: a change would make scores of different versions differ without a word. FNV-1a.
    let mut hash = 0xCBF2_9CE4_8422_2325_u64;
    for index in 0..8 {
        for byte in with(0, Split::Train, index).image.pixels {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }
    assert_eq!(hash, PINNED, "{hash:#x}");
}

const PINNED: u64 = 0x5f560e0f1204c38c;

#[test]
fn settings_are_kept() {
    let settings = SceneSettings {
        size: (160, 64),
        items: (6, 6),
        item_size: (0.2, 0.3),
        count: (3, 2),
        ..SceneSettings::default()
    };
    let keys = "size = [160, 64]\nitems = [6, 6]\nitem_size = [0.2, 0.3]\ncount = [3, 2]";
    let spec = DataSpec::new("scenes").with_keys(keys).expect("TOML");
    let data = open_detection(&spec, Split::Train).expect("opens").dataset;
    assert_eq!((data.len(), open_detection(&spec, Split::Test).expect("opens").dataset.len()), (3, 2));
    let (image, objects) = data.sample(0).expect("composes");
    assert_eq!((image.width, image.height, image.channels), (160, 64, 3));
    assert_eq!(objects.len(), 6);
    // An item's longer side is 20 to 30 % of 64 pixels, rounded.
    assert!(objects.iter().all(|o| o.bounds.width <= 20.0 && o.bounds.height <= 20.0));
    let maps = open_segmentation(&spec, Split::Train).expect("opens").dataset;
    assert_eq!((maps.classes().len(), &*maps.classes()[0]), (11, "background"));
    assert_eq!(maps.sample(0).expect("composes").0, image);
    // The images alone.
    assert_eq!(open(&spec, Split::Train).expect("opens").load(0).expect("composes"), image);
    for (wrong, part) in [
        (SceneSettings { size: (8, 64), ..settings }, "scenes: size = 8x64; "),
        (SceneSettings { items: (3, 2), ..settings }, "items = 3..2; "),
        (SceneSettings { item_size: (0.0, 0.5), ..settings }, "item_size = 0..0.5; "),
        (SceneSettings { least_visible: 0.0, ..settings }, "least_visible = 0; "),
        (SceneSettings { count: (0, 1), ..settings }, "count = 0 and 1; "),
    ] {
        assert_error(Scenes::open(wrong, Split::Train).map(|_| ()), &[part]);
    }
}

#[test]
fn sheets_show_masks_and_names() {
    let spec = DataSpec::new("scenes");
    let (boxes, maps) = (
        open_detection(&spec, Split::Test).expect("opens").dataset,
        open_segmentation(&spec, Split::Test).expect("opens").dataset,
    );
    let sheet = detection_sheet(&*boxes, 3, [0, 1, 2]).expect("draws");
    let drawn = sheet.draw();
    // Two columns of 3 x 96 pixels.
    assert!(drawn.width > 2 * 288 && drawn.height > 3 * 288, "{}x{}", drawn.width, drawn.height);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sheet.png");
    sheet.write(&path).expect("writes");
    assert!(std::fs::read(&path).expect("reads").starts_with(b"\x89PNG"));
    segmentation_sheet(&*maps, 4, [0, 1, 2]).expect("draws").write(&path).expect("writes");

    // A box's edge has the colour of its class, and only inside of the mask the image is tinted.
    let image = bytes(boxes.sample(0).expect("composes").0);
    let object =
        Object::masked(2, Rle::from_fn(96, 96, |x, y| (30..60).contains(&x) && (40..70).contains(&y)));
    let colour = palimpsest_datasets::overlay::class_colour(3);
    let shown = palimpsest_datasets::overlay::over_objects(&image, std::slice::from_ref(&object), &[], 2)
        .expect("draws");
    let pixel = |x: usize, y: usize| &shown.pixels[3 * (y * 192 + x)..][..3];
    assert_eq!((pixel(60, 80), pixel(119, 139)), (&colour[..], &colour[..]));
    let at = 3 * (10 * 96 + 10);
    assert_eq!(pixel(20, 20), &image.pixels[at..at + 3]);
    let nameless = object_sheet(&[(image, vec![object], None)], &["a".to_owned()]);
    assert_error(nameless.map(|_| ()), &["class 2 of 1; "]);
}
