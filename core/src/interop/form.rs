//! How a parameter is stored elsewhere, and the way there and back.

use crate::tensor::{HostTensor, Shape};
use crate::{Error, Result};

/// How a parameter of ours is stored in another layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As here.
    Same,
    /// The patch embedding's matrix [D, C p p] as a convolution's kernel [D, C, p, p].
    Kernel { channels: usize, patch: usize },
    /// Queries, keys and values [3 D, ..] as three tensors [D, ..].
    Thirds,
    /// Gate and values [2 H, ..] of a gated MLP as two tensors [H, ..].
    Halves,
    /// The bias of queries, keys and values [3 D] as those of queries and values [D]. A bias of the keys adds the same to
    /// all logits of a query, so nothing is lost without it.
    QueryAndValue,
    /// Rows of a patch in (channel, row, column) order as rows in (row, column, channel) order, as MAE
    /// takes images apart.
    PixelRows { channels: usize, patch: usize },
}

impl Form {
    /// The shapes elsewhere of a parameter that is `own` here.
    pub(super) fn shapes(self, own: &Shape) -> Vec<Shape> {
        match self {
            Self::Same | Self::PixelRows { .. } => vec![own.clone()],
            Self::Kernel { channels, patch } => vec![Shape::from([own[0], channels, patch, patch])],
            Self::Thirds | Self::QueryAndValue | Self::Halves => {
                let mut dims = own.to_vec();
                dims[0] /= if self == Self::Halves { 2 } else { 3 };
                vec![Shape::from(dims); if self == Self::Thirds { 3 } else { 2 }]
            }
        }
    }

    /// Our parameter as it is stored elsewhere.
    pub(super) fn take_apart(self, own: &HostTensor) -> Result<Vec<HostTensor>> {
        let shapes = self.shapes(own.shape());
        let values = own.clone().into_f32();
        match self {
            Self::PixelRows { channels, patch } => {
                let rows = permuted_rows(&values, own.shape()[0], &pixel_order(channels, patch));
                Ok(vec![HostTensor::f32(own.shape().clone(), rows)?])
            }
            Self::QueryAndValue => {
                let size = values.len() / 3;
                let outer = [&values[..size], &values[2 * size..]];
                shapes.into_iter().zip(outer).map(|(s, v)| HostTensor::f32(s, v.to_vec())).collect()
            }
            Self::Same | Self::Kernel { .. } | Self::Thirds | Self::Halves => {
                let size = values.len() / shapes.len();
                shapes
                    .into_iter()
                    .zip(values.chunks(size))
                    .map(|(s, v)| HostTensor::f32(s, v.to_vec()))
                    .collect()
            }
        }
    }

    /// Our parameter of shape `own`, from what is stored elsewhere in the shapes of [`Form::shapes`].
    pub(super) fn put_together(self, own: &Shape, stored: Vec<HostTensor>) -> Result<HostTensor> {
        let mut values: Vec<f32> = stored.into_iter().flat_map(HostTensor::into_f32).collect();
        if self == Self::QueryAndValue {
            let size = values.len() / 2;
            values.splice(size..size, std::iter::repeat_n(0.0, size));
        }
        if values.len() != own.count() {
            return Err(Error::failure(format!("{} values for shape {own}", values.len())));
        }
        let values = match self {
            Self::PixelRows { channels, patch } => {
                let order = pixel_order(channels, patch);
                let mut back = vec![0; order.len()];
                order.iter().enumerate().for_each(|(row, &from)| back[from] = row);
                permuted_rows(&values, own[0], &back)
            }
            Self::Same | Self::Kernel { .. } | Self::Thirds | Self::Halves | Self::QueryAndValue => values,
        };
        HostTensor::f32(own.clone(), values)
    }
}

/// For each row in (row, column, channel) order, its number in (channel, row, column) order.
fn pixel_order(channels: usize, patch: usize) -> Vec<usize> {
    let pixels = patch * patch;
    (0..pixels).flat_map(|pixel| (0..channels).map(move |channel| channel * pixels + pixel)).collect()
}

/// The rows of a matrix, or the elements of a vector, at these numbers.
fn permuted_rows(values: &[f32], rows: usize, order: &[usize]) -> Vec<f32> {
    let width = values.len() / rows;
    order.iter().flat_map(|&row| values[row * width..(row + 1) * width].iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let count = |shape: &Shape| (0..shape.count()).map(|v| v as f32).collect::<Vec<_>>();
        for (form, shape) in [
            (Form::Same, Shape::from([4])),
            (Form::Kernel { channels: 3, patch: 2 }, Shape::from([5, 12])),
            (Form::Thirds, Shape::from([6, 2])),
            (Form::Thirds, Shape::from([6])),
            (Form::Halves, Shape::from([6, 2])),
            (Form::PixelRows { channels: 3, patch: 2 }, Shape::from([12, 5])),
            (Form::PixelRows { channels: 3, patch: 2 }, Shape::from([12])),
        ] {
            let own = HostTensor::f32(shape.clone(), count(&shape)).expect("it fits");
            let stored = form.take_apart(&own).expect("taken apart");
            assert_eq!(stored.iter().map(|t| t.shape().clone()).collect::<Vec<_>>(), form.shapes(&shape));
            assert_eq!(form.put_together(&shape, stored).expect("put together"), own, "{form:?}");
        }
    }

    #[test]
    fn a_bias_of_keys_is_left_out() {
        let own = HostTensor::f32([6], (1..=6).map(|v| v as f32).collect()).expect("it fits");
        let stored = Form::QueryAndValue.take_apart(&own).expect("taken apart");
        assert_eq!(stored.iter().map(|t| t.clone().into_f32()).collect::<Vec<_>>(), [[1.0, 2.0], [5.0, 6.0]]);
        let back = Form::QueryAndValue.put_together(own.shape(), stored).expect("put together");
        assert_eq!(back.into_f32(), [1.0, 2.0, 0.0, 0.0, 5.0, 6.0]);
    }

    #[test]
    fn pixels_are_ordered_as_mae_takes_them_apart() {
        // Channel 0 then 1 of a 2 x 2 patch; MAE has both channels of each pixel together.
        let own = HostTensor::f32([8], (0..8).map(|v| v as f32).collect::<Vec<_>>()).expect("it fits");
        let stored = Form::PixelRows { channels: 2, patch: 2 }.take_apart(&own).expect("taken apart");
        assert_eq!(stored[0].clone().into_f32(), [0.0, 4.0, 1.0, 5.0, 2.0, 6.0, 3.0, 7.0]);
    }
}
