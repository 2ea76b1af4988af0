//! Label sets and numbers that are packed: the readers of shards and Python's packages find what the list had.
#![allow(clippy::print_stderr, reason = "tells what was passed over")]

use std::path::Path;
use std::process::Command;

use palimpsest_core::data::{Share, Split};
use palimpsest_core::head::{ExamplesRequest, LabelSet, LabelledSplits, Target, Values, examples_of};
use palimpsest_core::recipe::Recipe;
use palimpsest_core::settings::Section;
use palimpsest_datasets::DataSource;
use palimpsest_datasets::pack::{PackFormat, PackOptions, PackPart, open_parts, pack, reader_keys};

use crate::files::{assert_error, png, put};

/// Of `c.png` nothing is known but its class, of `d.png` not even that.
const LIST: &str = "path,label,tags,age,weight [kg],split\n\
                    a.png,cat,small|old,3,0.1,train\n\
                    b.png,dog,,,-1e2,train\n\
                    c.png,dog,,,,train\n\
                    d.png,,young,2.5,,train\n\
                    e.png,cat,old,16777217,1e-30,test\n";

const FORMATS: [PackFormat; 2] = [PackFormat::WebDataset, PackFormat::Parquet];

fn options(format: PackFormat) -> PackOptions {
    PackOptions { format, shard_size: 700, resize: None, shuffle: None, bad_files: 0 }
}

fn recipe(name: &str, path: &Path, keys: &[String]) -> Recipe {
    palimpsest_datasets::link();
    let path = format!("data.path={}", toml::Value::String(path.display().to_string()));
    let own =
        [format!("data.name={name}"), path, "data.image_size=16".to_owned(), "data.workers=0".to_owned()];
    let all: Vec<String> = own.into_iter().chain(keys.iter().cloned()).collect();
    Recipe::parse("micro", "preset = \"mae\"", &all).expect("a recipe")
}

fn examples<T: Target>(recipe: &Recipe) -> Box<dyn LabelledSplits<T>> {
    let request = ExamplesRequest {
        data: &recipe.data,
        reader: &recipe.reader,
        image: [3, 16, 16],
        seed: 1,
        shots: 0,
        limits: [0, 0],
    };
    let open = examples_of::<T>().expect("registered");
    open.open(&Section::parse("augment", "").expect("TOML"), &request).expect("opens")
}

/// What heads that are trained see of a part, in its order: pixels and targets.
fn seen<T: Target>(recipe: &Recipe, split: Split) -> Vec<(Vec<f32>, Vec<T>)> {
    let data = examples::<T>(recipe);
    let pass = data.pass(split, Share::WHOLE).expect("a pass");
    pass.map(|examples| examples.expect("read"))
        .map(|e| (e.batch.pixels.into_normalised(), e.targets))
        .collect()
}

fn list_of(root: &Path, text: &str) -> std::path::PathBuf {
    for (seed, name) in "abcde".chars().enumerate() {
        put(root, &format!("{name}.png"), png(16, 16, seed as u32));
    }
    put(root, "list.csv", text)
}

/// The keys of the list: with one of `unknown`, whose flags tell nothing, samples without a target.
fn keys() -> Vec<String> {
    [
        "data.reader.label_list_column=tags",
        "data.reader.labels=[\"young\", \"small\", \"old\"]",
        "data.reader.value_columns=[\"age\", \"weight [kg]\"]",
    ]
    .map(str::to_owned)
    .to_vec()
}

fn packed(recipe: &Recipe, out: &Path, format: PackFormat) -> Vec<String> {
    let (parts, _) = open_parts(&DataSource::from(recipe), None).expect("parts");
    pack(&parts, out, &options(format), &|_| ()).expect("packed");
    reader_keys(format, &parts)
}

#[test]
fn shards_give_heads_what_the_list_does() {
    let root = tempfile::tempdir().expect("a folder");
    let list = recipe("csv", &list_of(root.path(), LIST), &keys());
    for format in FORMATS {
        let out = root.path().join(format!("{format:?}"));
        let found = packed(&list, &out, format);
        let name = format!("{format:?}").to_lowercase();
        let shards = recipe(&name, &out, &found);
        for split in [Split::Train, Split::Test] {
            assert_eq!(seen::<LabelSet>(&list, split), seen::<LabelSet>(&shards, split), "{format:?}");
            assert_eq!(seen::<Values>(&list, split), seen::<Values>(&shards, split), "{format:?}");
        }
        assert_eq!(examples::<LabelSet>(&shards).classes(), ["young", "small", "old"]);
        let names = |recipe: &Recipe| {
            examples::<Values>(recipe).statistics().values.into_iter().map(|v| v.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&shards), names(&list));
        // And the classes, beside them.
        let [a, b] = [&list, &shards].map(|recipe| DataSource::from(recipe).images().expect("opens").train);
        assert_eq!(a.classes(), b.classes());
        let labels = |data: &dyn palimpsest_core::data::Dataset| {
            (0..data.len()).map(|index| data.label(index)).collect::<Vec<_>>()
        };
        assert_eq!(labels(&*a), labels(&*b));
        // From one form into the other.
        for other in FORMATS {
            let again = root.path().join(format!("{format:?}-{other:?}"));
            let found = packed(&shards, &again, other);
            let again = recipe(&format!("{other:?}").to_lowercase(), &again, &found);
            assert_eq!(seen::<LabelSet>(&list, Split::Train), seen::<LabelSet>(&again, Split::Train));
            assert_eq!(seen::<Values>(&list, Split::Train), seen::<Values>(&again, Split::Train));
        }
    }
}

