//! What objectives ask of a model and of its steps.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::target::TargetNeeds;
use crate::{Error, Result};

/// What an objective asks for, told once, when the model is built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// The prediction heads that it reads, each with its values per token. Objectives that name the same
    /// head share it.
    pub heads: BTreeMap<String, usize>,
    /// Whether it looks at visible tokens' predictions (which some decoders don't make).
    pub visible: bool,
    /// The blocks whose attention probabilities it differentiates through.
    pub attention: Option<Range<usize>>,
    /// The blocks in which masked and noised tokens may not attend to each other.
    pub separate: Option<Range<usize>>,
    /// What its target is made of.
    pub target: TargetNeeds,
}

impl Needs {
    /// Adds what another objective of the same model needs. Blocks are separated as the first that asks
    /// for it says.
    ///
    /// # Errors
    /// A head that both read with different widths; the key at fault is `head`.
    pub fn merge(&mut self, other: Self) -> Result<()> {
        for (name, width) in other.heads {
            let known = *self.heads.entry(name.clone()).or_insert(width);
            if known != width {
                return Err(Error::user(format!(
                    "head `{name}` would need {known} and {width} values per token"
                ))
                .about("head")
                .help("name another head"));
            }
        }
        self.visible |= other.visible;
        self.attention = match (self.attention.take(), other.attention) {
            (Some(a), Some(b)) => Some(a.start.min(b.start)..a.end.max(b.end)),
            (a, b) => a.or(b),
        };
        self.separate = self.separate.take().or(other.separate);
        self.target.merge(other.target);
        Ok(())
    }
}
