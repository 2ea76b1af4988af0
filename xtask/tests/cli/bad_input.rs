//! Every mistake gives one sentence with location, value and help, and exit status 2.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;

use crate::driver::{TINY, folder, library, run, stderr, succeed};

/// The `error:` line of a run that must end with status 2 and hold all of `parts`.
fn refused(folder: &Path, args: &[&str], parts: &[&str]) {
    let output = run(folder, args);
    let text = stderr(&output);
    let errors: Vec<&str> = text.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{args:?}: {text}");
    for part in parts {
        assert!(errors[0].contains(part), "{args:?}: no `{part}` in: {}", errors[0]);
    }
    assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
    assert!(!text.contains("panicked"), "{text}");
}

#[test]
fn recipes() {
    let folder = folder();
    let path = folder.path();
    let write = |name: &str, text: &str| fs::write(path.join(name), text).expect("written");
    write("key.toml", &TINY.replace("cell = 8", "cel = 8"));
    refused(path, &["pretrain", "key.toml"], &["key.toml:", "`corruption.cel`", "did you mean `cell`?"]);
    write("type.toml", &TINY.replace("batch = 16", "batch = \"many\""));
    refused(path, &["pretrain", "type.toml"], &["type.toml:", "`train.batch`", "many", "write a value like"]);
    write("range.toml", &TINY.replace("cell = 8", "cell = 8\nratio = 1.5"));
    refused(path, &["pretrain", "range.toml"], &["range.toml:", "`corruption.ratio`", "1.5", "0.0..=1.0"]);
    write("reader.toml", &TINY.replace("workers = 1", "name = \"scenes\"\nreader.cont = [3, 2]"));
    refused(
        path,
        &["pretrain", "reader.toml", "--dry-run"],
        &["error: reader.toml:", "`data.reader.cont`", "did you mean `count`?"],
    );
    refused(
        path,
        &["pretrain", "tiny.toml", "data.reader.coarse=true", "--dry-run"],
        &["`data.reader.coarse`: unknown key `coarse`; leave it out: there are none"],
    );
    write("toml.toml", "preset = ");
    refused(path, &["pretrain", "toml.toml"], &["toml.toml:1", "fix the TOML"]);
    write("preset.toml", "preset = \"mea\"");
    refused(path, &["pretrain", "preset.toml"], &["preset.toml:1", "`mea`", "did you mean `mae`?"]);
    refused(path, &["pretrain", "missing.toml"], &["missing.toml", "no such file", "check the path"]);
    refused(
        path,
        &["pretrain", "tiny.toml", "encoder.patch=5"],
        &["encoder.patch", "patch of 5 px", "choose"],
    );
    refused(
        path,
        &["pretrain", "tiny.toml", "corruption.cell=6"],
        &["cell of 6 px", "choose corruption.cell among 4, 8, 16"],
    );
    refused(path, &["pretrain", "tiny.toml", "encoder.heads=3"], &["3 heads", "16", "multiple"]);
    refused(
        path,
        &["pretrain", "tiny.toml", "noise.at=block:9"],
        &["block 9", "3 blocks", "block:0 to block:2"],
    );
    refused(
        path,
        &["pretrain", "tiny.toml", "train.accumulate=3"],
        &["train.accumulate", "16", "3", "divisor"],
    );
    refused(
        path,
        &["pretrain", "tiny.toml", "corruption.kind=rndom"],
        &["`rndom`", "did you mean `random`?"],
    );
    refused(path, &["pretrain", "tiny.toml", "--device", "cuda:0"], &["cuda:0", "has no device"]);
    refused(path, &["pretrain", "tiny.toml", "--backend", "brn"], &["`brn`", "did you mean `burn`?"]);
}

