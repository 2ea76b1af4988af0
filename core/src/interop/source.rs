//! A file of weights: read whole, its layout told by its names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use sha2::{Digest, Sha256};

use super::Layout;
use super::export::FORMAT;
use crate::stored::{from_view, read, verify};
use crate::tensor::HostTensor;
use crate::{Error, Result};

/// Weights as a file holds them.
#[derive(Debug, Clone)]
pub struct Source {
    /// The file.
    pub path: PathBuf,
    /// Whose names it has.
    pub layout: Layout,
    /// SHA-256 of the file.
    pub sha256: String,
    /// The tensors by name.
    pub tensors: BTreeMap<String, HostTensor>,
}

impl Source {
    /// Reads a safetensors file: an export, a checkpoint of this program, or what timm, Hugging Face
    /// or MAE published.
    ///
    /// # Errors
    /// A file that is missing, damaged, no safetensors file, or of no known layout.
    pub fn read(path: &Path) -> Result<Self> {
        let mut data = read(path)?;
        let refuse = |why: &str, help: &str| Err(Error::user(why).at(path.display()).help(help));
        // Files of torch.save are zip archives, or pickles in files from before 2020.
        if data.starts_with(b"PK\x03\x04") || data.starts_with(b"\x80\x02") {
            return refuse("is a PyTorch file, which can run code when it is read", CONVERT);
        }
        let Ok(file) = SafeTensors::deserialize(&data) else {
            return refuse("is no safetensors file, or a damaged one", "give a whole .safetensors file");
        };
        let mut tensors = BTreeMap::new();
        for (name, view) in file.iter() {
            let tensor = from_view(&view).map_err(|e| e.at(name).at(path.display()))?;
            tensors.insert(name.to_owned(), tensor);
        }
        let metadata = SafeTensors::read_metadata(&data).ok().and_then(|(_, m)| m.metadata().clone());
        let format = metadata.and_then(|mut metadata| metadata.remove("format")).unwrap_or_default();
        if format == crate::train::CHECKPOINT_FORMAT && verify(&mut data) == Some(false) {
            return refuse("is damaged: its bits don't match its checksum", "give an older checkpoint");
        }
        let (layout, tensors) = match format.as_str() {
            FORMAT => (Layout::Own, tensors),
            crate::train::CHECKPOINT_FORMAT => (Layout::Own, stripped(tensors, "model.")),
            _ => foreign(tensors).map_err(|e| e.at(path.display()))?,
        };
        let sha256 = Sha256::digest(&data).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { path: path.to_owned(), layout, sha256, tensors })
    }
}

const CONVERT: &str = "convert it first, in Python: safetensors.torch.save_file(torch.load(FILE, \
    map_location='cpu', weights_only=True)['model'], 'model.safetensors')";

type Tensors = BTreeMap<String, HostTensor>;

/// The layout of another library's file, and its tensors under that library's published names.
fn foreign(tensors: Tensors) -> Result<(Layout, Tensors)> {
    let has = |part: &str| tensors.keys().any(|name| name.contains(part));
    if has("embeddings.patch_embeddings.") {
        let decoder = tensors.keys().any(|name| name.starts_with("decoder."));
        let tensors: Tensors = tensors.into_iter().map(|(name, t)| (published(&name), t)).collect();
        return if decoder {
            Ok((Layout::HfMae, tensors))
        } else {
            // A model with a head on top has its encoder under `vit.`.
            let tensors = tensors.into_iter();
            let bare = |(name, t): (String, HostTensor)| (name.trim_start_matches("vit.").to_owned(), t);
            Ok((Layout::HfVit, tensors.map(bare).collect()))
        };
    }
    if has("decoder_embed.") || has("decoder_blocks.") {
        return Ok((Layout::Mae, tensors));
    }
    if has("patch_embed.proj.") {
        return Ok((Layout::Timm, tensors));
    }
    let first: Vec<String> = tensors.keys().take(3).map(|name| format!("`{name}`")).collect();
    Err(Error::user(format!("has names of no layout that is known ({})", first.join(", ")))
        .help("give weights of a vision transformer as timm, Hugging Face or MAE name them"))
}

/// A name of Hugging Face's as its published files have it: version 5 names modules anew in memory, and
/// where a file was written from a `state_dict()` its names are those.
fn published(name: &str) -> String {
    const RENAMED: [(&str, &str); 9] = [
        ("decoder.decoder_encoder.layer.", "decoder.decoder_layers."),
        (".attention.q_proj.", ".attention.attention.query."),
        (".attention.k_proj.", ".attention.attention.key."),
        (".attention.v_proj.", ".attention.attention.value."),
        (".attention.o_proj.", ".attention.output.dense."),
        (".mlp.fc1.", ".intermediate.dense."),
        (".mlp.fc2.", ".output.dense."),
        ("vit.layers.", "vit.encoder.layer."),
        ("decoder.layers.", "decoder.decoder_layers."),
    ];
    let mut name = name.to_owned();
    for (new, old) in RENAMED {
        name = name.replace(new, old);
    }
    match name.strip_prefix("layers.") {
        Some(rest) => format!("encoder.layer.{rest}"),
        None => name,
    }
}

/// Tensors under a prefix, without it.
fn stripped(tensors: Tensors, prefix: &str) -> Tensors {
    tensors.into_iter().filter_map(|(name, t)| Some((name.strip_prefix(prefix)?.to_owned(), t))).collect()
}
