//! Lists that give each image a set of labels, or numbers.

use std::path::Path;

use palimpsest_core::data::{Share, Split};
use palimpsest_core::head::{ExamplesRequest, LabelSet, LabelledSplits, Values, examples_of};
use palimpsest_core::recipe::Recipe;
use palimpsest_core::settings::Section;
use palimpsest_datasets::{DataSpec, open, open_label_sets, open_values};
use tempfile::tempdir;

use crate::files::{assert_error, png, put};

const LIST: &str = "path,cat,dog,tags,age,weight,split\n\
                    a.png,1,0,cat,3,4.5,train\n\
                    b.png,0,,bird| cat,,-1e2,train\n\
                    c.png,-1,1.0,,7.5,NaN,test\n\
                    d.png,,-1,bird,,,test\n\
                    e.png,true,False,dog,2,2,train\n";

fn images(root: &Path) {
    "abcdef".chars().enumerate().for_each(|(seed, name)| {
        put(root, &format!("{name}.png"), png(8, 8, seed as u32));
    });
}

fn spec(path: &Path, keys: &str) -> DataSpec {
    DataSpec::at("csv", path).with_keys(keys).expect("TOML")
}

fn flags(set: &LabelSet) -> Vec<i8> {
    set.iter().map(|has| has.map_or(-1, i8::from)).collect()
}

