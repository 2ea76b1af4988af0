//! Linear CKA (Kornblith et al. 2019) of every pair of representations, over minibatches with the unbiased
//! estimator of HSIC (Song et al. 2012; Nguyen, Raghu & Kornblith 2021, equations 2 and 3): the mean over batches
//! doesn't depend on their size, and no features have to be kept.

use rayon::prelude::*;

/// Sums HSIC of every pair of representations over batches.
pub struct LinearCka {
    count: usize,
    /// Sums over batches, [count, count].
    sums: Vec<f64>,
}

impl LinearCka {
    /// For so many representations.
    pub fn new(count: usize) -> Self {
        Self { count, sums: vec![0.0; count * count] }
    }

    /// Adds a batch: each representation's features [`images`, any width], of the same images. Batches
    /// of fewer than four images say nothing and are passed over.
    pub fn add(&mut self, features: &[Vec<f32>], images: usize) {
        if images < 4 {
            return;
        }
        let grams: Vec<Vec<f64>> = features.par_iter().map(|f| gram(f, images)).collect();
        let pairs: Vec<(usize, usize)> =
            (0..self.count).flat_map(|a| (a..self.count).map(move |b| (a, b))).collect();
        let found: Vec<f64> = pairs.par_iter().map(|&(a, b)| hsic(&grams[a], &grams[b], images)).collect();
        for ((a, b), value) in pairs.into_iter().zip(found) {
            self.sums[a * self.count + b] += value;
            if a != b {
                self.sums[b * self.count + a] += value;
            }
        }
    }

    /// CKA of every pair, [count, count]; the diagonal is 1.
    pub fn matrix(&self) -> Vec<Vec<f64>> {
        let sum = |a: usize, b: usize| self.sums[a * self.count + b];
        (0..self.count)
            .map(|a| (0..self.count).map(|b| sum(a, b) / (sum(a, a) * sum(b, b)).sqrt()).collect())
            .collect()
    }
}

/// Products of features with each other, [n, n], without the diagonal.
fn gram(features: &[f32], images: usize) -> Vec<f64> {
    let width = features.len() / images;
    let row = |i: usize| &features[i * width..(i + 1) * width];
    let mut out = vec![0.0; images * images];
    for i in 0..images {
        for j in 0..i {
            let product: f64 = row(i).iter().zip(row(j)).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            out[i * images + j] = product;
            out[j * images + i] = product;
        }
    }
    out
}

/// The unbiased estimator of HSIC from two such products.
fn hsic(k: &[f64], l: &[f64], images: usize) -> f64 {
    let n = images as f64;
    let trace: f64 = k.iter().zip(l).map(|(a, b)| a * b).sum();
    let rows = |m: &[f64]| m.chunks_exact(images).map(|row| row.iter().sum::<f64>()).collect::<Vec<f64>>();
    let (rows_k, rows_l) = (rows(k), rows(l));
    let (total_k, total_l) = (rows_k.iter().sum::<f64>(), rows_l.iter().sum::<f64>());
    let cross: f64 = rows_k.iter().zip(&rows_l).map(|(a, b)| a * b).sum();
    (trace + total_k * total_l / ((n - 1.0) * (n - 2.0)) - 2.0 / (n - 2.0) * cross) / (n * (n - 3.0))
}
