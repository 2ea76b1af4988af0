//! What processes that share images tell each other.

use super::Broken;
use crate::collective::{Collective, gather, gather_bytes};
use crate::{Error, Result};

/// Whether something is so in any process; in one alone, whether it is so.
pub(crate) fn any_rank(collective: Option<&dyn Collective>, own: bool) -> Result<bool> {
    let Some(collective) = collective else { return Ok(own) };
    let all = gather(collective, &[f64::from(u8::from(own))])?;
    Ok(all.iter().any(|of_rank| of_rank[0] > 0.0))
}

/// The broken samples that any process has met, each once.
pub(crate) fn broken_of_all(collective: Option<&dyn Collective>, own: &Broken) -> Result<Broken> {
    let Some(collective) = collective else { return Ok(own.clone()) };
    let unreadable = |e: serde_json::Error| Error::failure(format!("a list of broken samples: {e}"));
    let all = gather_bytes(collective, &serde_json::to_vec(own).map_err(unreadable)?)?;
    let mut broken = Broken::new();
    for of_rank in all {
        broken.extend(serde_json::from_slice::<Broken>(&of_rank).map_err(unreadable)?);
    }
    Ok(broken)
}
