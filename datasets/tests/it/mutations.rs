//! Sound data sets with one fault each: what is read is what a plain second reading gives, or an error that names
//! the place. `PALIMPSEST_MUTATIONS` sets how many of each kind; CI has a few.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use palimpsest_core::Result;
use palimpsest_core::random::{Philox, Stream};
use palimpsest_datasets::{DataSpec, Split, open, open_detection, open_segmentation};
use serde_json::{Value, json};

use crate::files::{jpeg, png, put};
use crate::segmentation::label_png;

/// Boxes by the image's name: class, left, top, right, bottom.
type Boxes = BTreeMap<String, Vec<(String, [f64; 4])>>;

fn count() -> u64 {
    std::env::var("PALIMPSEST_MUTATIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(40)
}

struct Draw(Philox);

impl Draw {
    fn of(kind: u64, round: u64) -> Self {
        Self(Philox::new(round, Stream::Test, 7, kind))
    }
    fn below(&mut self, count: usize) -> usize {
        self.0.below(count)
    }
    fn of_list<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())].clone()
    }
}

fn objects(reader: &str, root: &Path) -> Result<Boxes> {
    let spec = DataSpec { holdout: 0.0, ..DataSpec::at(reader, root) };
    let data = open_detection(&spec, Split::Train)?.dataset;
    let mut all = Boxes::new();
    for i in 0..data.len() {
        let location = data.location(i);
        let name = location.rsplit('/').next().unwrap_or_default().to_owned();
        let objects = data.sample(i)?.1.into_iter().map(|o| {
            let b = o.bounds;
            (data.classes()[o.class as usize].clone(), [b.left, b.top, b.right(), b.bottom()])
        });
        all.entry(name).or_default().extend(objects);
    }
    Ok(all)
}

/// Compares both readings, without regard to the order of objects.
#[track_caller]
fn judge(read: Result<Boxes>, plain: impl FnOnce() -> Option<Boxes>, places: &[&str], fault: &str) {
    match read {
        Err(error) => {
            let text = error.to_string();
            assert!(!text.contains('\n'), "{fault}: {text}");
            assert!(places.iter().any(|place| text.contains(place)), "{fault}: no place in: {text}");
        }
        Ok(read) => {
            let plain = plain().unwrap_or_else(|| panic!("{fault}: read, and can't be: {read:?}"));
            assert_eq!(read.keys().collect::<Vec<_>>(), plain.keys().collect::<Vec<_>>(), "{fault}");
            for (name, boxes) in &read {
                let sorted = |boxes: &[(String, [f64; 4])]| {
                    let mut boxes: Vec<String> = (boxes.iter())
                        .map(|(class, sides)| format!("{class} {:?}", sides.map(|v| (v * 1e6).round() / 1e6)))
                        .collect();
                    boxes.sort();
                    boxes
                };
                assert_eq!(sorted(boxes), sorted(&plain[name]), "{fault}: {name}");
            }
        }
    }
}

fn cut([l, t, r, b]: [f64; 4], [w, h]: [f64; 2]) -> Option<[f64; 4]> {
    let cut = [l.clamp(0.0, w), t.clamp(0.0, h), r.clamp(0.0, w), b.clamp(0.0, h)];
    (cut[2] > cut[0] && cut[3] > cut[1]).then_some(cut)
}

fn coco_sound() -> Value {
    let image = |i: usize| json!({"id": i, "file_name": format!("{i}.jpg"), "width": 12, "height": 10});
    let annotation = |i: usize| {
        let (x, y) = (i % 5, i % 4);
        json!({"id": 10 + i, "image_id": 1 + i % 4, "category_id": 3 + i % 3, "bbox": [x, y, 3 + i % 4, 4], "area": 12,
            "iscrowd": i / 7, "segmentation": [[x, y, x + 3, y, x + 3, y + 4]]})
    };
    json!({"images": (1..=4).map(image).collect::<Vec<_>>(),
        "annotations": (0..8).map(annotation).collect::<Vec<_>>(),
        "categories": [{"id": 3, "name": "cat"}, {"id": 4, "name": "dog"}, {"id": 5, "name": "eel"}]})
}

