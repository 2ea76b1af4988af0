//! `analyse`: what runs' features are like, beside their random initialisations.

use std::fs;
use std::path::Path;

use palimpsest_core::model::Model;
use palimpsest_core::params::Params;
use palimpsest_core::recipe::Recipe;
use palimpsest_core::stored::write_atomically;
use palimpsest_core::train::RunFolder;
use palimpsest_core::{DType, DeviceHandle, Error, Result};
use palimpsest_datasets::RecipeData;
use palimpsest_heads::analysis::{Observation, Subject, observe};
use serde_json::json;

use crate::cli::Analyse;
use crate::report::analysis::{Findings, page};
use crate::{backends, output, plugins, report, session};

/// A run with its trained and its initial weights.
struct Loaded {
    name: String,
    step: u64,
    model: Model,
    data: RecipeData,
    trained: Params,
    initial: Params,
}

pub(crate) fn run(args: &Analyse) -> Result<()> {
    let device = backends::device(&args.on.backend, args.on.device())?;
    let loaded = args.runs.iter().map(|run| load(run, args, &device)).collect::<Result<Vec<_>>>()?;
    let mut subjects = vec![];
    let mut batches = vec![];
    for run in &loaded {
        let encoder = &*run.model.encoder;
        let mut add = |name: String, params| -> Result<()> {
            subjects.push(Subject { name, encoder, params });
            batches.push(run.batches(args.images)?);
            Ok(())
        };
        add(run.name.clone(), &run.trained)?;
        if !args.no_baseline {
            add(format!("{}, random initialisation", run.name), &run.initial)?;
        }
    }
    output::note(&format!("observing {} encoders", subjects.len()));
    let (observations, cka) = observe(&subjects, batches)?;
    let out = args.out.clone().unwrap_or_else(|| args.runs[0].join("analysis"));
    fs::create_dir_all(&out).map_err(|e| Error::io(&out, &e))?;
    let labels: Vec<String> = observations
        .iter()
        .flat_map(|o| o.stages.iter().map(|stage| format!("{}: {}", o.name, stage.name)))
        .collect();
    let runs: Vec<_> = args
        .runs
        .iter()
        .zip(&loaded)
        .map(|(path, run)| json!({ "run": path.display().to_string(), "step": run.step }))
        .collect();
    let summary =
        json!({ "runs": runs, "encoders": observations, "cka": { "labels": labels, "matrix": cka } });
    let write = |name: &str, text: String| write_atomically(&out.join(name), text.as_bytes());
    write("analysis.json", format!("{summary}\n"))?;
    write("spectrum.csv", spectrum_csv(&observations))?;
    write("stages.csv", stages_csv(&observations))?;
    write("attention_distance.csv", attention_csv(&observations))?;
    write("cka.csv", cka_csv(&labels, &cka))?;
    let html = out.join("analysis.html");
    let findings = Findings { observations: &observations, labels: &labels, cka: &cka };
    report::write_page(&html, &page(&findings))?;
    if args.result.json {
        output::json(&summary);
    } else {
        print(&observations);
        output::line(&html.display().to_string());
    }
    Ok(())
}

fn load(run: &Path, args: &Analyse, device: &DeviceHandle) -> Result<Loaded> {
    let folder = RunFolder::open(run)?;
    let (path, checkpoint) = session::newest(&folder)?;
    plugins::set_aside(&checkpoint);
    let recipe = folder.recipe(&[])?;
    let model = Model::build(&recipe)?;
    let specs = model.specs.specs();
    // As evaluations do: the average where there is one.
    let group = if checkpoint.has_average() { "average." } else { "model." };
    let trained = checkpoint.group(group, specs).map_err(|e| e.at(path.display()))?;
    let initial = model.specs.initial(recipe.run.seed)?;
    let upload = |values| Params::upload(device, values, DType::F32, DType::F32);
    let mut changes = vec![];
    if let Some(name) = &args.data {
        changes.extend([format!("data.name={name}"), "data.path=\"\"".to_owned()]);
    }
    if let Some(path) = &args.data_path {
        changes.push(format!("data.path={}", toml::Value::String(path.display().to_string())));
    }
    let measured: Recipe = folder.recipe(&changes)?;
    Ok(Loaded {
        name: run
            .file_name()
            .map_or_else(|| run.display().to_string(), |name| name.to_string_lossy().into_owned()),
        step: checkpoint.state.step,
        trained: upload(trained)?,
        initial: upload(initial)?,
        data: RecipeData::open_for_scores(&measured)?,
        model,
    })
}

