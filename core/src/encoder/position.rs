//! Positions: fixed sine-cosine tables and the index of a relative position bias.

/// How absolute positions are told to the encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PositionKind {
    /// Not at all (with a relative position bias, as the paper's encoder).
    None,
    /// A fixed 2-D sine-cosine table (MAE).
    Sincos,
    /// A learned table.
    Learned,
}

/// The 2-D sine-cosine table of MAE (`get_2d_sincos_pos_embed`), [prefix + h * w, dim], with
/// zeros for prefix tokens: the first half of a row encodes the column, the second the row, each
/// as sines then cosines at frequencies 10000^(-i / (dim / 4)).
pub fn sincos_2d(dim: usize, (h, w): (usize, usize), prefix: usize) -> Vec<f32> {
    let quarter = dim / 4;
    let mut table = vec![0.0; (prefix + h * w) * dim];
    for (token, out) in table[prefix * dim..].chunks_mut(dim).enumerate() {
        for (half, position) in [token % w, token / w].into_iter().enumerate() {
            for i in 0..quarter {
                let angle = position as f64 / 10000f64.powf(i as f64 / quarter as f64);
                out[half * dim / 2 + i] = angle.sin() as f32;
                out[half * dim / 2 + quarter + i] = angle.cos() as f32;
            }
        }
    }
    table
}

/// The index into a relative position table of (2h-1)(2w-1) + 3 rows for every pair of tokens,
/// [N, N] with N = prefix + h * w, as BEiT lays it out: the last three rows are for prefix to
/// patch, patch to prefix and prefix to prefix.
pub fn relative_index((h, w): (usize, usize), prefix: usize) -> Vec<i64> {
    let n = prefix + h * w;
    let distances = ((2 * h - 1) * (2 * w - 1)) as i64;
    let mut index = vec![0; n * n];
    for i in 0..n {
        for j in 0..n {
            index[i * n + j] = match (i < prefix, j < prefix) {
                (true, false) => distances,
                (false, true) => distances + 1,
                (true, true) => distances + 2,
                (false, false) => {
                    let (a, b) = (i - prefix, j - prefix);
                    let row = (a / w + h - 1 - b / w) as i64;
                    let column = (a % w + w - 1 - b % w) as i64;
                    row * (2 * w - 1) as i64 + column
                }
            };
        }
    }
    index
}
