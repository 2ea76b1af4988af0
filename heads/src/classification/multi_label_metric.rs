//! Scores of label sets, gathered batch by batch, with a table and all predictions.

use std::collections::HashMap;

use palimpsest_core::data::Batch;
use palimpsest_core::error::listed;
use palimpsest_core::head::{Artifact, LabelSet, Metric, MetricState, Scores};
use palimpsest_core::tensor::HostTensor;
use palimpsest_core::{Error, Result};

use crate::metrics::MultiLabelScores;
use crate::table::{cell, table};

/// mAP first.
pub struct MultiLabelMetric {
    names: Vec<String>,
    /// The place of each image in the test part.
    indices: Vec<u64>,
    /// [images, labels]: 1, 0, or -1 for unknown.
    labels: Vec<i64>,
    /// [images, labels]
    logits: Vec<f32>,
}

impl MultiLabelMetric {
    /// For labels of these names.
    pub fn new(names: &[String]) -> Self {
        Self { names: names.to_vec(), indices: vec![], labels: vec![], logits: vec![] }
    }

    fn of_images(&self) -> Result<MultiLabelScores> {
        let truths: Vec<Option<bool>> =
            self.labels.iter().map(|&label| (label >= 0).then_some(label == 1)).collect();
        MultiLabelScores::of(self.names.len(), &truths, &self.logits)
    }

    fn predictions(&self) -> Result<Artifact> {
        let (images, labels) = (self.indices.len(), self.names.len());
        let indices = self.indices.iter().map(|&index| index as i64).collect();
        let tensors = [
            ("indices".to_owned(), HostTensor::i64([images], indices)?),
            ("labels".to_owned(), HostTensor::i64([images, labels], self.labels.clone())?),
            ("logits".to_owned(), HostTensor::f32([images, labels], self.logits.clone())?),
        ];
        let names = serde_json::json!(self.names).to_string();
        let names = HashMap::from([("labels".to_owned(), names)]);
        Artifact::of_tensors("predictions.safetensors", &tensors, names)
    }
}

impl Metric<LabelSet, Vec<f32>> for MultiLabelMetric {
    fn add(&mut self, batch: &Batch, targets: &[LabelSet], predictions: &[Vec<f32>]) -> Result<()> {
        let labels = self.names.len();
        if targets.iter().any(|set| set.len() != labels) || predictions.iter().any(|of| of.len() != labels) {
            return Err(Error::failure(format!("a label set or prediction that is not of {labels} labels")));
        }
        self.indices.extend(batch.indices.iter().map(|&index| index as u64));
        self.labels.extend(targets.iter().flat_map(LabelSet::iter).map(|has| has.map_or(-1, i64::from)));
        self.logits.extend(predictions.iter().flatten());
        Ok(())
    }

    fn scores(&self) -> Result<Scores> {
        let scores = self.of_images()?;
        let scored = scores.labels.iter().filter(|label| label.positives > 0).count();
        let figures = [
            ("map", scores.map),
            ("map_micro", scores.map_micro),
            ("f1_macro", scores.f1_macro),
            ("f1_micro", scores.f1_micro),
            ("classes_scored", scored as f64),
        ];
        Ok(figures.map(|(name, value)| (name.to_owned(), value)).to_vec())
    }

    fn artifacts(&self) -> Vec<Artifact> {
        let Ok(scores) = self.of_images() else { return vec![] };
        let titles = ["label", "average_precision", "f1", "with", "without", "unknown"];
        let rows = self.names.iter().zip(&scores.labels).map(|(name, label)| {
            let counts = [label.positives, label.negatives, label.unknown].map(|count| count.to_string());
            [name.clone(), cell(label.average_precision), cell(label.f1)].into_iter().chain(counts).collect()
        });
        let table = table("classes.csv", &titles, rows);
        [table].into_iter().chain(self.predictions()).collect()
    }

    fn notes(&self) -> Vec<String> {
        let Ok(scores) = self.of_images() else { return vec![] };
        let none = self.names.iter().zip(&scores.labels).filter(|(_, label)| label.positives == 0);
        let none: Vec<&String> = none.map(|(name, _)| name).collect();
        if none.is_empty() {
            return vec![];
        }
        vec![format!("no test image has these labels, which map and f1_macro leave out: {}", listed(&none))]
    }

    fn state(&self) -> Result<MetricState> {
        let mut state = MetricState::default();
        state.put(&self.indices);
        state.put(&self.labels);
        state.put(&self.logits);
        Ok(state)
    }

    fn absorb(&mut self, state: &mut MetricState) -> Result<()> {
        self.indices.extend(state.take::<u64>()?);
        self.labels.extend(state.take::<i64>()?);
        self.logits.extend(state.take::<f32>()?);
        Ok(())
    }
}
