//! What every plan must hold.

use palimpsest_abi::corruption as abi;

use crate::buffers::Plan;
use crate::outcome::Finding;

/// Levels that are no numbers, or noise that is negative.
pub(crate) fn levels(plan: &Plan) -> Result<(), Finding> {
    for (i, (&gain, &noise)) in plan.gain.iter().zip(&plan.noise).enumerate() {
        if !gain.is_finite() {
            return Err(at(
                plan,
                i,
                &format!("has the gain {gain}"),
                "write a finite gain; 1 leaves the token alone",
            ));
        }
        if !noise.is_finite() || noise < 0.0 {
            return Err(at(
                plan,
                i,
                &format!("has noise of standard deviation {noise}"),
                "write a finite number of at least 0",
            ));
        }
    }
    Ok(())
}

/// Roles, sources and counts, and what the capabilities promise.
pub(crate) fn rules(plan: &Plan, capabilities: u64) -> Result<(), Finding> {
    if plan.flags & !(abi::USES_SOURCE | abi::SUBSTITUTIVE) != 0 {
        return Err(Finding::new(
            "the plan's flags",
            format!("{:#x} has bits that nobody knows", plan.flags),
            "set USES_SOURCE and SUBSTITUTIVE alone",
        ));
    }
    let mut masked = 0;
    let mut first = None;
    for i in 0..plan.roles.len() {
        match plan.roles[i] {
            abi::VISIBLE if (plan.gain[i], plan.noise[i]) != (1.0, 0.0) => {
                let value = format!("is visible, and has gain {} and noise {}", plan.gain[i], plan.noise[i]);
                return Err(at(plan, i, &value, "give a token with noise the role NOISED"));
            }
            abi::VISIBLE | abi::NOISED => {}
            abi::MASKED => masked += 1,
            other => {
                let value = format!("has the unknown role {other}");
                return Err(at(plan, i, &value, "write VISIBLE, MASKED or NOISED"));
            }
        }
        if capabilities & abi::INJECTS == 0 && (plan.gain[i], plan.noise[i]) != (1.0, 0.0) {
            let value = format!("has gain {} and noise {}", plan.gain[i], plan.noise[i]);
            return Err(at(plan, i, &value, "say INJECTS in the capabilities"));
        }
        if plan.uses_source() {
            let from = plan.source[i] as usize;
            if from >= plan.roles.len() {
                let value = format!("is taken from {from}, outside the batch of {}", plan.roles.len());
                return Err(at(plan, i, &value, "write image * L + position"));
            }
            if capabilities & abi::MIXES == 0 && from / plan.tokens != i / plan.tokens {
                let value = format!("is taken from image {}", from / plan.tokens);
                return Err(at(plan, i, &value, "say MIXES in the capabilities"));
            }
        }
        if (i + 1) % plan.tokens == 0 {
            let due = *first.get_or_insert(masked);
            if capabilities & abi::EQUAL_COUNTS != 0 && masked != due {
                return Err(Finding::new(
                    format!("image {}", i / plan.tokens),
                    format!("has {masked} masked tokens, and image 0 has {due}"),
                    "mask an exact number, or don't say EQUAL_COUNTS",
                ));
            }
            masked = 0;
        }
    }
    Ok(())
}

fn at(plan: &Plan, i: usize, value: &str, help: &str) -> Finding {
    Finding::new(format!("token {} of image {}", i % plan.tokens, i / plan.tokens), value, help)
}
