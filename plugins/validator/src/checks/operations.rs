//! Operations of the host that fail.

use palimpsest_abi::corruption as abi;
use palimpsest_core::DType;

use crate::operations::{INJECTED, Script};
use crate::outcome::{Checked, Stop, fail, skip};
use crate::scene::{Applied, scenes, upload};
use crate::subject::{Subject, says};

/// A function of the library by its name, whether it has it, and how to call it.
type Function<'a> = (&'a str, bool, &'a dyn Fn(Script) -> Checked<Applied>);

/// The most calls of one application that are made to fail in turn.
const MOST: usize = 200;

pub(crate) fn failing(subject: &Subject<'_>) -> Checked {
    let instance = subject.instance()?;
    let (ops, observes) = (says(&instance.library, abi::OPS), says(&instance.library, abi::OBSERVES));
    if !ops && !observes {
        return skip("it uses no operations");
    }
    let device = subject.device()?;
    let scenes = scenes(&instance)?;
    let mut tried = 0;
    for scene in &scenes {
        let tokens = upload(&device, &scene.shape(), scene.tokens(), DType::F32)?;
        let apply = |script| scene.apply_to(&instance, &tokens, script);
        let score = |script| scene.score_with(&instance, &device, DType::F32, script);
        let functions: [Function<'_>; 2] = [("apply", ops, &apply), ("score", observes, &score)];
        for (name, _, call) in functions.into_iter().filter(|(_, has, _)| *has) {
            let calls = match call(Script::default()) {
                Ok(applied) => applied.record.calls,
                Err(_) => return skip(format!("`{name}` fails anyway: see {name}.result")),
            };
            for number in 1..=calls.min(MOST) {
                let location = format!("`{name}`, operation {number} of {calls}");
                match call(Script { fail_at: Some(number), held: None }) {
                    Err(Stop::Skipped(why)) if why == INJECTED => {}
                    Err(Stop::Failed(finding)) if finding.value.contains("panics") => {
                        return fail(
                            location,
                            format!("failed, and it {}", finding.value),
                            "return the operation's error, don't unwrap it",
                        );
                    }
                    Err(Stop::Failed(finding)) if finding.value.contains("without a word") => {
                        return fail(
                            location,
                            "failed, and the reason was lost",
                            "pass on the texts of the operation's error",
                        );
                    }
                    // Told in its own words.
                    Err(_) => {}
                    Ok(applied) if applied.record.failed > 0 => {
                        return fail(
                            location,
                            "failed, and it went on as if it had not",
                            "return the operation's error",
                        );
                    }
                    Ok(_) => {}
                }
                tried += 1;
            }
            // It must work on as before: an error is no panic.
            if let Err(Stop::Failed(finding)) = call(Script::default()) {
                return fail(
                    format!("`{name}` after an operation that failed"),
                    finding.value,
                    "leave the strategy as it was",
                );
            }
        }
    }
    Ok(format!("{tried} operations"))
}
