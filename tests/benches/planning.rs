//! What a plan costs: the masks of 256 images of 14 x 14 patches, by built-ins and by plug-ins, whose cost
//! includes the crossing and the host's checks of what came back.
//!
//!     cargo bench -p palimpsest-tests --bench planning

use criterion::{Criterion, criterion_group, criterion_main};
use palimpsest_core::corruption::{self, PlanRequest};
use palimpsest_core::geometry::Geometry;
use palimpsest_core::plugin::discover;
use palimpsest_core::settings::Section;
use palimpsest_tests::libraries::library;

fn planning(criterion: &mut Criterion) {
    let named = ["restated_noise", "colour_noise", "token_mix"];
    let built = named.map(|name| library(name).expect("cargo test --workspace --release builds it"));
    corruption::install(discover(&built).expect("plug-ins"));
    let geometry = Geometry {
        channels: 3,
        height: 224,
        width: 224,
        patch: 16,
        prefix: 1,
        registers: 0,
        dim: 768,
        depth: 12,
        heads: 12,
    };
    let request = PlanRequest {
        geometry: &geometry,
        batch: 256,
        seed: 1,
        step: 2,
        first_sample: 3,
        progress: 0.5,
        scores: None,
    };
    let mut group = criterion.benchmark_group("plan of 256 x 196");
    for kind in ["random", "restated-noise", "cell", "block", "colour-noise", "token-mix"] {
        let section = Section::parse("corruption", "").expect("a table");
        let strategy = corruption::find(kind).and_then(|kind| kind.build(&section)).expect("a strategy");
        group.bench_function(kind, |bencher| {
            bencher.iter(|| corruption::plan(&*strategy, None, &request).expect("a plan"));
        });
    }
    group.finish();
}

criterion_group!(benches, planning);
criterion_main!(benches);
