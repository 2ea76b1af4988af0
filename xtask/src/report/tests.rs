//! Reports of folders that the tests write: whole, sparse, broken and several.

use std::fs;
use std::path::{Path, PathBuf};

use palimpsest_core::train::RunFolder;
use palimpsest_tests::mutation::{mutated, seeds};
use proptest::prelude::*;
use tempfile::TempDir;

use super::write;

/// A PNG file of one pixel.
const PIXEL: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0\x3a\x7e\x9b\x55\
\0\0\0\x0aIDATx\x9cc\xf8\x0f\0\x01\x01\x01\0\x1b\xb6\xee\x56\0\0\0\0IEND\xaeB`\x82";

const RECIPE: &str = r#"# Resolved recipe, hash 0123456789abcdef
name = "first <run>"

[corruption]
kind = "cell"
ratio = 0.6

[encoder]
kind = "vit"
patch = 4
size = "tiny"

[objective.masked]
kind = "reconstruction"

[train]
batch = 64
epochs = 4.0
steps = 0
"#;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder"));
        folder.put("config.toml", RECIPE);
        folder
    }

    /// As a run leaves it that came to its end.
    fn finished() -> Self {
        let folder = Self::new();
        folder.put(
            "env.json",
            r#"{"backend": {"name": "burn"}, "device": "cpu & more", "started": "2026-01-02T03:04:05Z"}"#,
        );
        folder.put("summary.json", r#"{"steps": 400, "epochs": 4.0, "loss": 0.3217, "seconds": 75, "images_per_second": 341.3, "data_wait": 0.02, "command": "cargo xtask pretrain a.toml"}"#);
        folder.put("train.log", "start\nwarning: <script>alert(1)</script>\nwarning: \u{1b}[31mred\n");
        folder.put("samples/step-000000100.png", PIXEL);
        folder.put("samples/step-000000400.png", PIXEL);
        folder.put("metrics.jsonl", metrics(400).concat());
        folder
    }

    fn put(&self, name: &str, data: impl AsRef<[u8]>) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, data).expect("a file");
    }

    fn open(&self) -> RunFolder {
        RunFolder::open(self.0.path()).expect("a run")
    }
}

/// Lines of metrics, every step to `steps`, with evaluations every 100.
fn metrics(steps: usize) -> Vec<String> {
    let mut lines = vec![];
    for step in 1..=steps {
        let (epoch, loss) = (step as f64 / 100.0, 0.3 + 2.0 / step as f64);
        let logged = if step == 50 { "null".to_owned() } else { loss.to_string() };
        lines.push(format!(
            "{{\"step\":{step},\"epoch\":{epoch},\"lr\":1e-4,\"grad_norm\":1.5,\"images_per_second\":340.0,\
             \"data_wait\":0.02,\"loss\":{logged},\"loss/masked\":{},\"attention/cross_mass\":0.25,\
             \"phases\":{{\"data\":0.01,\"forward\":0.03,\"backward\":0.06}}}}\n",
            loss / 2.0
        ));
        if step.is_multiple_of(100) {
            lines.push(format!(
                "{{\"step\":{step},\"epoch\":{epoch},\"eval\":{{\"pretrained\":{{\"knn\":{{\"accuracy\":{},\"k\":20}}}},\
                 \"random\":{{\"knn\":{{\"accuracy\":0.6123,\"k\":20}}}}}}}}\n",
                0.7 + step as f64 * 2e-4
            ));
        }
    }
    lines
}

fn report(runs: &[&Folder]) -> String {
    let out = tempfile::tempdir().expect("a folder");
    let path: PathBuf = out.path().join("deep/report.html");
    let runs: Vec<RunFolder> = runs.iter().map(|run| run.open()).collect();
    write(&runs, &path).expect("a report");
    assert_eq!(fs::read_dir(path.parent().expect("a parent")).expect("a folder").count(), 1);
    let page = fs::read_to_string(&path).expect("the report");
    check(&page);
    page
}

/// Elements are closed in order, every `<`, `>`, `&` and `"` of a text is escaped, no number is not
/// finite, and nothing is fetched from anywhere.
fn check(page: &str) {
    let body = page.strip_prefix("<!doctype html>\n").expect("a doctype");
    let mut open: Vec<&str> = vec![];
    let mut rest = body;
    while let Some(start) = rest.find('<') {
        let text = &rest[..start];
        if open.last() != Some(&"style") {
            entities(text);
        }
        assert!(!text.contains('>') || open.last() == Some(&"style"), "a stray > in {text:?}");
        let end = start + rest[start..].find('>').expect("the end of a tag");
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "closing <{tag}>");
            continue;
        }
        attributes(tag);
        let name = tag.split([' ', '/']).next().unwrap_or_default();
        assert!(!name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric()), "<{tag}>");
        assert!(!["script", "link", "iframe", "object"].contains(&name), "<{tag}>");
        if !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
    for word in ["http:", "https:", "url(", "@import", "NaN", "inf\""] {
        assert!(!page.contains(word), "{word} in the page");
    }
}

