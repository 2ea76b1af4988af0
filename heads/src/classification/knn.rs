//! Weighted nearest neighbours by cosine similarity (Wu et al. 2018, as DINO uses it): each of the k
//! nearest training images votes for its class with exp(similarity / temperature).

use palimpsest_core::backend::NoGrad;
use palimpsest_core::data::Split;
use palimpsest_core::finetune::TaskHeadEntry;
use palimpsest_core::head::{Evaluation, Features, FrozenEval, FrozenHead};
use palimpsest_core::{DType, DeviceHandle, Error, Result, Tensor, settings};
use rayon::prelude::*;

use super::scores::ClassScores;

settings! {
    /// k nearest neighbours.
    pub struct Knn {
        /// Neighbours that vote: a number, or several as [10, 20, 100], of which the first is compared.
        k: Counts = Counts(vec![20]);
        /// Temperature of the votes.
        temperature: f64 = 0.07, in 1e-4..=100.0;
    }
}

/// One or several numbers of neighbours.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "OneOrMore", into = "OneOrMore")]
pub struct Counts(pub Vec<usize>);

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(untagged, expecting = "expected a number above 0, or several as [10, 20]")]
enum OneOrMore {
    One(usize),
    More(Vec<usize>),
}

impl TryFrom<OneOrMore> for Counts {
    type Error = String;

    fn try_from(given: OneOrMore) -> Result<Self, String> {
        let counts = match given {
            OneOrMore::One(k) => vec![k],
            OneOrMore::More(counts) => counts,
        };
        if counts.is_empty() || counts.contains(&0) {
            return Err("expected a number above 0, or several as [10, 20]".to_owned());
        }
        Ok(Self(counts))
    }
}

impl From<Counts> for OneOrMore {
    fn from(Counts(counts): Counts) -> Self {
        match counts.as_slice() {
            [k] => Self::One(*k),
            _ => Self::More(counts),
        }
    }
}

/// Test images whose similarities are computed at once.
const ROWS: usize = 256;

impl Knn {
    /// The votes for each class of each test image, [count, classes], for each number of neighbours.
    pub fn votes(&self, [train, test]: [&Features; 2], task: &FrozenEval<'_>) -> Result<Vec<Vec<f32>>> {
        let (classes, device) = (task.data.classes().len(), &task.device());
        let _quiet = NoGrad::new(&*device.backend);
        let bank = normalised(train, device)?.permute(&[1, 0])?;
        let queries = normalised(test, device)?;
        let n = train.count();
        let mut votes = vec![Vec::with_capacity(test.count() * classes); self.k.0.len()];
        for start in (0..test.count()).step_by(ROWS) {
            task.go_on()?;
            let rows = ROWS.min(test.count() - start);
            let similarity = queries.narrow(0, start, rows)?.matmul(&bank)?.download()?.into_f32();
            let of_rows: Vec<Vec<Vec<f32>>> =
                similarity.par_chunks(n).map(|row| self.vote(row, &train.labels, classes)).collect();
            for row in of_rows {
                votes.iter_mut().zip(row).for_each(|(all, of_row)| all.extend(of_row));
            }
        }
        Ok(votes)
    }

    /// The votes of one image for each class, for each number of neighbours.
    fn vote(&self, similarity: &[f32], labels: &[i64], classes: usize) -> Vec<Vec<f32>> {
        let mut order: Vec<usize> = (0..similarity.len()).collect();
        let most = self.k.0.iter().copied().max().unwrap_or(1).min(order.len());
        // Ties go to the earlier image, so that the result does not depend on the sort.
        let nearer = |a: &usize, b: &usize| similarity[*b].total_cmp(&similarity[*a]).then(a.cmp(b));
        if most < order.len() {
            order.select_nth_unstable_by(most - 1, nearer);
        }
        order.truncate(most);
        order.sort_unstable_by(nearer);
        // Relative to the nearest: a small temperature would overflow.
        let nearest = order.first().map_or(0.0, |&i| similarity[i]);
        let of_count = |&k: &usize| {
            let mut votes = vec![0.0f64; classes];
            for &i in order.iter().take(k) {
                votes[labels[i] as usize] += (f64::from(similarity[i] - nearest) / self.temperature).exp();
            }
            votes.into_iter().map(|vote| vote as f32).collect()
        };
        self.k.0.iter().map(of_count).collect()
    }
}

/// Rows of unit length, [count, width].
fn normalised(features: &Features, device: &DeviceHandle) -> Result<Tensor> {
    let mut values = features.values.clone();
    for row in values.chunks_mut(features.width) {
        let norm = row.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-12);
        row.iter_mut().for_each(|v| *v /= norm);
    }
    device.floats([features.count(), features.width], values, DType::F32)
}

impl FrozenHead for Knn {
    fn evaluate(&self, task: &FrozenEval<'_>) -> Result<Evaluation> {
        let (train, test) = (task.features(Split::Train)?, task.features(Split::Test)?);
        let names = task.data.classes();
        let votes = self.votes([train, test], task)?;
        let mut evaluation: Option<Evaluation> = None;
        for (&k, votes) in self.k.0.iter().zip(votes) {
            let mut scores = ClassScores::new(names);
            scores.add(&test.labels, &votes)?;
            match &mut evaluation {
                None => {
                    let mut figures = scores.scores()?;
                    figures.push(("k".to_owned(), k as f64));
                    evaluation =
                        Some(Evaluation { scores: figures, artifacts: scores.artifacts(), notes: vec![] });
                }
                Some(evaluation) => {
                    let accuracy = scores.scores()?.into_iter().take(1);
                    evaluation.scores.extend(accuracy.map(|(_, value)| (format!("accuracy_k{k}"), value)));
                }
            }
        }
        evaluation.ok_or_else(|| Error::failure("no number of neighbours"))
    }
}

palimpsest_core::inventory::submit! {
    TaskHeadEntry::frozen::<Knn>("knn", "weighted nearest neighbours on frozen features, by cosine similarity")
}
