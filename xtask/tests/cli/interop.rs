//! `export` and `init_from` as a user runs them.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::driver::{folder, run, stderr, succeed};

/// A small MAE that trains in a second.
const MAE: &str = r#"
preset = "mae"
name = "small-mae"
[data]
image_size = 16
channels = 1
mean = [0.286]
std = [0.353]
workers = 1
[encoder]
dim = 16
depth = 2
heads = 2
patch = 4
[restoration]
decoder = { kind = "transformer", dim = 16, depth = 1, heads = 2 }
[schedule]
warmup_epochs = 0.0
[train]
steps = 2
batch = 16
ema = 0.5
[eval]
heads = []
"#;

fn json_line(folder: &Path, args: &[&str]) -> Value {
    let output = succeed(folder, args);
    let text = String::from_utf8(output.stdout).expect("text");
    serde_json::from_str(text.lines().last().expect("a line")).expect("JSON")
}

fn refused(folder: &Path, args: &[&str], parts: &[&str]) {
    let output = run(folder, args);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
    let error = text.lines().find(|line| line.starts_with("error: ")).expect("an error");
    for part in parts {
        assert!(error.contains(part), "{args:?}: no `{part}` in: {error}");
    }
}

/// The tensors of a file by name.
fn tensors(path: &Path) -> Vec<(String, Vec<u8>)> {
    let data = fs::read(path).expect("read");
    let file = safetensors::SafeTensors::deserialize(&data).expect("a safetensors file");
    let mut all: Vec<(String, Vec<u8>)> =
        file.iter().map(|(name, view)| (name.to_owned(), view.data().to_vec())).collect();
    all.sort();
    all
}

type Stored = Vec<(String, safetensors::Dtype, Vec<usize>, Vec<u8>)>;

fn stored(path: &Path) -> Stored {
    let data = fs::read(path).expect("read");
    let file = safetensors::SafeTensors::deserialize(&data).expect("a safetensors file");
    let tensor = |(name, view): (&str, safetensors::tensor::TensorView<'_>)| {
        (name.to_owned(), view.dtype(), view.shape().to_vec(), view.data().to_vec())
    };
    file.iter().map(tensor).collect()
}

fn store(path: &Path, tensors: &[(String, safetensors::Dtype, Vec<usize>, Vec<u8>)]) {
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        (name, safetensors::tensor::TensorView::new(*dtype, shape.clone(), bytes).expect("it fits"))
    });
    fs::write(path, safetensors::serialize(views, None).expect("serialised")).expect("written");
}

/// The model as two files and the index that transformers writes beside them.
fn shards(model: &Path, folder: &Path) {
    fs::create_dir_all(folder).expect("made");
    let tensors = stored(model);
    let mut map = serde_json::Map::new();
    for (i, part) in tensors.chunks(tensors.len().div_ceil(2)).enumerate() {
        let file = format!("model-0000{}-of-00002.safetensors", i + 1);
        store(&folder.join(&file), part);
        map.extend(part.iter().map(|(name, ..)| (name.clone(), Value::from(file.as_str()))));
    }
    let index = serde_json::json!({ "metadata": { "total_size": 1 }, "weight_map": map });
    fs::write(folder.join("model.safetensors.index.json"), index.to_string()).expect("written");
}

/// The encoder as a classifier of another library holds it.
fn prefixed(model: &Path, path: &Path) {
    let mut tensors = stored(model);
    tensors.iter_mut().for_each(|(name, ..)| name.insert_str(0, "backbone."));
    tensors.push(("head.bias".to_owned(), safetensors::Dtype::F32, vec![1], vec![0; 4]));
    store(path, &tensors);
}

