//! What became of a case.

use palimpsest_core::DType;

/// What became of a case.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The operation's name, or `autograd` for what concerns no single one.
    pub operation: &'static str,
    /// The element type.
    pub dtype: DType,
    /// The case.
    pub case: String,
    /// The normalised error; infinite where there is no result.
    pub error: f64,
    /// The largest error that passes.
    pub limit: f64,
    /// What is wrong, where it is not the error alone.
    pub failure: Option<String>,
}

impl Outcome {
    /// Whether the case passes.
    pub fn passed(&self) -> bool {
        self.failure.is_none() && self.error <= self.limit
    }

    /// How far the error exhausts its limit; orders outcomes by how bad they are.
    pub fn badness(&self) -> f64 {
        if self.failure.is_some() || self.error.is_nan() {
            f64::INFINITY
        } else if self.error == 0.0 {
            0.0
        } else {
            self.error / self.limit
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}, {}: ", self.operation, self.dtype, self.case)?;
        match &self.failure {
            Some(failure) => f.write_str(failure),
            None if self.passed() => write!(f, "error {:.1e}, limit {:.1e}", self.error, self.limit),
            None => write!(f, "error {:.1e} exceeds the limit {:.1e}", self.error, self.limit),
        }
    }
}
