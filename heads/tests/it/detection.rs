use palimpsest_heads::metrics::{CocoEvaluator, Detection, IouKind};
use palimpsest_targets::{BoundingBox, Object, Rle};
use serde_json::Value;

use crate::reference::{close, each_case, list, number, numbers};

fn bounds(value: &Value) -> BoundingBox {
    let b = numbers(value);
    BoundingBox::new(b[0], b[1], b[2], b[3])
}

fn mask(value: &Value) -> Rle {
    let size = numbers(&value["size"]);
    let text = value["counts"].as_str().expect("a text");
    Rle::from_text(size[1] as usize, size[0] as usize, text).expect("reads")
}

fn class(value: &Value) -> u32 {
    number(&value["category_id"]) as u32 - 1
}

fn object(value: &Value) -> Object {
    Object {
        class: class(value),
        bounds: bounds(&value["bbox"]),
        mask: Some(mask(&value["segmentation"])),
        area: number(&value["area"]),
        crowd: number(&value["iscrowd"]) == 1.0,
        ignore: number(&value["difficult"]) == 1.0,
    }
}

fn detection(value: &Value) -> Detection {
    Detection {
        class: class(value),
        score: number(&value["score"]),
        bounds: bounds(&value["bbox"]),
        mask: Some(mask(&value["segmentation"])),
    }
}

#[test]
fn as_pycocotools() {
    each_case("detection", "pycocotools", |case| {
        let (name, classes) = (case["name"].as_str().expect("a name"), number(&case["classes"]) as usize);
        for (kind, key) in [(IouKind::Box, "bbox"), (IouKind::Mask, "segm")] {
            let mut evaluator = CocoEvaluator::new(kind, classes);
            for image in list(&case["images"]) {
                let objects: Vec<Object> = list(&image["truths"]).iter().map(object).collect();
                let found: Vec<Detection> = list(&image["detections"]).iter().map(detection).collect();
                evaluator.add(&objects, &found).expect("fits");
            }
            let scores = evaluator.scores();
            let want = numbers(&case[key]["figures"]);
            for ((figure, have), want) in scores.named().into_iter().zip(want) {
                close(have, want, &format!("{name}, {key}, {figure}"));
            }
            for (have, want) in scores.classes.iter().zip(list(&case[key]["classes"])) {
                close(have.ap, numbers(want)[0], &format!("{name}, {key}, AP of a class"));
                close(have.ap50, numbers(want)[1], &format!("{name}, {key}, AP50 of a class"));
            }
        }
    });
}

#[test]
fn perfect_detections_score_one() {
    let object = Object::masked(0, Rle::from_fn(40, 40, |x, y| x > 4 && y > 9));
    let found = Detection { class: 0, score: 0.3, bounds: object.bounds, mask: object.mask.clone() };
    for kind in [IouKind::Box, IouKind::Mask] {
        let mut evaluator = CocoEvaluator::new(kind, 2);
        evaluator.add(std::slice::from_ref(&object), std::slice::from_ref(&found)).expect("fits");
        let scores = evaluator.scores();
        close(scores.ap, 1.0, "AP");
        assert_eq!((scores.ap_small, scores.classes[1].ap), (-1.0, -1.0));
    }
}

#[test]
fn wrong_input() {
    let object = Object::masked(0, Rle::empty(4, 4));
    let found = |class, score, mask| Detection { class, score, bounds: object.bounds, mask };
    let mut evaluator = CocoEvaluator::new(IouKind::Mask, 2);
    evaluator.add(&[], &[]).expect("an empty image");
    for (detection, part) in [
        (found(2, 0.5, Some(Rle::empty(4, 4))), "detection 0 has class 2, of 2 classes; "),
        (found(0, f64::NAN, Some(Rle::empty(4, 4))), "score of detection 0 is not a number"),
        (found(0, 0.5, None), "detection 1 has no mask; "),
        (found(0, 0.5, Some(Rle::empty(4, 5))), "has 4x5 pixels, another 4x4; "),
    ] {
        let result = evaluator.add(std::slice::from_ref(&object), &[detection]);
        let text = result.expect_err("wrong input").to_string();
        assert!(text.contains(part) && text.starts_with("image 1 of the evaluation: "), "{text}");
    }
    assert_eq!(evaluator.images(), 1);
}
