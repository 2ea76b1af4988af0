//! Masks and boxes against pycocotools: golden files, and new cases where it can be imported.
#![allow(clippy::print_stderr, reason = "tells what was passed over")]

use std::path::Path;
use std::process::Command;

use palimpsest_targets::{BoundingBox, Rle};
use serde_json::Value;

/// Areas and runs are whole numbers; ratios of them differ at most by rounding.
const TOLERANCE: f64 = 1e-12;

fn golden() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/masks.json");
    serde_json::from_slice(&std::fs::read(path).expect("the golden file")).expect("JSON")
}

/// New cases from pycocotools; none, with the reason on standard error, where it isn't installed.
fn fresh(seed: u64) -> Option<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/make.py");
    let importable = Command::new("python3").args(["-c", "import pycocotools.mask"]).output();
    if !importable.is_ok_and(|output| output.status.success()) {
        eprintln!("passed over: python3 can't import pycocotools");
        return None;
    }
    let output = Command::new("python3").arg(script).arg(seed.to_string()).output().expect("python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|v| v.as_f64().expect("a number")).collect()
}

fn size(case: &Value) -> (usize, usize) {
    let size = numbers(&case["size"]);
    (size[1] as usize, size[0] as usize)
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn check_masks(cases: &Value) {
    for case in list(&cases["masks"]) {
        let (width, height) = size(case);
        let rows: Vec<u8> = numbers(&case["rows"]).iter().map(|&v| v as u8).collect();
        let counts: Vec<u32> = numbers(&case["counts"]).iter().map(|&v| v as u32).collect();
        let mask = Rle::encode(width, height, &rows);
        assert_eq!(mask.counts(), counts);
        assert_eq!(mask.decode(), rows);
        assert_eq!(mask.to_text(), text(&case["text"]));
        assert_eq!(Rle::from_text(width, height, text(&case["text"])).expect("reads"), mask);
        assert_eq!(mask.area() as f64, case["area"].as_f64().expect("a number"));
        let b = mask.bounds();
        assert_eq!(vec![b.left, b.top, b.width, b.height], numbers(&case["box"]));
    }
}

fn check_overlaps(cases: &Value) {
    for case in list(&cases["pairs"]) {
        let (width, height) = size(case);
        let read = |v: &Value| Rle::from_text(width, height, text(v)).expect("reads");
        let masks: Vec<Rle> = list(&case["texts"]).iter().map(read).collect();
        let crowd: Vec<bool> = numbers(&case["crowd"]).iter().map(|&c| c == 1.0).collect();
        for (i, want) in numbers(&case["iou"]).iter().enumerate() {
            let (d, g) = (i / masks.len(), i % masks.len());
            let have = masks[d].iou(&masks[g], crowd[g]);
            assert!((have - want).abs() < TOLERANCE, "{d} {g}: {have} {want}");
        }
        assert_eq!(masks[0].union(&masks[1]), read(&case["union"]));
        assert_eq!(masks[1].intersection(&masks[2]), read(&case["intersection"]));
    }
    let boxes = |v: &Value| -> Vec<BoundingBox> {
        let read = |b: &Value| BoundingBox::new(numbers(b)[0], numbers(b)[1], numbers(b)[2], numbers(b)[3]);
        list(v).iter().map(read).collect()
    };
    let case = &cases["boxes"];
    let (a, b, crowd) = (boxes(&case["a"]), boxes(&case["b"]), numbers(&case["crowd"]));
    for (i, want) in numbers(&case["iou"]).iter().enumerate() {
        let have = a[i / b.len()].iou(&b[i % b.len()], crowd[i % b.len()] == 1.0);
        assert!((have - want).abs() < TOLERANCE, "{i}: {have} {want}");
    }
}

fn check_polygons(cases: &Value) {
    for (i, case) in list(&cases["polygons"]).iter().enumerate() {
        let (width, height) = size(case);
        let pieces: Vec<Vec<f64>> = list(&case["pieces"]).iter().map(numbers).collect();
        let mask = Rle::from_polygons(width, height, &pieces).expect("a polygon");
        let want = Rle::from_text(width, height, text(&case["text"])).expect("reads");
        assert_eq!(mask, want, "polygon {i}: {}", case["pieces"]);
    }
}

#[test]
fn golden_masks() {
    check_masks(&golden());
}

#[test]
fn golden_overlaps() {
    check_overlaps(&golden());
}

#[test]
fn golden_polygons() {
    check_polygons(&golden());
}

#[test]
fn new_cases_from_pycocotools() {
    for seed in 1..6 {
        let Some(cases) = fresh(seed) else { return };
        check_masks(&cases);
        check_overlaps(&cases);
        check_polygons(&cases);
    }
}

#[test]
fn broken_texts_and_polygons() {
    let error = |result: palimpsest_core::Result<Rle>| result.expect_err("broken").to_string();
    for (text, part) in [
        ("03 ", "byte 2 of the runs' text, 32"),
        ("0P", "ends within a number"),
        ("01", "the runs of the mask have 1 pixels, its size 2x2 has 4"),
        ("O", "below 0"),
    ] {
        let text = error(Rle::from_text(2, 2, text));
        assert!(text.contains(part) && text.contains("; "), "{text}");
    }
    for (polygon, part) in [
        (&[1.0, 2.0, 3.0, 4.0][..], "4 coordinates"),
        (&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], "7 coordinates"),
        (&[1.0, 2.0, 3.0, f64::NAN, 5.0, 6.0], "NaN"),
        (&[1.0, 2.0, 3.0, 1e9, 5.0, 6.0], "1000000000 is far outside"),
    ] {
        let text = error(Rle::from_polygon(8, 8, polygon));
        assert!(text.contains(part), "{text}");
    }
}