#[test]
fn weights_go_out_and_come_back() {
    let folder = folder();
    let path = folder.path();
    fs::write(path.join("mae.toml"), MAE).expect("written");
    succeed(path, &["pretrain", "mae.toml", "--out", "run"]);
    for format in ["timm", "hf", "hf-mae", "mae", "safetensors"] {
        let answer = json_line(path, &["export", "run", "--format", format, "--json"]);
        assert_eq!((answer["format"].as_str(), answer["step"].as_u64()), (Some(format), Some(2)));
        let file = format!("run/export/{format}/model.safetensors");
        assert!(path.join(&file).is_file());
        // No step: the run is what the file holds.
        let init = format!("init_from={file}");
        let out = format!("from-{format}");
        succeed(path, &["pretrain", "mae.toml", &init, "train.steps=0", "train.epochs=0", "--out", &out]);
        let config = fs::read_to_string(path.join(&out).join("config.toml")).expect("read");
        assert!(config.contains("init_sha256 = \""), "{config}");
        let again = format!("{out}/again");
        succeed(path, &["export", &out, "--format", format, "--out", &again]);
        let exported = path.join(again).join("model.safetensors");
        assert_eq!(tensors(&path.join(&file)), tensors(&exported), "{format}");
    }
    // Another seed, the same file: the decoder is the file's too.
    let average =
        json_line(path, &["export", "run", "--format", "timm", "--ema", "--out", "average", "--json"]);
    assert_eq!(average["ema"].as_bool(), Some(true));
    let (trained, averaged) = ("run/export/timm/model.safetensors", "average/model.safetensors");
    assert_ne!(tensors(&path.join(trained)), tensors(&path.join(averaged)));
    // A checkpoint starts another run, and a run that started from a file can be resumed without it.
    let checkpoint = "run/checkpoints/step-000000002.safetensors";
    let init = format!("init_from={checkpoint}");
    succeed(path, &["pretrain", "mae.toml", &init, "seed=3", "--out", "second"]);
    let kept = fs::read(path.join(checkpoint)).expect("read");
    fs::remove_file(path.join(checkpoint)).expect("removed");
    succeed(path, &["resume", "second"]);
    fs::write(path.join(checkpoint), kept).expect("written");
    // What a path of weights may be.
    let taken = |init: &str, notes: &[&str]| {
        let out = format!("taken-{}", init.replace(['/', '.'], "-"));
        let init = format!("init_from={init}");
        let output =
            succeed(path, &["pretrain", "mae.toml", &init, "train.epochs=0", "train.steps=0", "--out", &out]);
        let text = stderr(&output);
        for note in notes {
            assert!(text.contains(note), "{init}: no `{note}` in: {text}");
        }
    };
    taken("run/export/timm", &["starts from run/export/timm/model.safetensors, as timm's vit_*"]);
    taken("run", &["starts from run/checkpoints/step-000000002.safetensors, as this program"]);
    taken("run/checkpoints", &["step-000000002.safetensors"]);
    shards(&path.join("run/export/hf-mae/model.safetensors"), &path.join("shards"));
    taken("shards", &["starts from shards, as Hugging Face's ViTMAEForPreTraining"]);
    taken("shards/model.safetensors.index.json", &["model.safetensors.index.json, as Hugging Face's"]);
    prefixed(&path.join("run/export/timm/model.safetensors"), &path.join("prefixed.safetensors"));
    taken(
        "prefixed.safetensors",
        &["its names are read without the prefix `backbone.`; passed over, as outside of it: `head.bias`"],
    );
    refused(
        path,
        &["pretrain", "mae.toml", "init_from=shards/model-00001-of-00002.safetensors"],
        &["is one part of a model", "model.safetensors.index.json"],
    );
    refused(path, &["pretrain", "mae.toml", "init_from=run/tb"], &["is a folder without weights"]);
    fs::write(path.join("lfs.safetensors"), "version https://git-lfs.github.com/spec/v1\n").expect("written");
    refused(path, &["pretrain", "mae.toml", "init_from=lfs.safetensors"], &["Git LFS", "git lfs pull"]);
    // Mistakes.
    refused(path, &["export", "run", "--format", "tmim"], &["unknown format `tmim`", "did you mean `timm`?"]);
    refused(path, &["export", "run", "--format", "onnx"], &["writes ONNX", "torch.onnx.export"]);
    refused(path, &["export", "nothing", "--format", "timm"], &["nothing", "holds no run"]);
    succeed(path, &["pretrain", "tiny.toml", "--steps", "1", "--out", "paper"]);
    let answer = json_line(path, &["export", "paper", "--format", "timm", "--json"]);
    assert_eq!(answer["format"].as_str(), Some("timm"));
    refused(path, &["export", "paper", "--format", "hf"], &["no place for a relative position bias"]);
    refused(
        path,
        &["export", "paper", "--format", "safetensors", "--ema"],
        &["no averaged weights", "train.ema"],
    );
    refused(
        path,
        &["pretrain", "mae.toml", "init_from=gone.safetensors"],
        &["`init_from`", "gone.safetensors", "no such file"],
    );
    fs::write(path.join("mae.pth"), b"PK\x03\x04rest").expect("written");
    refused(path, &["pretrain", "mae.toml", "init_from=mae.pth"], &["mae.pth", "PyTorch file", "save_file"]);
    fs::write(path.join("text.safetensors"), "no safetensors").expect("written");
    refused(path, &["pretrain", "mae.toml", "init_from=text.safetensors"], &["no safetensors file"]);
    let init = "init_from=run/export/timm/model.safetensors";
    refused(path, &["pretrain", "mae.toml", init, "init_sha256=00"], &["`init_sha256`", "not 00"]);
    refused(
        path,
        &["pretrain", "mae.toml", init, "encoder.depth=3"],
        &["`blocks.2.norm1.weight` is missing"],
    );
    refused(path, &["compare", "mae.toml", init], &["`init_from`", "seed"]);
}
