//! One call of an operation.

use palimpsest_core::DType;
use palimpsest_core::tensor::Op;

use crate::array::Array;

/// A tensor that a case passes.
#[derive(Debug, Clone)]
pub struct Input {
    /// The elements, such as `dtype` can hold.
    pub array: Array,
    /// The element type.
    pub dtype: DType,
}

/// One call of an operation.
#[derive(Debug, Clone)]
pub struct Case {
    /// What is special about it.
    pub name: &'static str,
    /// The operation.
    pub op: Op,
    /// What it is called with.
    pub inputs: Vec<Input>,
    /// Whether it is small, and smooth near these inputs, so that differences give its gradients.
    pub smooth: bool,
}

impl Case {
    /// The name with the inputs' shapes.
    pub fn title(&self) -> String {
        let shapes: Vec<String> =
            self.inputs.iter().map(|input| format!("{:?}", input.array.shape)).collect();
        match (self.name, shapes.is_empty()) {
            (name, true) => name.to_owned(),
            (name, false) => format!("{name} {}", shapes.join(" ")),
        }
    }

    /// The inputs' elements.
    pub fn arrays(&self) -> Vec<Array> {
        self.inputs.iter().map(|input| input.array.clone()).collect()
    }
}
