//! What a backend says that it has.

use palimpsest_conformance::subject::{Subject, Support};
use palimpsest_core::DType;
use palimpsest_core::tensor::OpKind;
use serde_json::{Value, json};

use crate::output;

const TYPES: [DType; 3] = [DType::F32, DType::F64, DType::Bf16];

/// The rows as JSON, and the operations that are missing though every backend must have them.
pub(super) fn run(subject: &Subject<'_>, kinds: &[OpKind], as_json: bool) -> (Value, Vec<&'static str>) {
    let support = |kind: OpKind| TYPES.map(|dtype| subject.support(kind, dtype));
    if !as_json {
        let mut rows = vec![["operation", "f32", "f64", "bf16"].map(str::to_owned).to_vec()];
        let row = |&kind: &OpKind| [&[kind.name()][..], &support(kind).map(Support::name)].concat();
        rows.extend(kinds.iter().map(|kind| row(kind).into_iter().map(str::to_owned).collect()));
        output::table(&rows);
    }
    let line = |&kind: &OpKind| {
        let [f32, f64, bf16] = support(kind).map(Support::name);
        json!({ "operation": kind.name(), "f32": f32, "f64": f64, "bf16": bf16 })
    };
    let missing = kinds.iter().filter(|&&kind| support(kind)[0] == Support::Missing);
    (kinds.iter().map(line).collect(), missing.map(|kind| kind.name()).collect())
}