/// Ids and numbers as Python has them.
fn coco_plain(json: &Value) -> Option<Boxes> {
    let number = |v: &Value| v.as_f64().or_else(|| v.as_str()?.parse().ok());
    let same = |a: &Value, b: &Value| a == b || a.as_f64().is_some() && a.as_f64() == b.as_f64();
    let mut all = Boxes::new();
    for image in json["images"].as_array()? {
        let name = image["file_name"].as_str()?;
        let side = |key: &str, own: f64| number(&image[key]).filter(|side| *side > 0.0).unwrap_or(own);
        let size = [side("width", 12.0), side("height", 10.0)];
        let boxes = all.entry(name.to_owned()).or_default();
        for annotation in json["annotations"].as_array()? {
            if !same(&annotation["image_id"], &image["id"]) {
                continue;
            }
            let categories = json["categories"].as_array()?;
            let class = categories.iter().find(|c| same(&c["id"], &annotation["category_id"]))?;
            let sides: Vec<f64> = match annotation["bbox"].as_array().filter(|b| !b.is_empty()) {
                Some(bbox) => bbox.iter().map(number).collect::<Option<_>>()?,
                None => {
                    let outline: Vec<f64> = annotation["segmentation"][0]
                        .as_array()?
                        .iter()
                        .map(number)
                        .collect::<Option<_>>()?;
                    let axis = |axis: usize| outline.iter().skip(axis).step_by(2).copied();
                    let (l, t) = (axis(0).fold(1e9, f64::min), axis(1).fold(1e9, f64::min));
                    vec![l, t, axis(0).fold(-1e9, f64::max) - l, axis(1).fold(-1e9, f64::max) - t]
                }
            };
            let [x, y, w, h] = sides[..] else { return None };
            if let Some(sides) = cut([x, y, x + w, y + h], size) {
                boxes.push((class["name"].as_str()?.to_owned(), sides));
            }
        }
    }
    Some(all)
}

#[test]
fn coco() {
    for round in 0..count() {
        let mut draw = Draw::of(1, round);
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        (1..=4).for_each(|i| drop(put(root, &format!("train/{i}.jpg"), jpeg(12, 10, i))));
        let mut json = coco_sound();
        let list = draw.of_list(&["images", "annotations", "annotations", "categories"]);
        let items = json[list].as_array_mut().expect("a list");
        let at = draw.below(items.len());
        let fault = match draw.below(6) {
            0 => {
                let again = items[at].clone();
                items.push(again);
                format!("{list} {at} twice")
            }
            1 => {
                items.remove(at);
                format!("{list} {at} gone")
            }
            2 => {
                let name = format!("train/{}.jpg", 1 + draw.below(4));
                std::fs::remove_file(root.join(&name)).expect("removes");
                format!("{name} gone")
            }
            3 => {
                let keys: Vec<String> = items[at].as_object().expect("an object").keys().cloned().collect();
                let key = draw.of_list(&keys);
                items[at].as_object_mut().expect("an object").remove(&key);
                format!("{list} {at} without {key}")
            }
            4 if list == "annotations" => {
                let side = draw.below(4);
                let value = draw.of_list(&[
                    json!(-3),
                    json!(0),
                    json!(50),
                    json!(2.5),
                    json!("4"),
                    json!("x"),
                    json!(null),
                ]);
                items[at]["bbox"][side] = value.clone();
                format!("annotations {at}: bbox {side} = {value}")
            }
            _ => {
                let keys: Vec<String> = items[at].as_object().expect("an object").keys().cloned().collect();
                let key = draw.of_list(&keys);
                let value = draw.of_list(&[
                    json!(-1),
                    json!(0),
                    json!(1),
                    json!(3),
                    json!(4.0),
                    json!(1.5),
                    json!("3"),
                    json!("x"),
                    json!(null),
                    json!(true),
                    json!([]),
                    json!({}),
                ]);
                items[at][&key] = value.clone();
                format!("{list} {at}: {key} = {value}")
            }
        };
        put(root, "annotations/instances_train.json", json.to_string());
        let fault = format!("round {round}: {fault}");
        judge(objects("coco", root), || coco_plain(&json), &["instances_train.json", ".jpg: "], &fault);
    }
}

