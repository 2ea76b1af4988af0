//! A plug-in that panics where the environment variable `PALIMPSEST_BAD` says: `create`, `check`, `plan`, `sometimes` (in
//! one plan of many), `apply`, `unwrap` (an operation's error); or works on tensors in a way that has no gradient: `cut`.
//! Without it, it is a good one.

use palimpsest_sdk::export::Arguments;
use palimpsest_sdk::export::abi::corruption::Parameter;
use palimpsest_sdk::prelude::*;

#[derive(Parameters)]
struct Settings {
    /// Share of the tokens.
    #[param(default = 0.5, range = 0.0..=1.0)]
    ratio: f64,
}

/// Adds a multiple of each token's mean to it.
struct Panics {
    ratio: f64,
}

// What is derived can't panic, so it is not derived here.
impl Parameters for Panics {
    const PARAMETERS: &'static [Parameter] = Settings::PARAMETERS;

    fn from_arguments(arguments: &Arguments) -> Self {
        assert!(!bad("create"), "out of cheese in create");
        Self { ratio: Settings::from_arguments(arguments).ratio }
    }
}

fn bad(what: &str) -> bool {
    std::env::var("PALIMPSEST_BAD").is_ok_and(|bad| bad == what)
}

impl Corruption for Panics {
    const ID: &'static str = "org.palimpsest.bad-panics";
    const SUMMARY: &'static str = "panics on purpose";
    const UNBIASED: bool = true;
    const EQUAL_COUNTS: bool = true;

    fn check(&self, _: &Geometry) -> Result<()> {
        assert!(!bad("check"), "out of cheese in check");
        Ok(())
    }

    fn plan(&self, request: &PlanRequest<'_>, plan: &mut Plan<'_>) -> Result<()> {
        assert!(!bad("plan"), "out of cheese in plan");
        assert!(!(bad("sometimes") && request.seed % 4099 == 17), "out of cheese for this seed");
        let masked = (self.ratio * request.tokens as f64).round() as usize;
        for mut image in plan.images() {
            image.random().choose(request.tokens, masked).into_iter().for_each(|token| image.mask(token));
        }
        Ok(())
    }
}

impl Apply for Panics {
    fn apply<'call>(&self, application: &Application<'call>) -> Result<Tensor<'call>> {
        assert!(!bad("apply"), "out of cheese in apply");
        let tokens = application.tokens();
        let mean = if bad("unwrap") { tokens.mean(&[2]).expect("a mean") } else { tokens.mean(&[2])? };
        if bad("cut") && tokens.dtype() == DType::F64 {
            // Over the host's memory: what it multiplies by depends on the tokens, and no gradient knows.
            let values: Vec<f64> = tokens.tanh()?.to_vec()?;
            return application.ops().from_slice(&values, tokens.shape());
        }
        tokens.add(mean.tanh()?.mul_scalar(0.1)?)
    }
}

export_plugin!(Panics);
