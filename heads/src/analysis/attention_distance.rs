//! Mean attention distance (Dosovitskiy et al. 2021, appendix D.7; Raghu et al. 2021): how far, in pixels,
//! a patch looks, weighted by its attention.

/// Sums the distances of each head of a block.
pub struct AttentionDistance {
    /// Distances between patches in pixels, [L, L].
    distances: Vec<f32>,
    tokens: usize,
    prefix: usize,
    sums: Vec<f64>,
    queries: usize,
}

impl AttentionDistance {
    /// For `heads` heads over a grid of patches of `patch` pixels, behind `prefix` other tokens.
    pub fn new((height, width): (usize, usize), patch: usize, prefix: usize, heads: usize) -> Self {
        let tokens = height * width;
        let place = |i: usize| ((i / width) as f32, (i % width) as f32);
        let distances = (0..tokens * tokens)
            .map(|pair| {
                let ((a, b), (c, d)) = (place(pair / tokens), place(pair % tokens));
                patch as f32 * (a - c).hypot(b - d)
            })
            .collect();
        Self { distances, tokens, prefix, sums: vec![0.0; heads], queries: 0 }
    }

    /// Adds attention probabilities [B, heads, N, N]. Only patches count, as queries and as keys: what goes
    /// to the class token has no distance, so the rest is made to sum to 1.
    pub fn add(&mut self, probabilities: &[f32]) {
        let n = self.prefix + self.tokens;
        let heads = self.sums.len();
        for image in probabilities.chunks_exact(heads * n * n) {
            for (sum, head) in self.sums.iter_mut().zip(image.chunks_exact(n * n)) {
                let queries = head.chunks_exact(n).skip(self.prefix);
                for (query, distances) in queries.zip(self.distances.chunks_exact(self.tokens)) {
                    let keys = &query[self.prefix..];
                    let mass: f64 = keys.iter().map(|&p| f64::from(p)).sum();
                    let far: f64 =
                        keys.iter().zip(distances).map(|(&p, &d)| f64::from(p) * f64::from(d)).sum();
                    *sum += far / mass.max(f64::MIN_POSITIVE);
                }
            }
            self.queries += self.tokens;
        }
    }

    /// The mean distance of each head, in pixels.
    pub fn means(&self) -> Vec<f64> {
        self.sums.iter().map(|sum| sum / self.queries.max(1) as f64).collect()
    }

    /// The distance of a head that looks everywhere alike, in pixels: what the means are to be read against.
    pub fn uniform(&self) -> f64 {
        self.distances.iter().map(|&d| f64::from(d)).sum::<f64>() / self.distances.len() as f64
    }
}
