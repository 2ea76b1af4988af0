//! Corruption plans: counts, uniformity, purity.

use palimpsest_core::corruption::{
    self, Corruption, CorruptionEntry, CorruptionPlan, Noise, PlanRequest, Role,
};
use palimpsest_core::geometry::Geometry;
use palimpsest_core::registry;
use palimpsest_core::settings::Section;
use proptest::prelude::*;

pub(crate) fn geometry(rows: usize, columns: usize) -> Geometry {
    let patch = 4;
    Geometry {
        channels: 3,
        height: rows * patch,
        width: columns * patch,
        patch,
        prefix: 1,
        registers: 0,
        dim: 16,
        depth: 3,
        heads: 2,
    }
}

fn strategy(kind: &str, settings: &str) -> Box<dyn Corruption> {
    let entry = registry::find::<CorruptionEntry>("corruption", kind).unwrap();
    (entry.build)(&Section::parse("corruption", settings).unwrap()).unwrap()
}

fn request(geometry: &Geometry, batch: usize) -> PlanRequest<'_> {
    PlanRequest { geometry, batch, seed: 1, step: 2, first_sample: 3, progress: 0.0, scores: None }
}

fn masks(kind: &str, settings: &str, geometry: &Geometry, batch: usize) -> CorruptionPlan {
    corruption::plan(&*strategy(kind, settings), None, &request(geometry, batch)).unwrap()
}

fn masked(roles: &[Role]) -> usize {
    roles.iter().filter(|&&role| role == Role::Masked).count()
}

