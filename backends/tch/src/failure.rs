//! libtorch's failures as core's errors: one sentence that names the operation.

use std::panic::{AssertUnwindSafe, catch_unwind};

use palimpsest_core::Error;
use palimpsest_core::tensor::Op;
use tch::TchError;

/// What went wrong inside an operation.
#[derive(Debug)]
pub(crate) enum Failure {
    /// libtorch refused.
    Torch(TchError),
    /// This crate refused.
    Core(Error),
}

/// The result of work on tensors.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl From<TchError> for Failure {
    fn from(error: TchError) -> Self {
        Self::Torch(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Core(error)
    }
}

/// The failure of an operation that was given another number of inputs than it takes.
pub(crate) fn wrong_inputs(op: &Op) -> Failure {
    Error::failure(format!("{}: wrong number of inputs", op.kind().name())).into()
}

/// Runs `work`; libtorch's error in it, or a panic, becomes an error that names `what`.
///
/// The tensors that `work` owned are dropped while it unwinds, and libtorch changes nothing before
/// it throws, so nothing half-changed is left to be seen.
pub(crate) fn caught<T>(what: &str, work: impl FnOnce() -> Result<T>) -> palimpsest_core::Result<T> {
    let failed = |text: &str| Error::failure(format!("{what}: {}", sentence(text)));
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(Failure::Core(error))) => Err(error),
        Ok(Err(Failure::Torch(TchError::Torch(text)))) => Err(failed(&text)),
        Ok(Err(Failure::Torch(error))) => Err(failed(&error.to_string())),
        Err(payload) => {
            let text = payload
                .downcast_ref::<&str>()
                .copied()
                .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
                .unwrap_or("a panic without a message");
            // What tch panics with is the error as Rust's Debug writes it.
            let text = text.split_once("Torch(\"").map_or(text, |(_, inner)| inner);
            Err(failed(text.split("\\n").next().unwrap_or(text)))
        }
    }
}

/// The first sentence of a message of libtorch, which goes on with hints and a C++ backtrace.
fn sentence(text: &str) -> &str {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("libtorch gave no reason");
    // Where memory runs out, the place in libtorch's source comes first.
    let line = line.split_once("DefaultCPUAllocator: ").map_or(line, |(_, reason)| reason);
    line.split(". ").next().unwrap_or(line).trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sentence_is_kept() {
        let text =
            "index out of range in self\nException raised from f at a.cpp:1 (most recent call first):\n";
        assert_eq!(sentence(text), "index out of range in self");
        assert_eq!(sentence("Target 3 is out of bounds."), "Target 3 is out of bounds");
        assert_eq!(sentence("No 'CUDA' kernels. This could be because …"), "No 'CUDA' kernels");
        let text =
            "[enforce fail at alloc_cpu.cpp:1] err == 0. DefaultCPUAllocator: can't allocate memory. Error";
        assert_eq!(sentence(text), "can't allocate memory");
        assert_eq!(sentence("\n"), "libtorch gave no reason");
    }

    #[test]
    fn panics_and_errors_name_the_operation() {
        let torch = TchError::Torch("sizes differ\nframe #0".to_owned());
        let error = caught::<()>("add", || Err(torch.into())).unwrap_err();
        assert_eq!(error.to_string(), "add: sizes differ");
        let error = caught::<()>("add", || panic!("no {}", "way")).unwrap_err();
        assert_eq!(error.to_string(), "add: no way");
        let text = format!("{:?}", TchError::Torch("sizes differ\nframe #0".to_owned()));
        let error = caught::<()>("add", || panic!("unwrap on {text}")).unwrap_err();
        assert_eq!(error.to_string(), "add: sizes differ");
    }
}
