//! Pooling.

use palimpsest_core::{Error, Result, Tensor};

/// The largest of every 2 x 2 pixels: [B, C, H, W] -> [B, C, H / 2, W / 2], an odd last row or column
/// left out.
///
/// # Errors
/// A map without 2 x 2 pixels, or the backend's failure.
pub fn max_pool(x: &Tensor) -> Result<Tensor> {
    let [b, c, h, w] = x.shape().array()?;
    let (half_h, half_w) = (h / 2, w / 2);
    if half_h == 0 || half_w == 0 {
        return Err(Error::user(format!("a feature map of {h}x{w} can't be halved"))
            .help("use larger images, smaller patches, or a pyramid without its coarsest level"));
    }
    x.narrow(2, 0, 2 * half_h)?
        .narrow(3, 0, 2 * half_w)?
        .reshape([b * c * half_h, 2, half_w, 2])?
        .max(3)?
        .max(1)?
        .reshape([b, c, half_h, half_w])
}

/// PyTorch's `adaptive_avg_pool2d` to `size` x `size`: part i of n entries is from floor(i n / size) to
/// ceil((i + 1) n / size). One product with a constant matrix.
pub fn adaptive_average_pool(x: &Tensor, size: usize) -> Result<Tensor> {
    let [b, c, h, w] = x.shape().array()?;
    let part = |i: usize, n: usize| i * n / size..((i + 1) * n).div_ceil(size);
    let mut weights = vec![0.0; h * w * size * size];
    for i in 0..size {
        for j in 0..size {
            let (rows, columns) = (part(i, h), part(j, w));
            let share = 1.0 / (rows.len() * columns.len()) as f64;
            for row in rows {
                for column in columns.clone() {
                    weights[(row * w + column) * size * size + i * size + j] = share;
                }
            }
        }
    }
    let weights = x.device().f64s([h * w, size * size], weights, x.dtype())?;
    x.reshape([b * c, h * w])?.matmul(&weights)?.reshape([b, c, size, size])
}