/// Without a target a sample stays without, be it of labels or of numbers.
/// By which `--resize` decodes.
#[test]
fn the_most_pixels_are_those_of_the_reader() {
    let most = |keys: &[String]| DataSource::from(&recipe("folder", Path::new("photos"), keys)).max_pixels();
    assert_eq!(most(&[]), 100_000_000);
    assert_eq!(most(&["data.reader.max_pixels=250000000".to_owned()]), 250_000_000);
}

#[test]
fn what_is_unknown_stays_unknown() {
    let root = tempfile::tempdir().expect("a folder");
    let text =
        "path,red,blue,age,split\na.png,1,0,1,train\nb.png,,,,train\nc.png,0,0,nan,train\ne.png,0,1,2,test\n";
    let keys = ["data.reader.label_columns=[\"red\", \"blue\"]", "data.reader.value_columns=[\"age\"]"];
    let list = recipe("csv", &list_of(root.path(), text), &keys.map(str::to_owned));
    for format in FORMATS {
        let out = root.path().join(format!("{format:?}"));
        let found = packed(&list, &out, format);
        let shards = recipe(&format!("{format:?}").to_lowercase(), &out, &found);
        let labels = examples::<LabelSet>(&shards);
        assert_eq!(labels.sizes()[0].without_target, 1, "{format:?}");
        assert_eq!(examples::<Values>(&shards).sizes()[0].without_target, 2, "{format:?}");
        assert_eq!(seen::<LabelSet>(&list, Split::Train), seen::<LabelSet>(&shards, Split::Train));
    }
    let text = text.replace("b.png,,", "b.png,1,");
    let list = recipe("csv", &list_of(root.path(), &text), &keys.map(str::to_owned));
    let parts = open_parts(&DataSource::from(&list), None);
    assert_error(parts.map(drop), &["label_columns", "1 image has labels that aren't known", "b.png"]);
}

#[test]
fn other_targets_and_names_are_refused() {
    let root = tempfile::tempdir().expect("a folder");
    let path = list_of(root.path(), &LIST.replace("weight [kg]", "name"));
    let key = |name: &str| [format!("data.reader.value_columns=[\"{name}\"]")];
    let parts = |recipe: &Recipe| open_parts(&DataSource::from(recipe), None).expect("parts").0;
    let out = root.path().join("out");
    let pack_as = |parts: &[PackPart], format| pack(parts, &out, &options(format), &|_| ()).map(drop);
    let named = parts(&recipe("csv", &path, &key("name")));
    assert_error(pack_as(&named, PackFormat::WebDataset), &["called `name`", "call it other than"]);
    pack_as(&named, PackFormat::Parquet).expect("packed");
    // Other targets of the same images aren't what was begun.
    let other = parts(&recipe("csv", &path, &key("age")));
    assert_error(pack_as(&other, PackFormat::Parquet), &["other values", "--out another folder"]);
    list_of(root.path(), &LIST.replace("weight [kg]", "name").replace(",-1e2,", ",5,"));
    let other = parts(&recipe("csv", &path, &key("name")));
    assert_error(pack_as(&other, PackFormat::Parquet), &["other parts", "--out another folder"]);
}

const PYTHON: &str = r"
import sys, json, glob, numpy as np, datasets, webdataset as wds
datasets.disable_progress_bars()
tars, rows, cache = sys.argv[1:]
names = ['young', 'small', 'old']
f = lambda value: None if value is None else float(np.float32(value))
due = [(['small', 'old'], f(3), f(.1)), ([], None, f(-100)), ([], None, None), (['young'], f(2.5), None), (['old'], f(16777217), f(1e-30))]
found = []
for part in ('train', 'test'):
    data = datasets.load_dataset('parquet', data_files=sorted(glob.glob(f'{rows}/{part}-*.parquet')), cache_dir=cache)['train']
    assert data.features['labels'].feature.names == names, data.features
    assert data.features['age'].dtype == data.features['weight [kg]'].dtype == 'float32'
    found += [([names[i] for i in row['labels']], row['age'], row['weight [kg]']) for row in data]
assert found == due, found
found = []
for part in ('train', 'test'):
    for sample in wds.WebDataset(sorted(glob.glob(f'{tars}/{part}-*.tar')), shardshuffle=False):
        row = json.loads(sample['json'])
        found.append((row['labels'], f(row['age']), f(row['weight [kg]'])))
assert found == due, found
print(len(found))
";

/// The packages that gave the formats their names find labels, their names and numbers.
#[test]
fn the_python_packages_read_the_targets() {
    let root = tempfile::tempdir().expect("a folder");
    let list = recipe("csv", &list_of(root.path(), LIST), &keys());
    let [tars, rows] = FORMATS.map(|format| {
        let out = root.path().join(format!("{format:?}"));
        packed(&list, &out, format);
        out
    });
    let importable =
        Command::new("python3").args(["-c", "import datasets, webdataset; datasets.Image"]).output();
    if !importable.is_ok_and(|output| output.status.success()) {
        eprintln!("passed over: python3 can't import datasets and webdataset");
        return;
    }
    let mut command = Command::new("python3");
    command.args(["-c", PYTHON]).args([&tars, &rows]).arg(root.path().join("cache"));
    let output = command.env("HF_HOME", root.path()).output().expect("python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "5");
}
