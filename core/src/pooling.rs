//! How an image's tokens become one vector.

use std::fmt;
use std::str::FromStr;

use crate::error::unknown_name;
use crate::geometry::Geometry;
use crate::tensor::Tensor;
use crate::{Error, Result};

/// How an image's tokens become one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// The mean of the patch tokens: width D.
    Mean,
    /// The class token: width D.
    Class,
    /// The means of the patch tokens in an n x n grid over the image, one after another: width
    /// n n D. It keeps where things are.
    Grid(usize),
}

impl FromStr for Pooling {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "mean" => Ok(Self::Mean),
            "class" => Ok(Self::Class),
            _ => match text.strip_prefix("grid:").and_then(|n| n.parse().ok()) {
                Some(n) if n > 0 => Ok(Self::Grid(n)),
                _ => Err(unknown_name("pooling", text, ["mean", "class", "grid:2", "grid:4"])),
            },
        }
    }
}

impl fmt::Display for Pooling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mean => f.write_str("mean"),
            Self::Class => f.write_str("class"),
            Self::Grid(n) => write!(f, "grid:{n}"),
        }
    }
}

impl Pooling {
    /// Whether an encoder of this geometry has what is asked for.
    ///
    /// # Errors
    /// No class token, or patches that an n x n grid does not divide.
    pub fn check(self, geometry: &Geometry) -> Result<()> {
        let [rows, columns] = [geometry.grid_h(), geometry.grid_w()];
        match self {
            Self::Class if !geometry.has_class_token() => {
                Err(Error::user("the encoder has no class token").help("choose mean or grid:2"))
            }
            Self::Grid(n) if !rows.is_multiple_of(n) || !columns.is_multiple_of(n) => {
                let fits: Vec<String> = (1..=rows.min(columns))
                    .filter(|n| rows.is_multiple_of(*n) && columns.is_multiple_of(*n))
                    .map(|n| format!("grid:{n}"))
                    .collect();
                Err(Error::user(format!("{rows} x {columns} patches do not split into {n} x {n} parts"))
                    .help(format!("choose among {}", fits.join(", "))))
            }
            _ => Ok(()),
        }
    }

    /// The width of the vector.
    pub fn width(self, geometry: &Geometry) -> usize {
        match self {
            Self::Grid(n) => n * n * geometry.dim,
            Self::Mean | Self::Class => geometry.dim,
        }
    }

    /// `tokens` [B, prefix + N, D] -> [B, width].
    ///
    /// # Errors
    /// The backend's failure.
    pub fn pool(self, tokens: &Tensor, geometry: &Geometry) -> Result<Tensor> {
        let [batch, _, dim] = tokens.shape().array()?;
        let patches = || tokens.narrow(1, geometry.prefix, geometry.tokens());
        match self {
            Self::Class => tokens.narrow(1, 0, 1)?.reshape([batch, dim]),
            Self::Mean => patches()?.mean(&[1])?.reshape([batch, dim]),
            Self::Grid(n) => {
                let [rows, columns] = [geometry.grid_h(), geometry.grid_w()];
                patches()?
                    .reshape([batch * n, rows / n, n, columns / n * dim])?
                    .mean(&[1])?
                    .reshape([batch * n * n, columns / n, dim])?
                    .mean(&[1])?
                    .reshape([batch, n * n * dim])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for text in ["mean", "class", "grid:3"] {
            assert_eq!(text.parse::<Pooling>().expect("known").to_string(), text);
        }
        let error = "gird:2".parse::<Pooling>().expect_err("unknown").to_string();
        assert!(error.contains("did you mean `grid:2`?"), "{error}");
        assert!("grid:0".parse::<Pooling>().is_err());
    }
}
