//! What shells and `man` are given.

use std::process::Command;

use crate::driver::{folder, succeed};

/// What bash offers for the last of these words.
fn offered(script: &std::path::Path, words: &[&str]) -> Vec<String> {
    let call = r#"
        source "$1"; shift
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
        function=$(complete -p "$1" | sed 's/.* -F \([^ ]*\) .*/\1/')
        "$function" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let output = Command::new("bash").args(["-c", call, "bash"]).arg(script).args(words).output();
    let output = output.expect("bash starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).split_whitespace().map(str::to_owned).collect()
}

#[test]
fn bash_completes_both_names() {
    let folder = folder();
    let script = folder.path().join("completions");
    std::fs::write(&script, succeed(folder.path(), &["completions", "bash"]).stdout).expect("written");
    for program in [&["palimpsest"][..], &["cargo", "xtask"]] {
        let at = |words: &[&str]| offered(&script, &[program, words].concat());
        assert_eq!(at(&["ba"]), ["backend"], "{program:?}");
        assert_eq!(at(&["backend", "v"]), ["validate"], "{program:?}");
        assert!(at(&["eval", "--head", "fine"]).contains(&"finetune".to_owned()), "{program:?}");
        assert_eq!(at(&["pretrain", "--backend", "d"]), ["dfdx"], "{program:?}");
        assert!(at(&["part", "list", "enc"]).contains(&"encoder".to_owned()), "{program:?}");
        // What was spelt otherwise, and the processes of this program, are not offered.
        assert!(at(&["conf"]).is_empty() && at(&["backend", "ch"]).is_empty(), "{program:?}");
        assert!(!at(&["comp"]).contains(&"compare-worker".to_owned()), "{program:?}");
    }
}

#[test]
fn zsh_and_fish_have_both_names() {
    let folder = folder();
    for (shell, parts) in [
        ("zsh", ["#compdef palimpsest", "_cargo-xtask()", "validate:"]),
        ("fish", ["complete -c palimpsest", "complete -c cargo", "validate"]),
    ] {
        let output = succeed(folder.path(), &["completions", shell]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        parts.iter().for_each(|part| assert!(text.contains(part), "{shell}: no `{part}`"));
        assert!(!text.contains("conform") && !text.contains("compare-worker"), "{shell}");
        // Where the shell is there, it reads the script.
        let script = folder.path().join(shell);
        std::fs::write(&script, &text).expect("written");
        if let Ok(read) = Command::new(shell).arg("-n").arg(&script).output() {
            assert!(read.status.success(), "{shell}: {}", String::from_utf8_lossy(&read.stderr));
        }
    }
}

#[test]
fn manual_pages_tell_every_command() {
    let folder = folder();
    let page = succeed(folder.path(), &["man"]).stdout;
    let page = String::from_utf8_lossy(&page).into_owned();
    assert!(page.contains(".TH palimpsest 1") && page.contains("palimpsest\\-pretrain(1)"), "{page}");
    succeed(folder.path(), &["man", "--out", "pages"]);
    let read = |name: &str| std::fs::read_to_string(folder.path().join("pages").join(name)).expect(name);
    assert!(read("palimpsest-backend-validate.1").contains("palimpsest backend validate"));
    assert!(read("palimpsest-pretrain.1").contains("KEY=VALUE"));
    assert!(!folder.path().join("pages/palimpsest-conform.1").exists());
}
