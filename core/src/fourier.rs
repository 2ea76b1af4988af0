//! Fourier transforms of planes, in f64. All that transforms calls these: rustfft's code is generic and is compiled
//! anew, for half a minute of processor time, in each crate that makes a plan.

use std::sync::Arc;

pub use rustfft::num_complex::Complex;
use rustfft::{Fft, FftDirection, FftPlanner};

/// What transforms planes [height, width] of one size, unpadded and not scaled: there and back is `height * width`
/// times the plane.
pub struct PlaneTransform {
    height: usize,
    width: usize,
    rows: Arc<dyn Fft<f64>>,
    columns: Arc<dyn Fft<f64>>,
}

impl PlaneTransform {
    /// To frequencies.
    pub fn forward(height: usize, width: usize) -> Self {
        Self::planned(height, width, FftDirection::Forward)
    }

    /// From frequencies.
    pub fn inverse(height: usize, width: usize) -> Self {
        Self::planned(height, width, FftDirection::Inverse)
    }

    fn planned(height: usize, width: usize, direction: FftDirection) -> Self {
        let mut planner = FftPlanner::new();
        let rows = planner.plan_fft(width, direction);
        let columns = planner.plan_fft(height, direction);
        Self { height, width, rows, columns }
    }

    /// Transforms a plane in place: its rows, then its columns.
    ///
    /// # Panics
    /// If the plane has another size.
    pub fn process(&self, plane: &mut [Complex<f64>]) {
        self.process_rows(plane);
        self.process_columns(plane, 0..self.width);
    }

    /// Transforms the rows alone.
    ///
    /// # Panics
    /// If the plane has another size.
    pub fn process_rows(&self, plane: &mut [Complex<f64>]) {
        assert_eq!(plane.len(), self.height * self.width, "values of a plane");
        self.rows.process(plane);
    }

    /// Transforms some columns alone.
    ///
    /// # Panics
    /// If the plane has another size, or fewer columns.
    pub fn process_columns(&self, plane: &mut [Complex<f64>], which: impl IntoIterator<Item = usize>) {
        assert_eq!(plane.len(), self.height * self.width, "values of a plane");
        let mut column = vec![Complex::default(); self.height];
        for x in which {
            for (value, row) in column.iter_mut().zip(plane.chunks_exact(self.width)) {
                *value = row[x];
            }
            self.columns.process(&mut column);
            for (row, value) in plane.chunks_exact_mut(self.width).zip(&column) {
                row[x] = *value;
            }
        }
    }
}