type Batches<'a> = Box<dyn Iterator<Item = Result<palimpsest_core::data::Batch>> + 'a>;

impl Loaded {
    /// The first test images, in whole batches.
    fn batches(&self, images: usize) -> Result<Batches<'_>> {
        let mut left = images.max(1);
        let batches = self.data.test_images(64)?;
        Ok(Box::new(batches.map_while(move |batch| {
            let batch = match batch {
                Ok(batch) if left > 0 => batch,
                Ok(_) => return None,
                error => return Some(error),
            };
            let count = batch.len().min(left);
            left -= count;
            Some(Ok(if count == batch.len() { batch } else { batch.slice(0, count) }))
        })))
    }
}

/// A table of the stages of each encoder.
fn print(observations: &[Observation]) {
    let mut rows = vec![
        ["encoder", "stage", "high frequencies", "effective rank", "attention distance"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for o in observations {
        for (i, stage) in o.stages.iter().enumerate() {
            let heads = i.checked_sub(1).and_then(|block| o.attention_distance.get(block));
            let mean = |heads: &Vec<f64>| heads.iter().sum::<f64>() / heads.len() as f64;
            rows.push(vec![
                o.name.clone(),
                stage.name.clone(),
                format!("{:.3}", stage.high_frequencies),
                format!("{:.2}", stage.effective_rank),
                heads.map_or_else(String::new, |heads| format!("{:.2} px", mean(heads))),
            ]);
        }
    }
    output::table(&rows);
}

/// A cell of a CSV file.
fn cell(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

fn spectrum_csv(observations: &[Observation]) -> String {
    let mut out = "encoder,stage,kind,frequency,relative_log_amplitude\n".to_owned();
    for o in observations {
        for stage in &o.stages {
            for (kind, points) in [("radial", &stage.radial), ("diagonal", &stage.diagonal)] {
                for p in points {
                    out += &format!(
                        "{},{},{kind},{},{}\n",
                        cell(&o.name),
                        cell(&stage.name),
                        p.frequency,
                        p.relative_log_amplitude
                    );
                }
            }
        }
    }
    out
}

fn stages_csv(observations: &[Observation]) -> String {
    let mut out = "encoder,stage,high_frequencies,effective_rank\n".to_owned();
    for o in observations {
        for stage in &o.stages {
            let (high, rank) = (stage.high_frequencies, stage.effective_rank);
            out += &format!("{},{},{high},{rank}\n", cell(&o.name), cell(&stage.name));
        }
    }
    out
}

fn attention_csv(observations: &[Observation]) -> String {
    let mut out = "encoder,block,head,pixels\n".to_owned();
    for o in observations {
        for (block, heads) in o.attention_distance.iter().enumerate() {
            for (head, pixels) in heads.iter().enumerate() {
                out += &format!("{},{},{},{pixels}\n", cell(&o.name), block + 1, head + 1);
            }
        }
    }
    out
}

fn cka_csv(labels: &[String], matrix: &[Vec<f64>]) -> String {
    let mut out = "a,b,cka\n".to_owned();
    for (a, row) in labels.iter().zip(matrix) {
        for (b, value) in labels.iter().zip(row) {
            out += &format!("{},{},{value}\n", cell(a), cell(b));
        }
    }
    out
}
