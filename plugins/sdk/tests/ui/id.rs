use palimpsest_sdk::prelude::*;

#[derive(Parameters)]
struct Mask;

impl Corruption for Mask {
    const ID: &'static str = "Blue Noise";
    const SUMMARY: &'static str = "nothing";

    fn plan(&self, _: &PlanRequest<'_>, _: &mut Plan<'_>) -> Result<()> {
        Ok(())
    }
}

export_plugin!(Mask);

fn main() {}