fn entities(text: &str) {
    for part in text.split('&').skip(1) {
        let name = part.split(';').next().unwrap_or_default();
        assert!(["amp", "lt", "gt", "quot", "#39"].contains(&name), "&{name} in {text:?}");
    }
    assert!(!text.contains(|c: char| c.is_control() && c != '\n' && c != '\t'), "{text:?}");
}

fn attributes(tag: &str) {
    let quotes = tag.matches('"').count();
    assert!(quotes.is_multiple_of(2) && !tag.contains('<'), "<{tag}>");
    for (i, part) in tag.split('"').enumerate() {
        if i % 2 == 1 {
            entities(part);
        } else if i > 0 && !part.trim_matches(['/', ' ']).is_empty() {
            assert!(part.starts_with(' ') && part.ends_with('='), "<{tag}>");
        }
    }
    for name in ["x", "y", "cx", "cy", "x1", "x2", "y1", "y2", "width", "height"] {
        if let Some((_, value)) = tag.split_once(&format!(" {name}=\"")) {
            let value = value.split('"').next().unwrap_or_default();
            assert!(value.parse::<f64>().is_ok_and(f64::is_finite), "{name} of <{tag}>");
        }
    }
}

fn expect(page: &str, parts: &[&str]) {
    for part in parts {
        assert!(page.contains(part), "{part:?} is not in the page");
    }
}

#[test]
fn a_finished_run_is_told_with_its_numbers() {
    let page = report(&[&Folder::finished()]);
    expect(
        &page,
        &[
            "<h1>first &lt;run&gt;</h1>",
            "vit tiny/4 · cell masks over 60 % · objective masked · batch 64, 4 epochs",
            "<dd>finished</dd>",
            "<dd>0.3217</dd>",
            "<dd>1 min 15 s</dd>",
            "<dd>341</dd>",
            "<dd>2026-01-02 03:04 UTC</dd>",
            "<dd>cpu &amp; more</dd>",
            "<dd>0123456789ab</dd>",
            "<code>cargo xtask pretrain a.toml</code>",
            // 0.78 against 0.6123.
            "<b>78.00 %</b></td><td>61.23 %</td><td>+16.77</td>",
            "k 20",
            "1 value is not finite and left out.",
            "100 ms for a step on average",
            "backward <i>60.0 %</i>",
            "After epoch 4 (step 400)",
            "Earlier sheets (1)",
            "warning: &lt;script&gt;alert(1)&lt;/script&gt;",
            "ratio = 0.6",
        ],
    );
    // The last value of the loss under the pointer, smoothed and raw.
    expect(&page, &["epoch 4, step 400\ntotal: 0.3050", "masked: 0.1525"]);
}

#[test]
fn an_empty_folder_says_what_is_missing() {
    let page = report(&[&Folder::new()]);
    expect(
        &page,
        &[
            "There is no summary.json: the run has not ended.",
            "No evaluation yet.",
            "metrics.jsonl is missing or holds no steps yet.",
            "No sample sheets yet.",
            "train.log is missing.",
            "env.json is missing.",
        ],
    );
}

#[test]
fn half_written_files_are_told() {
    let folder = Folder::finished();
    folder.put("config.toml", "# Resolved recipe, hash 01\nname = \"fir");
    folder.put("env.json", "{\"backend\": ");
    folder.put("summary.json", b"\xff\xfe");
    folder.put("samples/step-000000400.png", &PIXEL[..30]);
    folder.put("metrics.jsonl", metrics(30).concat() + "[1]\n7\n{\"step\": 31, \"lo");
    let page = report(&[&folder]);
    expect(
        &page,
        &[
            "config.toml is half-written or no recipe.",
            "env.json is half-written or no JSON",
            "summary.json is half-written or no JSON",
            "samples/step-000000400.png is half-written or no PNG file.",
            "No evaluation yet.",
            "step 30",
        ],
    );
    folder.put("config.toml", b"\xff\0\x01<&>");
    report(&[&folder]);
}