#[test]
fn yolo() {
    for round in 0..count() {
        let mut draw = Draw::of(2, round);
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        let mut texts: Vec<String> = (0..3)
            .map(|i| {
                format!("0 0.5 0.{}5 0.2 0.4\n1 0.3 0.3 0.1 0.{}\n2 0.1 0.2 0.4 0.2 0.4 0.7\n", 2 + i, 1 + i)
            })
            .collect();
        let at = draw.below(3);
        let mut lines: Vec<String> = texts[at].lines().map(str::to_owned).collect();
        let line = draw.below(lines.len());
        let mut fields: Vec<String> = lines[line].split(' ').map(str::to_owned).collect();
        let field = draw.below(fields.len());
        let fault = match draw.below(5) {
            0 => {
                lines.push(lines[line].clone());
                format!("line {line} twice")
            }
            1 => {
                fields.remove(field);
                lines[line] = fields.join(" ");
                format!("line {line} without field {field}")
            }
            2 => {
                lines[line].clear();
                format!("line {line} empty")
            }
            _ => {
                fields[field] = draw
                    .of_list(&["0", "1", "7", "-0.2", "1.005", "0.9", "x", "1.0", "nan", "1e3", "-1"])
                    .to_owned();
                lines[line] = fields.join(" ");
                format!("line {line}: field {field} = {}", fields[field])
            }
        };
        texts[at] = lines.join("\n");
        for (i, text) in texts.iter().enumerate() {
            put(root, &format!("images/train/{i}.jpg"), jpeg(20, 10, i as u32));
            put(root, &format!("labels/train/{i}.txt"), text);
        }
        put(root, "classes.txt", "cat\ndog\neel\n");
        let plain = || {
            let mut all = Boxes::new();
            for (i, text) in texts.iter().enumerate() {
                let boxes = all.entry(format!("{i}.jpg")).or_default();
                let mut known = BTreeSet::new();
                for line in text.lines().filter(|line| !line.is_empty()) {
                    let numbers: Vec<f64> = line.split(' ').map(|f| f.parse().ok()).collect::<Option<_>>()?;
                    if !known.insert(format!("{numbers:?}")) {
                        continue;
                    }
                    let class = ["cat", "dog", "eel"].get(numbers[0] as usize)?;
                    let n = &numbers[1..];
                    if n.iter().any(|v| !(-0.01..=1.01).contains(v)) || n.len() % 2 == 1 || n.len() < 4 {
                        return None;
                    }
                    let sides = if n.len() == 4 {
                        [n[0] - n[2] / 2.0, n[1] - n[3] / 2.0, n[0] + n[2] / 2.0, n[1] + n[3] / 2.0]
                    } else {
                        let axis = |axis: usize| n.iter().skip(axis).step_by(2).copied();
                        [
                            axis(0).fold(9.0, f64::min),
                            axis(1).fold(9.0, f64::min),
                            axis(0).fold(-9.0, f64::max),
                            axis(1).fold(-9.0, f64::max),
                        ]
                    };
                    let [l, t, r, b] = sides;
                    boxes.extend(
                        cut([20.0 * l, 10.0 * t, 20.0 * r, 10.0 * b], [20.0, 10.0])
                            .map(|sides| ((*class).to_owned(), sides)),
                    );
                }
            }
            Some(all)
        };
        judge(
            objects("yolo", root),
            plain,
            &[&format!("{at}.txt:{}", line + 1)],
            &format!("round {round}: {fault}"),
        );
    }
}

