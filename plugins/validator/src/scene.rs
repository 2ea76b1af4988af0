//! Tokens and a plan, for `apply` and `score`.
#![allow(unsafe_code, reason = "calls the functions of a library")]

use palimpsest_abi::backend::Tensor as CTensor;
use palimpsest_abi::corruption as abi;
use palimpsest_abi::{Error as CError, Head};
use palimpsest_core::plugin::Operations;
use palimpsest_core::random::{Philox, Stream};
use palimpsest_core::tensor::HostData;
use palimpsest_core::{DType, DeviceHandle, HostTensor, Tensor};

use crate::buffers::Plan;
use crate::instance::{Instance, Refusal};
use crate::operations::{INJECTED, Record, RecordingOperations, Script};
use crate::outcome::{Checked, Stop, fail, skip};
use crate::request::{Request, geometry};
use crate::subject::{request, says};

/// Where tokens are corrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    Pixels,
    Embedding,
    Block,
    /// Before a block of an encoder that drops masked tokens.
    Kept,
}

/// A request, its plan and where it is applied.
pub(crate) struct Scene {
    pub(crate) request: Request,
    plan: Plan,
    at: At,
}

/// What an application gave.
pub(crate) struct Applied {
    pub(crate) result: Tensor,
    pub(crate) record: Record,
}

/// Scenes for a strategy with `apply` or `score`: each place, and grids of two kinds.
pub(crate) fn scenes(instance: &Instance) -> Checked<Vec<Scene>> {
    let mut scenes = vec![];
    for (rows, columns) in [(4, 4), (2, 3), (8, 8)] {
        let geometry = geometry(rows, columns, 1);
        if instance.check(&geometry).is_err() {
            continue;
        }
        let asked = request(instance, geometry, 3);
        let plan = planned(instance, &asked)?;
        for at in [At::Pixels, At::Embedding, At::Block, At::Kept] {
            if at == At::Kept && kept(&plan).is_none() {
                continue;
            }
            scenes.push(Scene { request: asked.clone(), plan: plan.clone(), at });
        }
        if scenes.len() > 4 {
            break;
        }
    }
    if scenes.is_empty() {
        return skip("`check` refuses every grid that was tried");
    }
    Ok(scenes)
}

fn planned(instance: &Instance, asked: &Request) -> Checked<Plan> {
    instance.plan(asked).map_err(|refusal| {
        if refusal.is_panic() {
            return Stop::Skipped("it panics: see robust.panics".to_owned());
        }
        refusal.finding(format!("`plan` for {asked}"), "serve the request").into()
    })
}

/// The positions of the tokens that are not masked, [B, K], where each image has as many and one at least.
fn kept(plan: &Plan) -> Option<Vec<Vec<i64>>> {
    let of = |roles: &[u8]| -> Vec<i64> {
        (0..).zip(roles).filter(|(_, role)| **role != abi::MASKED).map(|(i, _)| i).collect()
    };
    let kept: Vec<Vec<i64>> = plan.roles.chunks(plan.tokens).map(of).collect();
    let first = kept.first()?.len();
    (first > 0 && kept.iter().all(|image| image.len() == first)).then_some(kept)
}

fn normals(shape: &[usize], seed: u64) -> Vec<f32> {
    let mut values = vec![0.0; shape.iter().product()];
    Philox::new(seed, Stream::Test, 3, 0).fill_normal(&mut values);
    values
}

impl Scene {
    /// What is applied where, for messages.
    pub(crate) fn location(&self) -> String {
        let at = match self.at {
            At::Pixels => "on pixels",
            At::Embedding => "on the embedding",
            At::Block => "before a block",
            At::Kept => "before a block, on kept tokens alone",
        };
        format!("`apply` {at} for {}", self.request)
    }

    /// The shape of the tokens.
    pub(crate) fn shape(&self) -> [usize; 3] {
        let abi::Geometry { channels, patch, prefix, dim, .. } = self.request.geometry;
        let (batch, tokens, prefix) = (self.request.batch as usize, self.request.tokens(), prefix as usize);
        match self.at {
            At::Pixels => [batch, tokens, (channels * patch * patch) as usize],
            At::Embedding => [batch, tokens, dim as usize],
            At::Block => [batch, prefix + tokens, dim as usize],
            At::Kept => [batch, prefix + kept(&self.plan).map_or(0, |kept| kept[0].len()), dim as usize],
        }
    }