fn label_sets(spec: &DataSpec, split: Split) -> (Vec<String>, Vec<Vec<i8>>) {
    let data = open_label_sets(spec, split).expect("opens").dataset;
    let sets = (0..data.len()).map(|index| flags(&data.labels(index).expect("read"))).collect();
    (data.classes().to_vec(), sets)
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn columns_of_flags_lists_and_numbers() {
    let folder = tempdir().expect("a folder");
    images(folder.path());
    let list = put(folder.path(), "list.csv", LIST);
    let columns = spec(&list, "label_columns = [\"dog\", \"cat\"]");
    assert_eq!(
        label_sets(&columns, Split::Train),
        (names(&["dog", "cat"]), vec![vec![0, 1], vec![-1, 0], vec![0, 1]])
    );
    assert_eq!(label_sets(&columns, Split::Test).1, [[1, -1], [-1, -1]]);
    let lists = spec(&list, "label_list_column = \"tags\"");
    assert_eq!(
        label_sets(&lists, Split::Train),
        (names(&["bird", "cat", "dog"]), vec![vec![0, 1, 0], vec![1, 1, 0], vec![0, 0, 1]])
    );
    assert_eq!(label_sets(&lists, Split::Test).1, [[0, 0, 0], [1, 0, 0]]);
    let ordered = spec(&list, "label_list_column = \"tags\"\nlabels = [\"dog\", \"cat\", \"bird\", \"owl\"]");
    assert_eq!(label_sets(&ordered, Split::Test).1, [[0, 0, 0, 0], [0, 0, 1, 0]]);
    let values = spec(&list, "value_columns = [\"age\", \"weight\"]");
    let of = |split| {
        let data = open_values(&values, split).expect("opens").dataset;
        assert_eq!(data.value_names(), ["age", "weight"]);
        assert!(data.classes().is_empty() && data.location(0).ends_with(".png"));
        (0..data.len()).map(|index| data.values(index).expect("read").0).collect::<Vec<_>>()
    };
    assert_eq!(of(Split::Train), [[Some(3.0), Some(4.5)], [None, Some(-100.0)], [Some(2.0), Some(2.0)]]);
    assert_eq!(of(Split::Test), [[Some(7.5), None], [None, None]]);
}

/// What the keys name are no classes; without them a list is read as ever.
#[test]
fn other_columns_are_classes_as_ever() {
    let folder = tempdir().expect("a folder");
    images(folder.path());
    let list = put(folder.path(), "list.csv", "path,labels,a,b\na.png,x|y,1,0\nb.png,y,0,1\nc.png,,1,0\n");
    let classes = |keys: &str| {
        let data = open(&DataSpec { holdout: 0.0, ..spec(&list, keys) }, Split::Train).expect("opens");
        (data.classes().to_vec(), (0..3).map(|index| data.label(index)).collect::<Vec<_>>())
    };
    assert_eq!(classes(""), (names(&["x|y", "y"]), vec![Some(0), Some(1), None]));
    let shares = "label_list_column = \"labels\"";
    assert_eq!(classes(shares), (names(&["a", "b"]), vec![Some(0), Some(1), Some(0)]));
    let none = "label_list_column = \"labels\"\nvalue_columns = [\"a\"]";
    assert_eq!(classes(none), (vec![], vec![None; 3]));
}

#[test]
fn a_folder_of_lists_agrees_on_labels() {
    let folder = tempdir().expect("a folder");
    let root = folder.path();
    images(root);
    put(root, "train.csv", "path,tags\na.png,cat dog\nb.png,owl\n");
    put(root, "val.csv", "path,tags\nc.png,dog\n");
    let spaced = spec(root, "label_list_column = \"tags\"\nlabel_list_separator = \" \"");
    assert_eq!(label_sets(&spaced, Split::Test), (names(&["cat", "dog", "owl"]), vec![vec![0, 1, 0]]));
    // Withheld labels: then validation is the test part.
    put(root, "test.csv", "path,tags\nd.png,\ne.png,\n");
    assert_eq!(label_sets(&spaced, Split::Test).1, [[0, 1, 0]]);
    put(root, "test.csv", "path,tags\nd.png,dog\ne.png,cow\n");
    assert_error(open_label_sets(&spaced, Split::Test), &["test.csv:3", "unknown label `cow`"]);
    put(root, "train.csv", "path,age\na.png,1\nb.png,2\n");
    put(root, "val.csv", "path,age\nc.png,3\n");
    put(root, "test.csv", "path,age\nd.png,\n");
    let ages = open_values(&spec(root, "value_columns = [\"age\"]"), Split::Test).expect("opens").dataset;
    assert_eq!(ages.values(0).expect("read"), Values(vec![Some(3.0)]));
}

#[test]
fn mistakes_are_told_with_their_line() {
    let folder = tempdir().expect("a folder");
    images(folder.path());
    let list = |text: &str| put(folder.path(), "list.csv", text);
    let labels = |text: &str, keys: &str| open_label_sets(&spec(&list(text), keys), Split::Train);
    let cat = "label_columns = [\"cat\"]";
    assert_error(
        labels("path,cat\na.png,1\nb.png,2\n", cat),
        &["list.csv:3", "`2`", "`cat`", "neither 1 nor 0"],
    );
    assert_error(labels("path,cta\na.png,1\n", cat), &["list.csv:1", "label_columns", "`cat`", "`cta`"]);
    assert_error(labels("path,cat\na.png,1\na.png,0\n", cat), &["list.csv:3", "other labels", "line 2"]);
    assert_error(labels("path,cat\na.png,1\n", ""), &["no columns of labels", "label_columns"]);
    assert_error(labels("path,cat\na.png,1\n", "label_columns = [\"path\"]"), &["`path` has the paths"]);
    assert_error(
        labels("path,cat\na.png,1\n", "label_columns = [\"cat\", \"cat\"]"),
        &["`cat` is named twice"],
    );
    assert_error(
        labels("path,cat\na.png,1\n", "label_columns = [\"cat\"]\nlabel_list_column = \"cat\""),
        &["by lists too"],
    );
    assert_error(
        labels("path,cat\na.png,1\n", "label_list_column = \"cat\"\nlabel_list_separator = \"\""),
        &["label_list_separator"],
    );
    assert_error(
        labels("path,cat\na.png,x|y\n", "label_list_column = \"cat\"\nlabels = [\"x\"]"),
        &["list.csv:2", "unknown label `y`"],
    );
    for number in ["1,5", "12 kg", "inf", "1e39"] {
        let text = format!("path;age\na.png;{number}\n");
        let opened = open_values(&spec(&list(&text), "value_columns = [\"age\"]"), Split::Train);
        assert_error(opened, &["list.csv:2", number, "`age`", "no number"]);
    }
    let none = DataSpec::new("fashion-mnist");
    assert_error(open_label_sets(&none, Split::Train), &["`fashion-mnist` has no label sets", "csv"]);
    assert_error(open_values(&none, Split::Train), &["`fashion-mnist` has no numbers", "csv"]);
}

fn opened<T: palimpsest_core::head::Target>(
    list: &Path,
    keys: &str,
    augment: &str,
    limits: [usize; 2],
) -> palimpsest_core::Result<Box<dyn LabelledSplits<T>>> {
    palimpsest_datasets::link();
    let path = format!("data.path={}", toml::Value::String(list.display().to_string()));
    let size =
        ["data.name=csv".to_owned(), path, "data.image_size=16".to_owned(), "data.workers=0".to_owned()];
    let recipe = Recipe::parse("micro", "preset = \"mae\"", &size).expect("a recipe");
    let reader = Section::parse("data.reader", keys).expect("TOML");
    let request = ExamplesRequest {
        data: &recipe.data,
        reader: &reader,
        image: [3, 16, 16],
        seed: 1,
        shots: 0,
        limits,
    };
    examples_of::<T>()?.open(&Section::parse("augment", augment)?, &request)
}

/// Images of which nothing is known are left out, and told; batches have the targets of their images.
#[test]
fn what_is_unknown_is_left_out() {
    let folder = tempdir().expect("a folder");
    images(folder.path());
    let list = put(folder.path(), "list.csv", LIST);
    let data = opened::<LabelSet>(&list, "label_columns = [\"cat\", \"dog\"]", "", [0, 0]).expect("opens");
    assert_eq!(data.classes(), ["cat", "dog"]);
    let [train, test] = data.sizes();
    assert_eq!(
        (train.images, train.without_target, test.images, test.without_target, test.of),
        (3, 0, 1, 1, 2)
    );
    assert!(
        data.notes().iter().any(|note| note.contains("1 of the 6 labels of training images are unknown")),
        "{:?}",
        data.notes()
    );
    assert!(data.notes().iter().any(|note| note.contains("known to have: dog")), "{:?}", data.notes());
    let counts = data.statistics().labels;
    assert_eq!((counts[0].positives, counts[0].negatives, counts[1].negatives), (2, 1, 2));
    let test: Vec<_> =
        data.pass(Split::Test, Share::WHOLE).expect("a pass").collect::<Result<_, _>>().expect("read");
    assert_eq!((test.len(), &test[0].batch.indices, flags(&test[0].targets[0])), (1, &vec![0], vec![-1, 1]));
    let mut loader = data.train(3, Share::WHOLE).expect("a loader");
    let batch = loader.next_batch().expect("a batch");
    let due = [[1, 0], [0, -1], [1, 0]];
    for (index, target) in batch.batch.indices.iter().zip(&batch.targets) {
        assert_eq!(flags(target), due[*index], "image {index}");
    }
    let data = opened::<Values>(&list, "value_columns = [\"age\", \"weight\"]", "flip = 0.5", [2, 0])
        .expect("opens");
    assert_eq!(data.sizes()[0].not_drawn, 1);
    assert_eq!(data.sizes()[1].to_string(), "1 of 2 images (1 without a target)");
    assert_eq!(data.statistics().values.len(), 2);
    let nothing = put(folder.path(), "none.csv", "path,age,split\na.png,1,train\nb.png,,test\n");
    assert_error(
        opened::<Values>(&nothing, "value_columns = [\"age\"]", "", [0, 0]),
        &["nothing is known of any image of the test part"],
    );
    let nothing = put(folder.path(), "none.csv", "path,age,b,split\na.png,1,,train\nb.png,2,2,test\n");
    assert_error(
        opened::<Values>(&nothing, "value_columns = [\"age\", \"b\"]", "", [0, 0]),
        &["no training image has a number for `b`"],
    );
    assert_error(
        opened::<Values>(&list, "value_columns = [\"age\"]", "crop_scale = [0.5]", [0, 0]),
        &["crop_scale", "no range"],
    );
}