/// MAE keeps int(L (1 - r)), SimMIM masks ceil(C r) cells, blocks fill up to round(L r): counted
/// here in integers of a thousandth, so that no rounding of floats is repeated.
#[test]
fn counts_are_exact() {
    for (rows, columns) in [(4, 4), (14, 14), (4, 6), (8, 2), (2, 2)] {
        let geometry = geometry(rows, columns);
        let l = rows * columns;
        for permille in (0..=1000).step_by(50).chain([1, 333, 667, 999]) {
            let ratio = permille as f64 / 1000.0;
            let random = l - l * (1000 - permille) / 1000;
            let cell = (l / 4 * permille).div_ceil(1000) * 4;
            let block = (l * permille + 500) / 1000;
            let tie = l * permille % 1000 == 500; // 24.5 or 24.499999999999996: either way is right
            let cases = [
                ("random", format!("ratio = {ratio:?}"), random, 0),
                ("cell", format!("ratio = {ratio:?}\ncell = 8"), cell, 0),
                ("block", format!("ratio = {ratio:?}\nmin_patches = 3"), block, usize::from(tie)),
            ];
            for (kind, settings, want, slack) in cases {
                let plan = masks(kind, &settings, &geometry, 5);
                for image in 0..5 {
                    let found = masked(plan.image(image));
                    assert!(
                        found <= want && want <= found + slack,
                        "{kind} {ratio} {rows}x{columns}: {found}, not {want}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_single_token_is_masked_or_not() {
    let one = geometry(1, 1);
    for (kind, extra) in [("random", ""), ("cell", "cell = 4"), ("block", "min_patches = 1")] {
        for (ratio, want) in [(0.0, 0), (1.0, 1)] {
            assert_eq!(
                masked(&masks(kind, &format!("ratio = {ratio:?}\n{extra}"), &one, 2).roles),
                2 * want,
                "{kind}"
            );
        }
    }
    assert_eq!(masked(&masks("none", "", &one, 2).roles), 0);
}

/// Cells are whole, in rows and columns of their own, also where the grid isn't square.
#[test]
fn cells_are_whole() {
    let geometry = geometry(4, 10);
    let plan = masks("cell", "ratio = 0.5\ncell = 8", &geometry, 50);
    for image in 0..50 {
        let roles = plan.image(image);
        for (i, role) in roles.iter().enumerate() {
            let corner = (i / 10 / 2 * 2) * 10 + i % 10 / 2 * 2;
            assert_eq!(*role, roles[corner], "image {image}, token {i}");
        }
    }
}

/// How often each of the positions is masked in 20,000 images, each with k of L masked: with
/// p = k / L, (L - 1) / L sum (count - n p)^2 / (n p (1 - p)) is chi-square with L - 1 degrees of
/// freedom. The critical values are for a chance of 1e-6.
#[test]
fn random_and_cell_masks_are_uniform() {
    let n = 20_000;
    for (kind, settings, grid, units, critical) in [
        ("random", "ratio = 0.75", (4, 4), 1, 56.49),
        ("random", "ratio = 0.3", (3, 7), 1, 65.42),
        ("random", "ratio = 0.75", (14, 14), 1, 303.65),
        ("cell", "ratio = 0.6\ncell = 8", (14, 14), 4, 109.66),
        ("cell", "ratio = 0.5\ncell = 8", (4, 4), 4, 30.66),
    ] {
        let geometry = geometry(grid.0, grid.1);
        let plan = masks(kind, settings, &geometry, n);
        let l = geometry.tokens();
        let mut counts = vec![0.0f64; l];
        for roles in plan.roles.chunks(l) {
            roles
                .iter()
                .zip(&mut counts)
                .for_each(|(role, count)| *count += f64::from(u8::from(*role == Role::Masked)));
        }
        let p = masked(plan.image(0)) as f64 / l as f64;
        let n = n as f64;
        // Cells of four tokens go together: each counts four times.
        let positions = (l / units) as f64;
        let sum: f64 = counts.iter().map(|count| (count - n * p).powi(2)).sum::<f64>() / units as f64;
        let chi2 = (positions - 1.0) / positions * sum / (n * p * (1.0 - p));
        assert!(chi2 < critical, "{kind} {settings} on {grid:?}: chi-square {chi2:.1}, critical {critical}");
    }
}

/// Blocks can't be uniform by position: a border token lies in fewer of the rectangles than one in
/// the middle. What must hold is symmetry: a token and its mirror image, left to right or top to
/// bottom, are masked equally often. z = (difference of counts) / sqrt(images that have just one
/// of them); |z| < 5.5 has a chance of failing of 4e-8 a pair.
#[test]
fn block_masks_are_symmetric() {
    let (rows, columns) = (6, 9);
    let geometry = geometry(rows, columns);
    let plan = masks("block", "ratio = 0.4\nmin_patches = 4", &geometry, 20_000);
    let mirrors: [fn(usize) -> usize; 2] = [|i| i / 9 * 9 + 8 - i % 9, |i| (5 - i / 9) * 9 + i % 9];
    for (axis, mirror) in mirrors.into_iter().enumerate() {
        for token in 0..rows * columns {
            let other = mirror(token);
            let (mut difference, mut differing) = (0i64, 0i64);
            for roles in plan.roles.chunks(rows * columns).filter(|roles| roles[token] != roles[other]) {
                difference += if roles[token] == Role::Masked { 1 } else { -1 };
                differing += 1;
            }
            let z = difference as f64 / (differing.max(1) as f64).sqrt();
            assert!(z.abs() < 5.5, "axis {axis}, token {token}: z = {z:.2}");
        }
    }
    // And the middle is masked more often than the corner: they are blocks.
    let count =
        |token: usize| plan.roles.chunks(rows * columns).filter(|roles| roles[token] == Role::Masked).count();
    assert!(count(2 * columns + 4) > count(0) + 1000);
}

const NOISE: &str = "at = \"block:1\"\ncombination = \"everything\"\nshare = 0.5\nlaw = { kind = \"ddpm\" }";

fn noise(settings: &str) -> Noise {
    Noise::build(&Section::parse("noise", settings).unwrap()).unwrap()
}

/// The plan of images 3..11 image by image, in any order, from fresh or used strategies.
#[test]
fn plans_do_not_depend_on_the_split_or_the_order() {
    let geometry = geometry(6, 4);
    let noise = noise(NOISE);
    for (kind, settings) in [
        ("random", "ratio = 0.6"),
        ("cell", "ratio = 0.6\ncell = 8"),
        ("block", "min_patches = 3"),
        ("none", ""),
    ] {
        let strategy = strategy(kind, settings);
        let whole = corruption::plan(&*strategy, Some(&noise), &request(&geometry, 8)).unwrap();
        for parts in [[7, 6, 5, 4, 3, 2, 1, 0].map(|i| i..i + 1).to_vec(), vec![4..8, 0..4], vec![3..8, 0..3]]
        {
            for part in parts {
                let request = PlanRequest {
                    batch: part.len(),
                    first_sample: 3 + part.start as u64,
                    ..request(&geometry, 8)
                };
                let plan = corruption::plan(&*strategy, Some(&noise), &request).unwrap();
                let tokens = part.start * whole.tokens..part.end * whole.tokens;
                assert_eq!(plan.roles, whole.roles[tokens.clone()], "{kind} {part:?}");
                assert_eq!(plan.signal, whole.signal[tokens.clone()], "{kind} {part:?}");
                assert_eq!(plan.sigma, whole.sigma[tokens], "{kind} {part:?}");
                assert_eq!(plan.timestep, whole.timestep[part.clone()], "{kind} {part:?}");
                assert_eq!(
                    plan.prefix.unwrap(),
                    whole.prefix.as_ref().unwrap()[part.clone()],
                    "{kind} {part:?}"
                );
            }
        }
    }
}

#[test]
fn plans_differ_by_seed_step_and_sample() {
    let geometry = geometry(6, 6);
    let noise = noise(NOISE);
    for (kind, settings) in [("random", ""), ("cell", "cell = 8"), ("block", "min_patches = 3"), ("none", "")]
    {
        let strategy = strategy(kind, settings);
        let plan = |request| corruption::plan(&*strategy, Some(&noise), &request).unwrap();
        let base = request(&geometry, 4);
        let first = plan(base);
        assert_eq!(first, plan(base), "{kind}");
        for (what, other) in [
            ("seed", PlanRequest { seed: 9, ..base }),
            ("high half of the seed", PlanRequest { seed: base.seed + (1 << 32), ..base }),
            ("step", PlanRequest { step: base.step + 1, ..base }),
            ("sample", PlanRequest { first_sample: 1000, ..base }),
        ] {
            let other = plan(other);
            assert_ne!(first.timestep, other.timestep, "{kind}: {what}");
            assert_ne!(first.sigma, other.sigma, "{kind}: {what}");
            assert!(kind == "none" || first.roles != other.roles, "{kind}: {what}");
        }
    }
}

type Change = fn(&mut CorruptionPlan);

#[test]
fn broken_plans_are_refused() {
    let broken: [(&str, Change); 9] = [
        ("roles too short", |p| p.roles.truncate(7)),
        ("gain too long", |p| p.signal.push(1.0)),
        ("level too short", |p| p.timestep.clear()),
        ("gain not a number", |p| (p.roles[1], p.signal[1]) = (Role::Noised, f32::NAN)),
        ("infinite noise", |p| (p.roles[1], p.sigma[1]) = (Role::Noised, f32::INFINITY)),
        ("negative noise", |p| (p.roles[1], p.sigma[1]) = (Role::Noised, -0.1)),
        ("noise on a visible token", |p| p.sigma[2] = 0.1),
        ("gain on a visible token", |p| p.signal[2] = 0.5),
        ("source outside", |p| p.source = Some(vec![8; 8])),
    ];
    for (what, change) in broken {
        let mut plan = CorruptionPlan::identity(2, 4);
        plan.check().unwrap();
        change(&mut plan);
        assert!(plan.check().is_err(), "{what}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a recipe asks for, the plan is whole and says what the recipe means.
    #[test]
    fn every_plan_keeps_the_rules(
        kind in 0usize..4,
        ratio in 0.0f64..=1.0,
        share in 0.0f64..=1.0,
        combination in 0usize..3,
        law in 0usize..3,
        (rows, columns, batch) in (1usize..8, 1usize..8, 1usize..5),
        (seed, step, first_sample) in (any::<u64>(), 0u64..1 << 40, 0u64..1 << 40),
    ) {
        let geometry = geometry(2 * rows, 2 * columns);
        let l = geometry.tokens();
        let (kind, extra) = [("random", ""), ("cell", "cell = 8"), ("block", "min_patches = 2"), ("none", "")][kind];
        let settings = if kind == "none" { String::new() } else { format!("ratio = {ratio:?}\n{extra}") };
        let combination = ["conjunctive", "substitutive", "everything"][combination];
        let law = ["kind = \"ddpm\"", "kind = \"uniform\", min = 0.1, max = 2.0", "kind = \"constant\""][law];
        let noise = noise(&format!("combination = \"{combination}\"\nshare = {share:?}\nlaw = {{ {law} }}"));
        let strategy = strategy(kind, &settings);
        strategy.check(&geometry).unwrap();
        let request = PlanRequest { geometry: &geometry, batch, seed, step, first_sample, progress: 0.5, scores: None };
        let bare = corruption::plan(&*strategy, None, &request).unwrap();
        let plan = corruption::plan(&*strategy, Some(&noise), &request).unwrap();
        prop_assert!(plan.check().is_ok());
        prop_assert_eq!(plan.substitutive, combination == "substitutive");
        prop_assert_eq!(plan.prefix.is_some(), combination == "everything");
        for image in 0..batch {
            let (mut eligible, mut noised) = (0, 0);
            for i in image * l..(image + 1) * l {
                let was_masked = bare.roles[i] == Role::Masked;
                prop_assert_eq!(plan.roles[i] == Role::Masked, was_masked);
                let may = match combination {
                    "conjunctive" => !was_masked,
                    "substitutive" => was_masked,
                    _ => true,
                };
                let has = plan.sigma[i] != 0.0;
                eligible += usize::from(may);
                noised += usize::from(has);
                prop_assert!(may || (plan.signal[i] == 1.0 && !has));
                prop_assert_eq!(plan.roles[i] == Role::Noised, has && !was_masked);
            }
            prop_assert_eq!(noised, (eligible as f64 * share).round() as usize);
            // One level an image, and the same for the prefix.
            let mut levels: Vec<(f32, f32)> =
                (image * l..(image + 1) * l).filter(|&i| plan.sigma[i] != 0.0).map(|i| (plan.signal[i], plan.sigma[i])).collect();
            levels.extend(plan.prefix.as_ref().map(|prefix| prefix[image]));
            levels.dedup();
            prop_assert!(levels.len() <= 1);
            if let (Some((gain, noise)), "kind = \"ddpm\"") = (levels.first(), law) {
                prop_assert!((gain * gain + noise * noise - 1.0).abs() < 1e-6, "variance is preserved");
            }
        }
    }
}