    /// Made-up tokens.
    pub(crate) fn tokens(&self) -> Vec<f64> {
        normals(&self.shape(), 11).into_iter().map(f64::from).collect()
    }

    /// The plan's gain [B, N, 1] and noise [B, N, W] for each of the tokens, where it has noise.
    fn noise(&self, device: &DeviceHandle, dtype: DType) -> Checked<Option<[Tensor; 2]>> {
        if self.plan.noise.iter().all(|&s| s == 0.0) && self.plan.gain.iter().all(|&a| a == 1.0) {
            return Ok(None);
        }
        let [batch, n, width] = self.shape();
        let kept = if self.at == At::Kept { kept(&self.plan) } else { None };
        let prefix = n - kept.as_ref().map_or(self.plan.tokens, |kept| kept[0].len());
        let (mut gain, mut noise) = (vec![1.0; batch * n], normals(&[batch, n, width], 12));
        for image in 0..batch {
            for token in 0..n {
                let (mut a, mut s) = (1.0, 0.0);
                if let Some(i) = token.checked_sub(prefix) {
                    let i = kept.as_ref().map_or(i, |kept| kept[image][i] as usize);
                    (a, s) = (
                        self.plan.gain[image * self.plan.tokens + i],
                        self.plan.noise[image * self.plan.tokens + i],
                    );
                }
                gain[image * n + token] = a;
                let row = (image * n + token) * width;
                noise[row..row + width].iter_mut().for_each(|eps| *eps *= s);
            }
        }
        Ok(Some([
            device.floats([batch, n, 1], gain, dtype)?,
            device.floats([batch, n, width], noise, dtype)?,
        ]))
    }

    /// `apply` on the scene's own tokens.
    pub(crate) fn apply(&self, instance: &Instance, device: &DeviceHandle, dtype: DType) -> Checked<Applied> {
        let tokens = upload(device, &self.shape(), self.tokens(), dtype)?;
        self.apply_to(instance, &tokens, Script::default())
    }

    /// `apply` on any tokens of the scene's shape.
    pub(crate) fn apply_to(&self, instance: &Instance, tokens: &Tensor, script: Script) -> Checked<Applied> {
        let Some(apply) = instance.library.table().apply else { return skip("it has no `apply`") };
        let geometry = self.request.core_geometry();
        let operations = Operations::new(tokens.device(), &self.request.core(&geometry));
        let recording = RecordingOperations::new(&operations, script);
        let device = tokens.device();
        let [gain, noise] = match self.noise(&device, tokens.dtype())? {
            Some(pair) => {
                let [gain, noise] = pair;
                [operations.enter(gain)?, operations.enter(noise)?]
            }
            None => [CTensor::none(); 2],
        };
        let kept = match kept(&self.plan).filter(|_| self.at == At::Kept) {
            Some(kept) => {
                let shape = [kept.len(), kept[0].len()];
                operations.enter(device.indices(shape, kept.concat())?)?
            }
            None => CTensor::none(),
        };
        let lent = self.request.lend();
        let mut to_read = self.plan.clone();
        let plan = to_read.lend();
        let in_block = matches!(self.at, At::Block | At::Kept);
        let application = abi::Application {
            head: Head::of::<abi::Application>(),
            request: &raw const lent,
            plan: &raw const plan,
            tokens: operations.enter(tokens.clone())?,
            prefix: if in_block { self.request.geometry.prefix } else { 0 },
            place: match self.at {
                At::Pixels => 0,
                At::Embedding => 1,
                At::Block | At::Kept => 2,
            },
            kept,
            gain,
            noise,
        };
        let (mut result, mut error, ops) = (CTensor::none(), CError::new(), recording.table());
        let call = instance.library.calling("`apply`");
        // SAFETY: an instance of this library; everything else is lent for the call, and handles are checked.
        let code = unsafe {
            apply(instance.pointer(), &raw const ops, &raw const application, &raw mut result, &raw mut error)
        };
        drop(call);
        Self::answered(Refusal::read(code, &error), &self.location())?;
        if self.plan.difference(&to_read).is_some() {
            return fail(self.location(), "the plan was written to", "only read it");
        }
        let result =
            operations.leave(result.handle).or_else(|e| fail(self.location(), e.message(), HANDLES))?;
        Ok(Applied { result, record: recording.record() })
    }

