use std::cell::RefCell;

use palimpsest_sdk::prelude::*;

thread_local! {
    static KEPT: RefCell<Option<Tensor<'static>>> = const { RefCell::new(None) };
}

#[derive(Parameters)]
struct Keeper;

impl Corruption for Keeper {
    const ID: &'static str = "org.example.keeper";
    const SUMMARY: &'static str = "keeps what isn't its own";

    fn plan(&self, _: &PlanRequest<'_>, _: &mut Plan<'_>) -> Result<()> {
        Ok(())
    }
}

impl Apply for Keeper {
    fn apply<'call>(&self, application: &Application<'call>) -> Result<Tensor<'call>> {
        KEPT.set(Some(application.tokens()));
        Ok(application.tokens())
    }
}

fn main() {}