#[test]
fn images() {
    let folder = folder();
    let path = folder.path();
    let photos = path.join("photos");
    let with = |args: &[&'static str]| -> Vec<&'static str> {
        let mut all =
            vec!["pretrain", "tiny.toml", "data.name=folder", "data.path=photos", "data.bad_files=0"];
        all.extend(["data.holdout=0", "train.batch=4", "data.crop_scale=[]"]);
        all.extend(args);
        all
    };
    refused(path, &with(&[]), &["photos", "no such", "check the path"]);
    fs::create_dir(&photos).expect("made");
    refused(path, &with(&[]), &["photos"]);

    // Sound images: sheets that the driver draws itself.
    for i in 0..6 {
        succeed(path, &["data", "show", "tiny.toml", "--images", "1", "--out", &format!("photos/{i}.png")]);
    }
    let sound = fs::read(photos.join("0.png")).expect("read");
    fs::write(photos.join("7.png"), &sound[..sound.len() / 2]).expect("written");
    refused(path, &with(&["train.batch=7"]), &["7.png", "bad_files"]);
    fs::remove_file(photos.join("7.png")).expect("removed");
    fs::write(photos.join("8.jpg"), "this is text").expect("written");
    refused(path, &with(&["train.batch=7"]), &["8.jpg", "bad_files"]);
    fs::remove_file(photos.join("8.jpg")).expect("removed");
    refused(path, &with(&["train.batch=64"]), &["64", "6"]);
}

#[test]
fn runs_and_checkpoints() {
    let folder = folder();
    let path = folder.path();
    refused(path, &["resume", "nothing"], &["nothing", "holds no run", "pretrain"]);
    succeed(path, &["pretrain", "tiny.toml", "--out", "run", "--steps", "2"]);
    refused(path, &["pretrain", "tiny.toml", "--out", "run"], &["run", "holds a run already", "--out"]);
    refused(
        path,
        &["eval", "run", "--checkpoint", "gone.safetensors"],
        &["gone.safetensors", "no such file"],
    );
    refused(path, &["eval", "run", "--head", "knnn"], &["`knnn`", "did you mean `knn`?"]);

    let checkpoint = path.join("run/checkpoints/step-000000002.safetensors");
    let sound = fs::read(&checkpoint).expect("read");
    // Else the run would go on from it.
    fs::remove_file(path.join("run/checkpoints/step-000000000.safetensors")).expect("removed");
    fs::write(&checkpoint, &sound[..sound.len() - 100]).expect("written");
    refused(path, &["resume", "run"], &["step-000000002", "truncated", "older checkpoint"]);
    fs::write(&checkpoint, b"not a safetensors file at all").expect("written");
    refused(path, &["resume", "run"], &["step-000000002", "safetensors"]);
    let foreign = safetensors::serialize(Vec::<(&str, safetensors::tensor::TensorView<'_>)>::new(), None)
        .expect("made");
    fs::write(&checkpoint, foreign).expect("written");
    refused(path, &["resume", "run"], &["step-000000002", "no checkpoint of this program", "pretrain"]);
    fs::write(&checkpoint, &sound).expect("written");
    refused(path, &["resume", "run", "train.batch=8"], &["train.batch", "16 -> 8", "new run", "init_from="]);
    fs::remove_dir_all(path.join("run/checkpoints")).expect("removed");
    fs::create_dir(path.join("run/checkpoints")).expect("made");
    refused(path, &["resume", "run"], &["run", "checkpoints of the run are gone", "pretrain"]);
}

/// What the operating system denies is denied to an ordinary user; root is let through everywhere,
/// so the driver is run as nobody there.
#[test]
fn permissions() {
    const NOBODY: u32 = 65534;
    let folder = folder();
    let path = folder.path();
    let closed = path.join("closed");
    fs::create_dir(&closed).expect("made");
    let mode = |path: &Path, mode: u32| {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
    };
    mode(path, 0o755);
    mode(&closed, 0o555);
    let driver = path.join("driver");
    fs::copy(env!("CARGO_BIN_EXE_xtask"), &driver).expect("copied");
    let packed = path.join("backends");
    fs::create_dir(&packed).expect("made");
    let burn = library("palimpsest_burn");
    fs::copy(&burn, packed.join(burn.file_name().expect("a file"))).expect("copied");
    let is_root = fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0);
    let denied = |args: &[&str], parts: &[&str]| {
        let mut command = std::process::Command::new(&driver);
        command.current_dir(path).args(args);
        if is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        let output = command.output().expect("the driver starts");
        let text = stderr(&output);
        for part in parts {
            assert!(text.contains(part), "{args:?}: no `{part}` in: {text}");
        }
        assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
    };
    denied(
        &["pretrain", "tiny.toml", "--out", "closed/run"],
        &["closed/run", "permission denied; choose a path"],
    );

    let photos = path.join("photos");
    fs::create_dir(&photos).expect("made");
    for i in 0..4 {
        succeed(path, &["data", "show", "tiny.toml", "--images", "1", "--out", &format!("photos/{i}.png")]);
    }
    mode(&photos.join("2.png"), 0o000);
    let open = path.join("open");
    fs::create_dir(&open).expect("made");
    mode(&open, 0o777);
    let settings = ["data.name=folder", "data.path=photos", "data.holdout=0", "data.bad_files=0"];
    let mut args = vec!["pretrain", "tiny.toml", "--out", "open/run", "train.batch=4", "data.crop_scale=[]"];
    args.extend(settings);
    denied(&args, &["2.png", "ermission denied", "bad_files"]);
}
