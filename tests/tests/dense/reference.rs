//! What PyTorch and torchvision gave: the golden file, and new cases where Python can make them.
#![allow(clippy::print_stderr, reason = "tells what was passed over")]

use std::path::Path;
use std::sync::OnceLock;

use palimpsest_core::params::{ParamSpecs, Params, match_names};
use palimpsest_core::{DType, DeviceHandle, Tensor};
use palimpsest_heads::detection::BoxXyxy;
use palimpsest_tests::files::{Named, here, read};
use palimpsest_tests::{micro, python};

/// Values differ by rounding in f64 alone: sums of up to some hundred terms in another order.
pub(crate) const TOLERANCE: f64 = 1e-10;

/// The cases of a seed.
pub(crate) struct Case {
    named: Named,
    pub(crate) device: DeviceHandle,
}

/// Checks the golden case, and one of a new seed where torchvision can be imported.
pub(crate) fn each_case(check: impl Fn(&Case)) {
    check(&Case { named: read(&here("golden/dense_heads.safetensors")), device: micro::device() });
    static FRESH: OnceLock<Option<Named>> = OnceLock::new();
    let fresh = FRESH.get_or_init(|| {
        if let Err(why) = python::available("torch, torchvision, safetensors") {
            eprintln!("passed over: {why}");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("fresh.safetensors");
        python::run("dense_heads.py", &[&path, Path::new("1")]);
        Some(read(&path))
    });
    if let Some(named) = fresh {
        check(&Case { named: named.clone(), device: micro::device() });
    }
}

impl Case {
    pub(crate) fn has(&self, name: &str) -> bool {
        self.named.contains_key(name)
    }

    pub(crate) fn tensor(&self, name: &str) -> Tensor {
        let host = self.named.get(name).unwrap_or_else(|| panic!("no `{name}`")).clone();
        self.device.upload(host).expect("uploads")
    }

    pub(crate) fn values(&self, name: &str) -> Vec<f64> {
        self.named.get(name).unwrap_or_else(|| panic!("no `{name}`")).clone().into_f64()
    }

    pub(crate) fn numbers(&self, name: &str) -> Vec<usize> {
        self.values(name).into_iter().map(|v| v as usize).collect()
    }

    pub(crate) fn edges(&self, name: &str) -> Vec<BoxXyxy> {
        self.values(name).chunks(4).map(|b| BoxXyxy([b[0], b[1], b[2], b[3]])).collect()
    }

    /// Weights under the Rust side's names: names and shapes must be the reference's.
    pub(crate) fn weights(&self, case: &str, specs: &ParamSpecs) -> Params {
        let prefix = format!("{case}.w.");
        let named = self
            .named
            .iter()
            .filter_map(|(name, value)| Some((name.strip_prefix(&prefix)?.to_owned(), value.clone())));
        let values = match_names(specs.specs(), named.collect()).expect("the reference's weights");
        Params::upload(&self.device, values, DType::F64, DType::F64).expect("uploads")
    }

    /// Compares values.
    #[track_caller]
    pub(crate) fn close(&self, name: &str, have: &[f64]) {
        let want = self.values(name);
        assert_eq!(have.len(), want.len(), "{name}");
        for (at, (have, want)) in have.iter().zip(&want).enumerate() {
            let error = (have - want).abs();
            assert!(error <= TOLERANCE * want.abs().max(1.0), "{name} at {at}: {have}, not {want}");
        }
    }

    /// Compares outputs, and the gradients of their sum weighted by cosines of positions, as
    /// `put_with_gradient` of dense_heads.py has it.
    #[track_caller]
    pub(crate) fn close_with_gradient(
        &self,
        case: &str,
        inputs: &[(String, Tensor)],
        outputs: &[(&str, Tensor)],
    ) {
        let mut total: Option<Tensor> = None;
        for (name, output) in outputs {
            self.close(&format!("{case}.{name}"), &host(output));
            let weights = (0..output.shape().count()).map(|i| (i as f64).cos()).collect();
            let weights = self.device.f64s(output.shape().clone(), weights, DType::F64).expect("uploads");
            let term = output.mul(&weights).and_then(|t| t.sum_all()).expect("a sum");
            total = Some(total.map_or_else(|| term.clone(), |sum| sum.add(&term).expect("a sum")));
        }
        let leaves: Vec<&Tensor> = inputs.iter().map(|(_, leaf)| leaf).collect();
        let gradients = total.expect("an output").backward(&leaves).expect("gradients");
        for ((name, leaf), gradient) in inputs.iter().zip(gradients) {
            let gradient = gradient.map_or_else(|| vec![0.0; leaf.shape().count()], |g| host(&g));
            self.close(&format!("{case}.grad.{name}"), &gradient);
        }
    }
}

pub(crate) fn host(tensor: &Tensor) -> Vec<f64> {
    tensor.download().expect("downloads").into_f64()
}

/// A leaf with its name in the reference.
pub(crate) fn leaf(case: &Case, group: &str, name: &str) -> (String, Tensor) {
    (name.to_owned(), case.tensor(&format!("{group}.{name}")).track().expect("tracks"))
}

/// All weights as leaves by their names.
pub(crate) fn named_leaves(specs: &ParamSpecs, params: &Params) -> Vec<(String, Tensor)> {
    specs.specs().iter().map(|spec| spec.name.clone()).zip(params.tensors().iter().cloned()).collect()
}
