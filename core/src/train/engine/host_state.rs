//! What an engine holds, on the host and for evaluation: checkpoints are made of it, and made into it.

use std::sync::PoisonError;

use super::super::sharding::Sharding;
use super::super::state::{Kept, State, Trained};
use super::Engine;
use crate::params::Params;
use crate::tensor::{HostTensor, Tensor};
use crate::{Error, Result};

/// What an engine goes on from, on the host.
pub struct EngineState {
    /// Steps done.
    pub step: u64,
    /// Every parameter.
    pub params: Vec<HostTensor>,
    /// First and second moment of every parameter that is trained.
    pub moments: Vec<[HostTensor; 2]>,
    /// Their averages, where the engine keeps any.
    pub averages: Vec<HostTensor>,
}

impl Engine {
    /// The weights to evaluate: their moving average, where one is kept. With shards every rank must ask for them after the
    /// same step; they are gathered once, and held until the next.
    ///
    /// # Errors
    /// The backend's failure, or that of another process.
    pub fn evaluated_params(&self) -> Result<Params> {
        let mut tensors = self.state.params.clone();
        if !self.keeps_average() {
            return Ok(Params::new(tensors, self.rules.compute));
        }
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(params) = &*gathered {
            return Ok(params.clone());
        }
        let State { params, trained } = &self.state;
        for Trained { index, kept, .. } in trained {
            if let Some(average) = kept.as_ref().and_then(|kept| kept.average.as_ref()) {
                tensors[*index] = average.clone();
            }
        }
        let Some(sharding) = &self.rules.sharding else {
            return Ok(Params::new(tensors, self.rules.compute));
        };
        let own = |number: usize| average_of(&trained[number], params)?.download();
        let mut take = |number: usize, value: HostTensor| {
            tensors[trained[number].index] = self.device.upload(value)?;
            Ok(())
        };
        sharding.spread(&own, Some(&mut take))?;
        let params = Params::new(tensors, self.rules.compute);
        *gathered = Some(params.clone());
        Ok(params)
    }

    /// Weights, moments and averages, on the host. With shards every rank must ask for them after the same step, and all but
    /// the first get `None`.
    ///
    /// # Errors
    /// No memory, the backend's failure, or that of another process.
    pub fn download(&self) -> Result<Option<EngineState>> {
        let State { params, trained } = &self.state;
        let sharding = self.rules.sharding.as_ref();
        let wanted = sharding.is_none_or(Sharding::leads);
        let gather = |value: &dyn Fn(usize) -> Result<HostTensor>| {
            let mut all: Vec<Option<HostTensor>> = vec![None; trained.len()];
            if let Some(sharding) = sharding {
                let mut take = |number: usize, value: HostTensor| {
                    all[number] = Some(value);
                    Ok(())
                };
                sharding.spread(value, wanted.then_some(&mut take))?;
            }
            let filled = all.into_iter().enumerate().filter(|_| wanted);
            filled
                .map(|(number, gathered)| gathered.map_or_else(|| value(number), Ok))
                .collect::<Result<Vec<_>>>()
        };
        // Zeros before the first step.
        let moment = |number: usize, of: fn(&Kept) -> &Tensor| match &trained[number].kept {
            Some(kept) => of(kept).download(),
            None => {
                let value = &params[trained[number].index];
                self.device.full(value.shape().clone(), 0.0, value.dtype())?.download()
            }
        };
        let first = gather(&|number| moment(number, |kept| &kept.first))?;
        let second = gather(&|number| moment(number, |kept| &kept.second))?;
        let averages = match self.keeps_average() {
            true => gather(&|number| average_of(&trained[number], params)?.download())?,
            false => vec![],
        };
        if !wanted {
            return Ok(None);
        }
        let moments = first.into_iter().zip(second).map(|(first, second)| [first, second]).collect();
        let params = params.iter().map(Tensor::download).collect::<Result<_>>()?;
        Ok(Some(EngineState { step: self.step, params, moments, averages }))
    }

    /// Goes on from somewhere else. With shards every rank is given all, and keeps its part.
    ///
    /// # Errors
    /// No memory, or other numbers of tensors.
    pub fn restore(&mut self, restored: EngineState) -> Result<()> {
        let EngineState { step, params, moments, averages } = restored;
        let (device, state) = (&self.device, &self.state);
        let upload = |value: HostTensor| device.upload(value);
        let mut averages = averages.into_iter();
        let keep = |(trained, [first, second]): (&Trained, [HostTensor; 2])| {
            let average = averages.next();
            let kept = match trained.own {
                true => Some(Kept {
                    first: upload(first)?,
                    second: upload(second)?,
                    average: average.map(upload).transpose()?,
                }),
                false => None,
            };
            Ok(Trained { kept, ..trained.clone() })
        };
        let trained: Vec<Trained> = state.trained.iter().zip(moments).map(keep).collect::<Result<_>>()?;
        let params: Vec<Tensor> = params.into_iter().map(upload).collect::<Result<_>>()?;
        if params.len() != state.params.len() || trained.len() != state.trained.len() {
            return Err(Error::failure("a checkpoint with another number of tensors"));
        }
        self.state = State { params, trained };
        self.step = step;
        self.forget_gathered();
        // Weights and moments lie elsewhere now.
        if let Some(graphs) = &mut self.graphs {
            graphs.forget();
        }
        Ok(())
    }

    /// What was gathered for evaluation holds no longer.
    pub(super) fn forget_gathered(&mut self) {
        *self.gathered.get_mut().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// The average of a parameter, which it is itself before the first step.
fn average_of<'a>(trained: &'a Trained, params: &'a [Tensor]) -> Result<&'a Tensor> {
    Ok(match &trained.kept {
        Some(kept) => kept.average.as_ref().ok_or_else(|| Error::failure("an average that isn't kept"))?,
        None => &params[trained.index],
    })
}
