//! The command line of `export`.

use std::path::PathBuf;

use clap::Args;
use palimpsest_core::interop::Layout;

use super::JsonArg;

#[derive(Args)]
pub(crate) struct Export {
    /// The run's folder
    pub(crate) run: PathBuf,
    /// timm (vit_*), hf (ViTModel), hf-mae (ViTMAEForPreTraining, with the decoder), mae (the original
    /// checkpoint's names) or safetensors (this program's own, with every parameter)
    #[arg(long)]
    pub(crate) format: String,
    /// The folder to write model.safetensors and config.json into; by default RUN/export/FORMAT
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// Another checkpoint than the newest
    #[arg(long)]
    pub(crate) checkpoint: Option<PathBuf>,
    /// The averaged weights (train.ema) in place of the trained ones
    #[arg(long)]
    pub(crate) ema: bool,
    #[command(flatten)]
    pub(crate) result: JsonArg,
}

impl Export {
    /// The layout that is asked for.
    pub(crate) fn layout(&self) -> palimpsest_core::Result<Layout> {
        if self.format == "onnx" {
            return Err(palimpsest_core::Error::user("no crate that is well kept writes ONNX")
                .at("`--format`")
                .help("use --format timm, and torch.onnx.export in Python (docs/interop.md shows it)"));
        }
        self.format.parse().map_err(|e: palimpsest_core::Error| e.at("`--format`"))
    }
}
