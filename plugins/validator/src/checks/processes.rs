//! What differs from process to process.

use crate::elsewhere::{ALL, asked};
use crate::outcome::{Checked, fail, skip};
use crate::subject::Subject;

pub(crate) fn elsewhere(subject: &Subject<'_>) -> Checked {
    let Some(run) = subject.elsewhere() else { return skip("there is nobody to start other processes") };
    let here = asked(subject)?;
    if here.iter().any(|answered| answered.answer.starts_with("panics")) {
        return skip("it panics: see robust.panics");
    }
    for other in ALL {
        let there = run(other)?;
        let differing = here.iter().zip(&there).find(|(here, there)| here != there);
        if let Some((here, there)) = differing {
            return fail(
                format!("`plan` for {}, in a process with {}", here.request, other.what),
                format!("{}, and here {}", there.answer, here.answer),
                "let nothing but parameters and request into a plan: no process id, address, clock, environment or folder",
            );
        }
        if here.len() != there.len() {
            return fail(
                format!("`check` in a process with {}", other.what),
                "takes other grids than here",
                "decide by the geometry alone",
            );
        }
    }
    Ok(format!("{} requests in {} processes", here.len(), ALL.len()))
}