#[test]
fn voc() {
    for round in 0..count() {
        let mut draw = Draw::of(3, round);
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        let mut files: Vec<String> = (0..3)
            .map(|i| {
                let object = |class: &str, left: usize| {
                    format!(
                        "<object><name>{class}</name><difficult>0</difficult><bndbox><xmin>{left}</xmin><ymin>2</ymin>\
                         <xmax>{}</xmax><ymax>{}</ymax></bndbox></object>",
                        left + 4,
                        5 + i
                    )
                };
                format!(
                    "<annotation><filename>{i}.jpg</filename><size><width>12</width><height>10</height></size>{}{}\
                     </annotation>",
                    object("dog", 2),
                    object("cat", 5)
                )
            })
            .collect();
        let at = draw.below(3);
        let tag = draw.of_list(&[
            "name",
            "xmin",
            "ymin",
            "xmax",
            "ymax",
            "width",
            "height",
            "difficult",
            "object",
            "bndbox",
        ]);
        let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
        let starts: Vec<usize> = files[at].match_indices(&open).map(|(at, _)| at).collect();
        let start = draw.of_list(&starts);
        let end = start + files[at][start..].find(&close).expect("an end") + close.len();
        let element = files[at][start..end].to_owned();
        let fault = match draw.below(4) {
            0 => {
                files[at].replace_range(start..end, "");
                format!("without {element}")
            }
            1 => {
                files[at].insert_str(start, &element);
                format!("twice {element}")
            }
            2 => {
                std::fs::create_dir_all(root.join("JPEGImages")).expect("makes it");
                format!("no image {at}")
            }
            _ => {
                let value = draw.of_list(&["-3", "0", "50", "2.5", "x", "", "NaN", "1e400", "cat"]);
                if tag != "object" && tag != "bndbox" {
                    files[at].replace_range(start..end, &format!("{open}{value}{close}"));
                }
                format!("{value} for {element}")
            }
        };
        for (i, text) in files.iter().enumerate() {
            if fault != format!("no image {i}") {
                put(root, &format!("JPEGImages/{i}.jpg"), jpeg(12, 10, i as u32));
            }
            put(root, &format!("Annotations/{i}.xml"), text);
        }
        // Text between tags, the first of each.
        let between = |text: &str, tag: &str| -> Option<String> {
            let from = text.find(&format!("<{tag}>"))? + tag.len() + 2;
            Some(text[from..from + text[from..].find(&format!("</{tag}>"))?].to_owned())
        };
        let plain = || {
            let mut all = Boxes::new();
            for (i, text) in files.iter().enumerate() {
                let side = |tag: &str, own: f64| -> Option<f64> {
                    let told: f64 = between(text, tag)?.parse().ok()?;
                    Some(if told > 0.0 { told } else { own })
                };
                let size = [side("width", 12.0)?, side("height", 10.0)?];
                let own = between(text, "width")? == "0" || between(text, "height")? == "0";
                let size = if own { [12.0, 10.0] } else { size };
                let boxes = all.entry(format!("{i}.jpg")).or_default();
                for object in text.split("<object>").skip(1) {
                    let edge = |tag: &str| between(object, tag)?.parse::<f64>().ok();
                    let sides = [edge("xmin")? - 1.0, edge("ymin")? - 1.0, edge("xmax")?, edge("ymax")?];
                    let class = between(object, "name")?;
                    boxes.extend(cut(sides, size).map(|sides| (class, sides)));
                }
            }
            Some(all)
        };
        let fault = format!("round {round}: {fault} of {at}");
        judge(objects("voc", root), plain, &[&format!("{at}.xml"), &format!("{at}.jpg")], &fault);
    }
}