#[test]
fn odd_metrics_still_plot() {
    let folder = Folder::new();
    for lines in [
        "{\"step\":1,\"loss\":null}\n",
        "{\"step\":1,\"loss\":1e308}\n{\"step\":2,\"loss\":-1e308}\n",
        "{\"step\":5,\"epoch\":0.1,\"loss\":0}\n",
        "{\"step\":5,\"loss\":1e-300}\n{\"step\":6,\"loss\":1e300,\"\\\"<odd>/&\":3}\n",
        "{\"step\":1,\"eval\":{\"pretrained\":{\"knn\":0.5,\"odd\":{}}}}\n{\"step\":2,\"eval\":{\"pretrained\":[]}}\n",
        "{\"step\":1,\"eval\":{\"pretrained\":{\"a\":{\"accuracy\":null}}}}\n",
    ] {
        folder.put("metrics.jsonl", lines);
        report(&[&folder]);
        report(&[&folder, &folder]);
    }
}

#[test]
fn steps_done_twice_count_once() {
    let folder = Folder::new();
    let twice = [metrics(200).concat(), metrics(120).concat()].concat();
    folder.put("metrics.jsonl", twice);
    let page = report(&[&folder]);
    expect(&page, &["<dd>1.2 epochs, 120 steps</dd>", "step 120\n"]);
    assert!(!page.contains("step 200"), "a step that the resumed run has not reached");
}

#[test]
fn several_runs_stand_side_by_side() {
    let (first, second) = (Folder::finished(), Folder::finished());
    let other = RECIPE.replace("first <run>", "second").replace("ratio = 0.6", "ratio = 0.75");
    second.put("config.toml", other);
    second.put("metrics.jsonl", metrics(300).concat());
    let page = report(&[&first, &second]);
    expect(
        &page,
        &[
            "<h1>Comparison of 2 runs</h1>",
            "<span class=\"key s0\">first &lt;run&gt;</span>",
            "<span class=\"key s1\">second</span>",
            "<td><b>78.00 %</b><br/>",
            "<td>76.00 %<br/><small>random 61.23 %, +14.77</small></td>",
            "<code>corruption.ratio</code></th><td>0.6</td><td>0.75</td>",
        ],
    );
    assert!(!page.contains("<code>name</code>"), "the name is no difference");
    let page = report(&[&first, &first]);
    expect(&page, &["The recipes are the same", &super::html::esc(first.0.path().display())]);
}

fn written(kind: &str) -> Vec<String> {
    seeds(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/seeds").join(kind))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever an editor or a full disk left of a run's files, its page is whole.
    #[test]
    fn a_page_comes_of_any_text(metrics in mutated(written("metrics")), recipe in mutated(written("recipe"))) {
        let folder = Folder::finished();
        folder.put("metrics.jsonl", metrics);
        folder.put("config.toml", recipe);
        report(&[&folder]);
        report(&[&folder, &Folder::new()]);
    }
}

#[test]
fn numbers_have_no_digits_of_binary_fractions() {
    let folder = Folder::finished();
    folder.put("metrics.jsonl", written("metrics").remove(1));
    folder.put("env.json", r#"{"threads": 2, "share": 0.30000000000000004}"#);
    let page = report(&[&folder]);
    expect(&page, &["<b>68.45 %</b>", "k 20", "2000 images of 10 classes", "<td>0.3</td>"]);
    assert!(!page.contains("0000000"), "a number of too many digits");
}

/// The shares of corrupted tokens are drawn together.
#[test]
fn corruption_over_time_is_drawn() {
    let folder = Folder::finished();
    let line = |step: usize| {
        let masked = step as f64 / 200.0;
        format!(
            "{{\"step\":{step},\"epoch\":1.0,\"loss\":1.0,\"tokens/masked\":{masked},\"tokens/noised\":0.25}}\n"
        )
    };
    folder.put("metrics.jsonl", (1..=100).map(line).collect::<String>());
    let page = report(&[&folder]);
    expect(&page, &["<b>Corrupted tokens</b>", "masked <i>50.0 %</i>", "with noise <i>25.0 %</i>"]);
    assert!(!page.contains("<b>Masked tokens</b>"), "they have one chart");
}

/// The title says what the run did, not what its recipe was called.
#[test]
fn titles_follow_overrides() {
    let folder = Folder::finished();
    folder.put(
        "config.toml",
        RECIPE.replace("size = \"tiny\"", "size = \"tiny\"\ndim = 0\ndepth = 3\nheads = 2"),
    );
    folder.put(
        "env.json",
        r#"{"command": ["pretrain", "a.toml", "--out", "runs/x=1", "encoder.depth=3", "--steps", "40", "--set", "seed=7"]}"#,
    );
    let page = report(&[&folder]);
    expect(
        &page,
        &[
            "vit tiny (3 blocks, 2 heads)/4 · cell masks",
            "Changed on the command line: encoder.depth=3 train.steps=40 seed=7",
            "<code>cargo xtask pretrain a.toml --out",
        ],
    );
}

#[test]
fn no_run_is_a_mistake() {
    assert!(write(&[], Path::new("nowhere.html")).is_err());
}
