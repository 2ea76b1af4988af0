//! Which of many boxes a step trains on.

use palimpsest_core::random::Philox;

use super::matcher::Match;

/// A fixed number of boxes of an image, at most a share of them on objects.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampler {
    /// Boxes of an image.
    pub count: usize,
    /// The largest share that is on objects.
    pub foreground: f64,
}

impl Sampler {
    /// Positions of boxes on objects, and of background, each ascending.
    pub fn sample(&self, matches: &[Match], random: &mut Philox) -> [Vec<usize>; 2] {
        let positions = |wanted: &dyn Fn(&Match) -> bool| -> Vec<usize> {
            (0..matches.len()).filter(|&i| wanted(&matches[i])).collect()
        };
        let objects = positions(&|m| matches!(m, Match::Object(_)));
        let background = positions(&|m| *m == Match::Background);
        let most = (self.count as f64 * self.foreground) as usize;
        let mut take = |from: &[usize], count: usize| {
            let count = count.min(from.len());
            let mut taken: Vec<usize> =
                random.choose(from.len(), count).into_iter().map(|i| from[i]).collect();
            taken.sort_unstable();
            taken
        };
        let objects = take(&objects, most);
        let background = take(&background, self.count - objects.len());
        [objects, background]
    }
}
