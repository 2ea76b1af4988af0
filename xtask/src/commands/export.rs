//! `export`: a run's weights under the names of other libraries.

use palimpsest_core::interop::export;
use palimpsest_core::model::Model;
use palimpsest_core::train::{Checkpoint, RunFolder};
use palimpsest_core::{Error, Result};
use serde_json::json;

use crate::cli::Export;
use crate::{output, session};

pub(crate) fn run(args: &Export) -> Result<()> {
    let layout = args.layout()?;
    let folder = RunFolder::open(&args.run)?;
    let recipe = folder.recipe(&[])?;
    let (path, checkpoint) = match &args.checkpoint {
        Some(path) => (path.clone(), Checkpoint::read(path)?),
        None => session::newest(&folder)?,
    };
    if args.ema && !checkpoint.has_average() {
        return Err(Error::user("the run keeps no averaged weights")
            .at(path.display())
            .help("leave out --ema, or train with train.ema=0.999"));
    }
    let model = Model::build(&recipe)?;
    let group = if args.ema { "average." } else { "model." };
    let values = checkpoint.group(group, model.specs.specs()).map_err(|e| e.at(path.display()))?;
    let exported = export(&recipe, &model, &values, layout)?;
    let out = args.out.clone().unwrap_or_else(|| folder.path(&format!("export/{layout}")));
    exported.write(&out)?;
    let parameters: usize = exported.tensors.iter().map(|(_, tensor)| tensor.shape().count()).sum();
    let step = checkpoint.state.step;
    if args.result.json {
        let files: Vec<&str> = std::iter::once("model.safetensors")
            .chain(exported.files.iter().map(|(name, _)| *name))
            .collect();
        output::line(
            &json!({
                "run": args.run.display().to_string(), "step": step, "format": layout.name(),
                "out": out.display().to_string(), "files": files,
                "tensors": exported.tensors.len(), "parameters": parameters, "ema": args.ema,
            })
            .to_string(),
        );
    } else {
        output::line(&format!(
            "{}: {} tensors of step {step}, {:.2} M values, as {} names them",
            out.display(),
            exported.tensors.len(),
            parameters as f64 / 1e6,
            layout.owner()
        ));
    }
    Ok(())
}
