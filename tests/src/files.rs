//! Named tensors in safetensors files, as Python reads and writes them.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use palimpsest_core::tensor::{HostData, HostTensor};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

/// Tensors by name.
pub type Named = BTreeMap<String, HostTensor>;

/// A path in `tests/`.
pub fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Writes tensors of f32 and i64 with metadata.
///
/// # Panics
/// If it can't.
pub fn write(path: &Path, tensors: &Named, metadata: &[(&str, String)]) {
    let bytes: Vec<(&str, Dtype, Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, tensor)| {
            let (dtype, bytes) = match tensor.data() {
                HostData::F32(v) => (Dtype::F32, v.iter().flat_map(|x| x.to_le_bytes()).collect()),
                HostData::F64(v) => (Dtype::F64, v.iter().flat_map(|x| x.to_le_bytes()).collect()),
                HostData::I64(v) => (Dtype::I64, v.iter().flat_map(|x| x.to_le_bytes()).collect()),
                other => panic!("{name}: {other:?}"),
            };
            (name.as_str(), dtype, tensor.shape().dims().to_vec(), bytes)
        })
        .collect();
    let views = bytes
        .iter()
        .map(|(name, dtype, shape, bytes)| (*name, TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
    let metadata: HashMap<String, String> =
        metadata.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
    std::fs::write(path, safetensors::serialize(views, Some(metadata)).unwrap()).unwrap();
}

/// Reads tensors of f32, f64 and i64.
///
/// # Panics
/// If it can't.
pub fn read(path: &Path) -> Named {
    let data = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file = SafeTensors::deserialize(&data).unwrap();
    let tensor = |view: &TensorView<'_>| {
        let bytes = view.data();
        let data = match view.dtype() {
            Dtype::F32 => HostData::F32(bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()),
            Dtype::F64 => HostData::F64(bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect()),
            Dtype::I64 => HostData::I64(bytes.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect()),
            other => panic!("{other:?}"),
        };
        HostTensor::new(view.shape().to_vec(), data).unwrap()
    };
    file.iter().map(|(name, view)| (name.to_owned(), tensor(&view))).collect()
}

/// A golden file's tensor as f64.
///
/// # Panics
/// If there is none of that name.
pub fn f64s(named: &Named, name: &str) -> Vec<f64> {
    named.get(name).unwrap_or_else(|| panic!("no `{name}` in the golden file")).clone().into_f64()
}
