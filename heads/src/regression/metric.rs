//! Scores of numbers, gathered batch by batch, with a table and all predictions.

use std::collections::HashMap;

use palimpsest_core::data::Batch;
use palimpsest_core::error::listed;
use palimpsest_core::head::{Artifact, Metric, MetricState, Scores, Values};
use palimpsest_core::tensor::HostTensor;
use palimpsest_core::{Error, Result};

use crate::metrics::RegressionScores;
use crate::table::{cell, table};

/// R2 first, where there is one.
pub struct RegressionMetric {
    names: Vec<String>,
    /// The place of each image in the test part.
    indices: Vec<u64>,
    /// [images, values]; not a number where one is missing.
    values: Vec<f32>,
    /// [images, values]
    predictions: Vec<f32>,
}

impl RegressionMetric {
    /// For values of these names.
    pub fn new(names: &[String]) -> Self {
        Self { names: names.to_vec(), indices: vec![], values: vec![], predictions: vec![] }
    }

    fn of_images(&self) -> Result<RegressionScores> {
        let truths: Vec<Option<f32>> =
            self.values.iter().map(|&value| (!value.is_nan()).then_some(value)).collect();
        RegressionScores::of(self.names.len(), &truths, &self.predictions)
    }

    fn stored(&self) -> Result<Artifact> {
        let (images, values) = (self.indices.len(), self.names.len());
        let indices = self.indices.iter().map(|&index| index as i64).collect();
        let tensors = [
            ("indices".to_owned(), HostTensor::i64([images], indices)?),
            ("values".to_owned(), HostTensor::f32([images, values], self.values.clone())?),
            ("predictions".to_owned(), HostTensor::f32([images, values], self.predictions.clone())?),
        ];
        let names = serde_json::json!(self.names).to_string();
        Artifact::of_tensors(
            "predictions.safetensors",
            &tensors,
            HashMap::from([("values".to_owned(), names)]),
        )
    }
}

impl Metric<Values, Vec<f32>> for RegressionMetric {
    fn add(&mut self, batch: &Batch, targets: &[Values], predictions: &[Vec<f32>]) -> Result<()> {
        let values = self.names.len();
        if targets.iter().any(|of| of.0.len() != values) || predictions.iter().any(|of| of.len() != values) {
            return Err(Error::failure(format!("an image or prediction that has not {values} numbers")));
        }
        self.indices.extend(batch.indices.iter().map(|&index| index as u64));
        self.values.extend(targets.iter().flat_map(|of| &of.0).map(|value| value.unwrap_or(f32::NAN)));
        self.predictions.extend(predictions.iter().flatten());
        Ok(())
    }

    /// `r2`, `mae`, `rmse`; where there are several values, the three of each.
    fn scores(&self) -> Result<Scores> {
        let scores = self.of_images()?;
        let figures = |of: &str, r2: Option<f64>, mae: f64, rmse: f64| {
            let figure = |name: &str, value: f64| (format!("{name}{of}"), value);
            let errors = [figure("mae", mae), figure("rmse", rmse)];
            r2.map(|r2| figure("r2", r2)).into_iter().chain(errors).collect::<Scores>()
        };
        let mut all = figures("", scores.r2, scores.mae, scores.rmse);
        if self.names.len() > 1 {
            for (name, value) in self.names.iter().zip(&scores.values) {
                all.extend(value.iter().flat_map(|v| figures(&format!("/{name}"), v.r2, v.mae, v.rmse)));
            }
        }
        Ok(all)
    }

    fn artifacts(&self) -> Vec<Artifact> {
        let Ok(scores) = self.of_images() else { return vec![] };
        let titles = ["value", "r2", "mae", "rmse", "images", "missing"];
        let rows = self.names.iter().zip(&scores.values).map(|(name, value)| {
            let images = value.map_or(0, |value| value.images);
            let figures = [value.and_then(|v| v.r2), value.map(|v| v.mae), value.map(|v| v.rmse)].map(cell);
            let counts = [images, self.indices.len() - images].map(|count| count.to_string());
            [name.clone()].into_iter().chain(figures).chain(counts).collect()
        });
        [table("values.csv", &titles, rows)].into_iter().chain(self.stored()).collect()
    }

    fn notes(&self) -> Vec<String> {
        let Ok(scores) = self.of_images() else { return vec![] };
        let none = self.names.iter().zip(&scores.values).filter(|(_, v)| v.is_none_or(|v| v.r2.is_none()));
        let none: Vec<&String> = none.map(|(name, _)| name).collect();
        if none.is_empty() {
            return vec![];
        }
        vec![format!("fewer than two test images have these values, whose R2 is left out: {}", listed(&none))]
    }

    fn state(&self) -> Result<MetricState> {
        let mut state = MetricState::default();
        state.put(&self.indices);
        state.put(&self.values);
        state.put(&self.predictions);
        Ok(state)
    }

    fn absorb(&mut self, state: &mut MetricState) -> Result<()> {
        self.indices.extend(state.take::<u64>()?);
        self.values.extend(state.take::<f32>()?);
        self.predictions.extend(state.take::<f32>()?);
        Ok(())
    }
}