    fn answered(answer: Result<(), Refusal>, location: &str) -> Checked<()> {
        match answer {
            Ok(()) => Ok(()),
            Err(refusal) if refusal.message.contains(INJECTED) => Err(Stop::Skipped(INJECTED.to_owned())),
            Err(refusal) => {
                let help = if refusal.message.contains("tensor of an earlier call")
                    || refusal.message.contains("is no tensor")
                {
                    HANDLES
                } else {
                    "serve tokens of every float type, at every place"
                };
                Err(refusal.finding(location, help).into())
            }
        }
    }

    /// What a strategy observes, made up: its shape goes by what it asked for.
    fn observed(&self, instance: &Instance, device: &DeviceHandle, dtype: DType) -> Checked<Tensor> {
        let Some(observe) = instance.library.table().observe else { return skip("it doesn't observe") };
        let (mut what, mut block, mut error) = (u32::MAX, -1, CError::new());
        let call = instance.library.calling("`observe`");
        // SAFETY: an instance of this library, and places for its answer.
        let code = unsafe { observe(instance.pointer(), &raw mut what, &raw mut block, &raw mut error) };
        drop(call);
        Refusal::read(code, &error)
            .map_err(|refusal| refusal.finding("`observe`", "name what to look at"))?;
        let abi::Geometry { channels, patch, prefix, dim, heads, .. } = self.request.geometry;
        let (batch, tokens, prefix) = (self.request.batch as usize, self.request.tokens(), prefix as usize);
        let all = prefix + tokens;
        let shape: &[usize] = match what {
            0 => &[batch, tokens, (channels * patch * patch) as usize],
            1 => &[batch, tokens, dim as usize],
            2 => &[batch, all, dim as usize],
            3 => &[batch, heads as usize, all, all],
            other => {
                return fail(
                    "`observe`",
                    format!("wants to look at the unknown thing {other}"),
                    "name pixels, embedding, features or attention",
                );
            }
        };
        let tensor = upload(device, shape, normals(shape, 13).into_iter().map(f64::from).collect(), dtype)?;
        // Attention probabilities are positive and sum to one.
        Ok(if what == 3 { tensor.softmax()? } else { tensor })
    }

    /// `score` of made-up observations.
    pub(crate) fn score(&self, instance: &Instance, device: &DeviceHandle, dtype: DType) -> Checked<Applied> {
        self.score_with(instance, device, dtype, Script::default())
    }

    /// The same, with a hand in the operations.
    pub(crate) fn score_with(
        &self,
        instance: &Instance,
        device: &DeviceHandle,
        dtype: DType,
        script: Script,
    ) -> Checked<Applied> {
        let Some(score) = instance.library.table().score else { return skip("it doesn't observe") };
        let observed = self.observed(instance, device, dtype)?;
        let geometry = self.request.core_geometry();
        let operations = Operations::new(device.clone(), &self.request.core(&geometry));
        let recording = RecordingOperations::new(&operations, script);
        let seen = operations.enter(observed)?;
        let (mut result, mut error, ops) = (CTensor::none(), CError::new(), recording.table());
        let call = instance.library.calling("`score`");
        // SAFETY: as in `apply_to`.
        let code = unsafe {
            score(
                instance.pointer(),
                &raw const ops,
                &raw const seen,
                &raw const self.request.geometry,
                &raw mut result,
                &raw mut error,
            )
        };
        drop(call);
        Self::answered(Refusal::read(code, &error), &format!("`score` for {}", self.request))?;
        let result = operations.leave(result.handle).or_else(|e| fail("`score`", e.message(), HANDLES))?;
        Ok(Applied { result, record: recording.record() })
    }

    /// The plan with these scores.
    pub(crate) fn with_scores(mut self, instance: &Instance, scores: Vec<f32>) -> Checked<Plan> {
        self.request.scores = says(&instance.library, abi::OBSERVES).then_some(scores);
        planned(instance, &self.request)
    }
}

const HANDLES: &str = "use tensors in the call that gave them alone";

/// Values in a type.
pub(crate) fn upload(
    device: &DeviceHandle,
    shape: &[usize],
    values: Vec<f64>,
    dtype: DType,
) -> Checked<Tensor> {
    let host = HostTensor::new(shape.to_vec(), HostData::F64(values))?.to_float(dtype)?;
    Ok(device.upload(host)?)
}