#[test]
fn index_pngs() {
    for round in 0..count() {
        let mut draw = Draw::of(4, round);
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        let mut labels: Vec<Vec<u8>> =
            (0..3).map(|i| (0..24).map(|at| ((at + i) % 3) as u8).collect()).collect();
        let at = draw.below(3);
        let (mut width, mut name, mut classes) = (6, format!("{at}.png"), "a\nb\nc\n");
        let fault = match draw.below(5) {
            0 => {
                width = 4;
                "another size".to_owned()
            }
            1 => {
                name = draw.of_list(&["x.png", "0.jpg", "0_mask.png", "._0.png"]).to_owned();
                format!("map called {name}")
            }
            2 => {
                classes = draw.of_list(&["a\nb\n", "a\nb\nc\nd\n", ""]);
                format!("classes {classes:?}")
            }
            _ => {
                let value = draw.of_list(&[0, 1, 3, 128, 254, 255]);
                labels[at][draw.below(24)] = value;
                format!("label {value}")
            }
        };
        put(root, "classes.txt", classes);
        for (i, labels) in labels.iter().enumerate() {
            put(root, &format!("images/train/{i}.jpg"), jpeg(6, 4, i as u32));
            let (name, width) = if i == at { (name.clone(), width) } else { (format!("{i}.png"), 6) };
            put(root, &format!("labels/train/{name}"), label_png(width, 24 / width, labels, None));
        }
        let spec = DataSpec { holdout: 0.0, ..DataSpec::at("index-png", root) };
        let read = || -> Result<Vec<Vec<u8>>> {
            let data = open_segmentation(&spec, Split::Train)?.dataset;
            (0..data.len()).map(|i| Ok(data.sample(i)?.1.labels)).collect()
        };
        match read() {
            Err(error) => {
                let text = error.to_string();
                let places =
                    [&*format!("{at}.png"), &*format!("{at}.jpg"), "0.png", "classes.txt", "labels/train"];
                assert!(places.iter().any(|place| text.contains(place)), "round {round}, {fault}: {text}");
            }
            // The same pixels by another decoder.
            Ok(read) => {
                let plain: Vec<Vec<u8>> = (0..3)
                    .map(|i| {
                        let name = if i == at { name.clone() } else { format!("{i}.png") };
                        let map = image::open(root.join("labels/train").join(name)).expect("a map");
                        map.into_luma8().into_raw()
                    })
                    .collect();
                assert_eq!(read, plain, "round {round}, {fault}");
            }
        }
    }
}

#[test]
fn csv() {
    for round in 0..count() {
        let mut draw = Draw::of(5, round);
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        (0..4).for_each(|i| drop(put(root, &format!("{i}.png"), png(3, 3, i))));
        let mut rows: Vec<Vec<String>> = vec![vec!["path".into(), "note".into(), "label".into()]];
        rows.extend((0..4).map(|i| vec![format!("{i}.png"), "x".into(), ["cat", "dog"][i % 2].into()]));
        let at = draw.below(rows.len());
        let field = draw.below(3);
        let fault = match draw.below(5) {
            0 => {
                rows.push(rows[at].clone());
                format!("row {at} twice")
            }
            1 => {
                rows[at].remove(field);
                format!("row {at} without field {field}")
            }
            2 => {
                let gone = format!("{}.png", draw.below(4));
                std::fs::remove_file(root.join(&gone)).expect("removes");
                format!("{gone} gone")
            }
            _ => {
                let value = draw.of_list(&["", "cat", "x", "3.png", "label", "\"dog\"", " dog "]);
                rows[at][field] = value.to_owned();
                format!("row {at}: field {field} = {value:?}")
            }
        };
        let text: String = rows.iter().map(|row| row.join(",") + "\n").collect();
        put(root, "list.csv", &text);
        let spec = DataSpec { holdout: 0.0, ..DataSpec::at("csv", root.join("list.csv")) };
        let fault = format!("round {round}: {fault}");
        match open(&spec, Split::Train) {
            Err(error) => assert!(error.to_string().contains("list.csv:"), "{fault}: {error}"),
            Ok(data) => {
                let label = |i: usize| data.label(i).map(|label| data.classes()[label as usize].clone());
                let name = |i: usize| data.location(i).rsplit('/').next().map(str::to_owned);
                let read: Vec<_> = (0..data.len()).map(|i| (name(i), label(i))).collect();
                let column = |name: &str| rows[0].iter().position(|own| own.trim_matches(['"', ' ']) == name);
                let value = |row: &[String], name: &str| {
                    column(name).and_then(|c| row.get(c)).map(|v| v.trim().trim_matches('"').to_owned())
                };
                let plain: Vec<_> = (rows[1..].iter())
                    .map(|row| (value(row, "path"), value(row, "label").filter(|label| !label.is_empty())))
                    .collect();
                assert_eq!(read, plain, "{fault}");
            }
        }
    }
}
