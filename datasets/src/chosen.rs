//! Which samples of a data set are used.

use std::sync::Arc;

use palimpsest_core::head::ExamplesRequest;
use palimpsest_core::random::{Philox, Stream};
use palimpsest_core::{Error, Result};

/// Positions in a data set, ascending.
#[derive(Debug, Clone)]
pub(crate) struct Chosen(Arc<[u32]>);

impl Chosen {
    /// Of the training and the test part, each up to the request's limit, drawn by its seed.
    ///
    /// # Errors
    /// Images of each class are asked for, where pictures have more than one.
    pub(crate) fn parts(request: &ExamplesRequest<'_>, counts: [usize; 2]) -> Result<[Self; 2]> {
        if request.shots > 0 {
            return Err(Error::user("pictures of many objects can't be counted by class")
                .mend("limit the number of training images instead"));
        }
        let part = |part: usize| {
            let (count, most) = (counts[part], request.limits[part]);
            if most == 0 || most >= count {
                return Self((0..count as u32).collect());
            }
            let mut random = Philox::new(request.seed, Stream::Shuffle, u64::from(u32::MAX), part as u64);
            let mut chosen = random.choose(count, most);
            chosen.sort_unstable();
            Self(chosen.into_iter().map(|i| i as u32).collect())
        };
        Ok([part(0), part(1)])
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn at(&self, position: usize) -> usize {
        self.0[position] as usize
    }
}
