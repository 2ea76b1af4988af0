//! Random requests to `plan`.
//!
//! A request and the parameters of the strategy that it goes to are a function of one number, its seed. Seeds that
//! agree but for their last ten bits share their parameters, so that a strategy is made once for 1,024 requests.

use std::sync::Arc;
use std::time::{Duration, Instant};

use palimpsest_abi::Head;
use palimpsest_abi::corruption as abi;
use palimpsest_core::plugin::{Parameter, Setting, StrategyLibrary};
use palimpsest_core::random::{Philox, Stream};

use crate::buffers::Plan;
use crate::instance::{Instance, Refusal, arguments};
use crate::judge;
use crate::outcome::Finding;
use crate::request::Request;
use crate::subject::says;

/// Requests that share their parameters.
const GROUP: u64 = 1 << 10;
/// Requests for each plan that is due: a strategy may refuse most geometries.
const REFUSALS: u64 = 64;
/// One group in so many tries values out of range, at `create` alone.
const WILD: usize = 16;

/// When it stops.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Plans that are made.
    pub calls: u64,
    /// Time spent.
    pub time: Duration,
    /// Findings.
    pub most: usize,
}

/// What came of it.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct FuzzCounts {
    /// Plans that came and were right.
    pub plans: u64,
    /// Requests and parameters that were refused in words.
    pub refused: u64,
    /// Strategies that were made.
    pub strategies: u64,
    /// What was wrong, each with its seed.
    pub findings: Vec<Finding>,
}

/// A library that gets random requests.
pub struct Fuzz {
    library: Arc<StrategyLibrary>,
    observes: bool,
}

/// The parameters of a group of seeds.
enum Values {
    /// Within their ranges.
    Tame(Vec<Setting>),
    /// Some of them are not.
    Wild(Vec<Setting>),
}

impl Fuzz {
    /// A library that was opened.
    pub fn new(library: Arc<StrategyLibrary>) -> Self {
        let observes = says(&library, abi::OBSERVES);
        Self { library, observes }
    }

    /// The first seed of a run of `plugin fuzz --seed NUMBER`.
    fn first(number: u64) -> u64 {
        let mut random = Philox::new(number, Stream::Test, 0, 0);
        let (high, low) = (u64::from(random.next_u32()), u64::from(random.next_u32()));
        (high << 32 | low) / GROUP * GROUP
    }

    /// Runs many. `at` is told each seed before its call, for the case that the call is the last one.
    pub fn run(&self, number: u64, limits: &Limits, at: impl Fn(u64)) -> FuzzCounts {
        let (mut done, start, mut plan) = (FuzzCounts::default(), Instant::now(), Plan::default());
        let (mut seed, mut requests) = (Self::first(number), 0);
        while done.plans < limits.calls
            && requests < limits.calls.saturating_mul(REFUSALS)
            && start.elapsed() < limits.time
            && done.findings.len() < limits.most
        {
            at(seed);
            let instance = match self.strategy(seed, &mut done) {
                Ok(instance) => instance,
                Err(finding) => {
                    done.findings.push(finding);
                    None
                }
            };
            if let Some(instance) = instance {
                for seed in seed..seed.wrapping_add(GROUP) {
                    if done.plans == limits.calls {
                        break;
                    }
                    at(seed);
                    if let Err(mut finding) = self.one(&instance, seed, &mut plan, &mut done) {
                        finding.seed = Some(seed);
                        done.findings.push(finding);
                        // A group has one fault, mostly; a poisoned strategy has no other.
                        break;
                    }
                }
            }
            requests += GROUP;
            seed = seed.wrapping_add(GROUP);
        }
        done
    }

