//! Ranks that don't fit together end with a sentence each, within the time limit.

use super::{Ranks, free_port, has, rank};
use crate::driver::{TINY, command, folder, stderr};

/// The error lines of ranks that are started with arguments of their own.
fn told(commands: Vec<std::process::Command>) -> Vec<String> {
    let children = commands.into_iter().map(|mut command| command.spawn().expect("starts")).collect();
    let outputs = Ranks { children }.outputs();
    assert!(outputs.iter().all(|output| !output.status.success()));
    outputs.iter().map(stderr).collect()
}

#[test]
fn a_rank_that_never_comes() {
    if !has("gloo") {
        return;
    }
    let folder = folder();
    let port = free_port();
    let args = ["pretrain", "tiny.toml", "--steps", "2", "--time-limit", "3"];
    let commands = [0, 2].map(|number| rank(folder.path(), &args, number, 3, port)).into();
    for text in told(commands) {
        assert!(text.contains("rank 1 did not come within 3 s"), "{text}");
    }
}

#[test]
fn ranks_with_other_recipes() {
    if !has("gloo") {
        return;
    }
    let folder = folder();
    let port = free_port();
    let args = |lr: &'static str| ["pretrain", "tiny.toml", "--steps", "2", "--out", "run", lr];
    let commands = ["optimizer.lr=1e-3", "optimizer.lr=1e-3", "optimizer.lr=2e-3"].into_iter().enumerate();
    let batch = |number: usize, lr| {
        let mut args = args(lr).to_vec();
        args.push("train.batch=12");
        rank(folder.path(), &args, number, 3, port)
    };
    let texts = told(commands.map(|(number, lr)| batch(number, lr)).collect());
    assert!(
        texts[0].contains("error: rank 2 and rank 0 differ in the command line; start every rank"),
        "{texts:#?}"
    );
    assert!(texts[1].is_empty() && texts[2].is_empty(), "told once: {texts:#?}");
}

/// Other numbers of parameters would have an engine end the process.
#[test]
fn ranks_with_other_models() {
    if !has("gloo") {
        return;
    }
    let folders = [folder(), folder()];
    std::fs::write(folders[1].path().join("tiny.toml"), TINY.replace("dim = 16", "dim = 32"))
        .expect("written");
    let port = free_port();
    let args = ["pretrain", "tiny.toml", "--steps", "2", "--out", "run"];
    let texts = told([0, 1].map(|number| rank(folders[number].path(), &args, number, 2, port)).into());
    assert!(texts[0].contains("rank 1 and rank 0 differ in the recipe"), "{texts:#?}");
}

/// Each would wait for the other's sums.
#[test]
fn ranks_with_other_commands() {
    if !has("gloo") {
        return;
    }
    let folder = folder();
    let port = free_port();
    let commands: [&[&str]; 2] = [&["pretrain", "tiny.toml"], &["pretrain", "tiny.toml", "--dry-run"]];
    let texts = told([0, 1].map(|number| rank(folder.path(), commands[number], number, 2, port)).into());
    assert!(texts[0].contains("rank 1 and rank 0 differ in the command line"), "{texts:#?}");
}

/// Two processes of one number, as where two runs meet at one port.
#[test]
fn a_number_that_is_there_twice() {
    if !has("gloo") {
        return;
    }
    let folder = folder();
    let port = free_port();
    let args = ["pretrain", "tiny.toml", "--steps", "2", "--time-limit", "5"];
    let commands = [0, 1, 1].map(|number| rank(folder.path(), &args, number, 3, port)).into();
    let texts = told(commands);
    let twice = texts.iter().filter(|text| text.contains("rank 1 has come to 127.0.0.1:"));
    assert_eq!(twice.count(), 1, "{texts:#?}");
    assert!(texts[0].contains("rank 2 did not come within 5 s"), "{texts:#?}");
}

#[test]
fn half_of_what_a_launcher_sets() {
    let folder = folder();
    let output =
        command(folder.path(), &["pretrain", "tiny.toml"]).env("RANK", "1").output().expect("starts");
    let due = "error: RANK=1 is set, and WORLD_SIZE is not; set both, or unset RANK for one process\n";
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(2), due));
    let mut alone = command(folder.path(), &["pretrain", "tiny.toml"]);
    let output = alone.envs([("RANK", "0"), ("WORLD_SIZE", "2")]).output().expect("starts");
    assert!(stderr(&output).contains("MASTER_ADDR"), "{}", stderr(&output));
}