    /// One request again, told to `tell` before each call; what is wrong with it.
    pub fn reproduce(&self, seed: u64, tell: &mut dyn FnMut(&str)) -> Option<Finding> {
        let (Values::Tame(values) | Values::Wild(values)) = self.values(seed);
        for (parameter, value) in self.library.described().iter().zip(&values) {
            tell(&format!("{} = {}", parameter.name, value.to_toml()));
        }
        tell("create");
        let instance = match self.strategy(seed, &mut FuzzCounts::default()) {
            Ok(Some(instance)) => instance,
            Ok(None) => {
                tell("no strategy was made, and that is right");
                return None;
            }
            Err(finding) => return Some(finding),
        };
        let request = self.request(seed);
        let abi::Geometry { prefix, dim, depth, heads, patch, channels, .. } = request.geometry;
        tell(&format!("request: {request}"));
        tell(&format!(
            "channels {channels}, patch {patch}, prefix {prefix}, dim {dim}, depth {depth}, heads {heads}"
        ));
        tell("check, plan");
        let mut plan = Plan::default();
        let found = self.one(&instance, seed, &mut plan, &mut FuzzCounts::default()).err();
        tell(&format!("roles {:?}", &plan.roles[..plan.roles.len().min(64)]));
        tell(&format!("gain {:?}", &plan.gain[..plan.gain.len().min(16)]));
        tell(&format!("noise {:?}", &plan.noise[..plan.noise.len().min(16)]));
        if plan.uses_source() {
            tell(&format!("source {:?}", &plan.source[..plan.source.len().min(64)]));
        }
        found.map(|mut finding| {
            finding.seed = Some(seed);
            finding
        })
    }

    /// The strategy of a seed; `None` where the parameters were refused.
    fn strategy(&self, seed: u64, done: &mut FuzzCounts) -> Result<Option<Instance>, Finding> {
        let (values, wild) = match self.values(seed) {
            Values::Tame(values) => (values, false),
            Values::Wild(values) => (values, true),
        };
        let told = || {
            let pairs = self.library.described().iter().zip(&values);
            let pairs: Vec<String> =
                pairs.map(|(p, value)| format!("{} = {}", p.name, value.to_toml())).collect();
            format!(
                "`create` with {}",
                if pairs.is_empty() { "no parameters".to_owned() } else { pairs.join(", ") }
            )
        };
        match Instance::of_arguments(&self.library, &arguments(self.library.described(), &values)) {
            // What it would plan is not said: the host doesn't let these values through.
            Ok(_) if wild => Ok(None),
            Ok(instance) => {
                done.strategies += 1;
                Ok(Some(instance))
            }
            Err(refusal) if !refusal.is_panic() && (wild || refusal.is_user()) => {
                done.refused += 1;
                Ok(None)
            }
            Err(refusal) => {
                let mut finding = refusal.finding(
                    told(),
                    "make a strategy of parameters in their ranges, or refuse them in words",
                );
                finding.seed = Some(seed);
                Err(finding)
            }
        }
    }

    fn one(
        &self,
        instance: &Instance,
        seed: u64,
        plan: &mut Plan,
        done: &mut FuzzCounts,
    ) -> Result<(), Finding> {
        let request = self.request(seed);
        let answered = |refusal: &Refusal, function: &str| {
            refusal.finding(
                format!("`{function}` for {request}"),
                "serve the request, or refuse its geometry in `check`, in words",
            )
        };
        match instance.check(&request.geometry) {
            Ok(()) => {}
            Err(refusal) if refusal.is_user() => {
                done.refused += 1;
                return Ok(());
            }
            Err(refusal) => return Err(answered(&refusal, "check")),
        }
        match instance.plan_into(&request, plan) {
            Ok(()) => {}
            // A mix of one image, say.
            Err(refusal) if refusal.is_user() && says(&self.library, abi::MIXES) => {
                done.refused += 1;
                return Ok(());
            }
            Err(refusal) => return Err(answered(&refusal, "plan")),
        }
        judge::levels(plan).and_then(|()| judge::rules(plan, self.library.capabilities())).map_err(
            |mut finding| {
                finding.location = format!("`plan` for {request}, {}", finding.location);
                finding
            },
        )?;
        done.plans += 1;
        Ok(())
    }

    fn values(&self, seed: u64) -> Values {
        let mut random = Philox::new(seed / GROUP, Stream::Test, 1, 0);
        let parameters = self.library.described();
        let wild = !parameters.is_empty() && random.below(WILD) == 0;
        let mut values: Vec<Setting> = parameters.iter().map(|p| within(p, &mut random)).collect();
        if wild {
            let at = random.below(parameters.len());
            values[at] = outside(&parameters[at], &mut random);
            return Values::Wild(values);
        }
        Values::Tame(values)
    }

    /// The request of a seed: small grids mostly, as many of them can be tried; large ones now and then.
    fn request(&self, seed: u64) -> Request {
        let mut random = Philox::new(seed, Stream::Test, 2, 0);
        let mut upto = |most: usize| 1 + random.below(most) as u32;
        let (most, images) = match upto(512) {
            1 => (40, 4),
            2..=16 => (14, 8),
            _ => (5, 3),
        };
        let (grid_h, grid_w, batch) = (upto(most), upto(most), upto(images));
        let (patch, heads) = ([1, 4, 16][upto(3) as usize - 1], upto(4));
        let geometry = abi::Geometry {
            head: Head::of::<abi::Geometry>(),
            channels: [1, 3][upto(2) as usize - 1],
            height: grid_h * patch,
            width: grid_w * patch,
            patch,
            grid_h,
            grid_w,
            prefix: upto(3) - 1,
            dim: heads * 8 * upto(3),
            depth: upto(12),
            heads,
        };
        let big = |random: &mut Philox| u64::from(random.next_u32()) << 32 | u64::from(random.next_u32());
        let progress = match random.below(8) {
            0 => 0.0,
            1 => 1.0,
            _ => f64::from(random.uniform()),
        };
        Request {
            geometry,
            batch,
            seed: big(&mut random),
            // Steps and images are counted up to 2^48.
            step: big(&mut random) >> (16 + random.below(48)),
            first_sample: big(&mut random) >> (17 + random.below(47)),
            progress,
            scores: None,
        }
        .with_scores(self.observes)
    }
}

/// A value in a parameter's range; often at its edge.
fn within(parameter: &Parameter, random: &mut Philox) -> Setting {
    let how = random.below(8);
    if how == 0 {
        return parameter.default.clone();
    }
    let number = |random: &mut Philox, default: f64| {
        let low = if parameter.min.is_finite() { parameter.min } else { default - 10.0 - default.abs() };
        let high = if parameter.max.is_finite() { parameter.max } else { default + 10.0 + default.abs() };
        match how {
            1 => low,
            2 => high,
            _ => (low + (high - low) * f64::from(random.uniform())).clamp(low, high),
        }
    };
    match &parameter.default {
        Setting::Flag(_) => Setting::Flag(random.below(2) == 1),
        // Not to the largest integers: a strategy may honestly need memory in proportion.
        Setting::Integer(x) => Setting::Integer(
            number(random, *x as f64).clamp(-4096.0, 4096.0).clamp(parameter.min, parameter.max).round()
                as i64,
        ),
        Setting::Real(x) => Setting::Real(number(random, *x)),
        Setting::Text(_) if !parameter.choices.is_empty() => {
            Setting::Text(parameter.choices[random.below(parameter.choices.len())].clone())
        }
        Setting::Text(text) => Setting::Text(text.clone()),
    }
}

/// A value that no host lets through.
fn outside(parameter: &Parameter, random: &mut Philox) -> Setting {
    let reals = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        -1e300,
        1e300,
        -1e-300,
        parameter.min - 1.0,
        parameter.max + 1.0,
    ];
    let integers = [i64::MIN, i64::MAX, -1, 2, 1 << 40];
    match parameter.default {
        Setting::Flag(_) | Setting::Integer(_) => Setting::Integer(integers[random.below(integers.len())]),
        Setting::Real(_) => Setting::Real(reals[random.below(reals.len())]),
        Setting::Text(_) => Setting::Text(["", "\0", "\u{FFFF}\u{10FFFF}"][random.below(3)].to_owned()),
    }
}
