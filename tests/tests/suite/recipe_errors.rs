//! Mistakes in recipes: each is one sentence with the location, the value and the help, in full.

use palimpsest_core::model::Model;
use palimpsest_core::recipe::Recipe;

/// The error of a recipe in `a.toml` with overrides.
fn error(text: &str, overrides: &[&str]) -> String {
    let overrides: Vec<String> = overrides.iter().map(|&o| o.to_owned()).collect();
    match Recipe::parse("a.toml", text, &overrides).and_then(|recipe| Model::build(&recipe)) {
        Ok(_) => panic!("accepted: {text} {overrides:?}"),
        Err(error) => {
            assert_eq!(error.exit_status(), 2, "{error}");
            error.to_string()
        }
    }
}

/// Recipes whose second line on is `text`, and their errors.
#[track_caller]
fn all(preset: &str, cases: &[(&str, &str)]) {
    let wrong: Vec<String> = cases
        .iter()
        .map(|(text, want)| (want, error(&format!("preset = \"{preset}\"\n{text}"), &[])))
        .filter(|(want, found)| *want != found)
        .map(|(want, found)| format!("want:  {want}\nfound: {found}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn keys() {
    all(
        "paper",
        &[
            (
                "[encoder]\npatsh = 8",
                "a.toml:3: `encoder.patsh`: unknown key `patsh`; did you mean `patch`? (one of: depth, dim, drop_path, heads, init, mlp, norm, patch, rotary, size and 22 more)",
            ),
            (
                "[corrupton]\nkind = \"cell\"",
                "a.toml:2: `corrupton`: unknown key `corrupton`; did you mean `corruption`? (one of: corruption, data, encoder, init_from, noise, objective, precision, restoration, schedule, train and 7 more)",
            ),
            (
                "sed = 3",
                "a.toml:2: `sed`: unknown key `sed`; did you mean `seed`? (one of: data, encoder, eval, head, name, noise, objective, schedule, seed, train and 7 more)",
            ),
            (
                "encoder = 3",
                "a.toml:2: `encoder`: expected a table, found 3; write a table [encoder], or encoder = false to drop the preset's",
            ),
            ("[encoder\npatch = 8", "a.toml:2: unclosed table, expected `]`; fix the TOML"),
        ],
    );
}

#[test]
fn types_and_ranges() {
    all(
        "paper",
        &[
            (
                "[encoder]\npatch = \"8\"",
                "a.toml:3: `encoder.patch`: invalid type: string \"8\", expected usize (given: \"8\"); write a value like 16",
            ),
            (
                "[encoder]\npatch = 0",
                "a.toml:3: `encoder.patch`: 0 is out of range; choose a value in 1..=1024",
            ),
            (
                "[corruption]\nratio = 1.5",
                "a.toml:3: `corruption.ratio`: 1.5 is out of range; choose a value in 0.0..=1.0",
            ),
            (
                "[corruption]\nratio = nan",
                "a.toml:3: `corruption.ratio`: nan is out of range; choose a value in 0.0..=1.0",
            ),
            (
                "[train]\nbatch = -1",
                "a.toml:3: `train.batch`: invalid value: integer `-1`, expected usize (given: -1); write a value like 4096",
            ),
            (
                "[train]\nbatch = 4.5",
                "a.toml:3: `train.batch`: invalid type: floating point `4.5`, expected usize (given: 4.5); write a value like 4096",
            ),
            (
                "[optimizer]\nlr = \"fast\"",
                "a.toml:3: `optimizer.lr`: invalid type: string \"fast\", expected f64 (given: \"fast\"); write a value like 0.0001",
            ),
            (
                "[optimizer]\nbeta2 = 1.0",
                "a.toml:3: `optimizer.beta2`: 1.0 is out of range; choose a value in 0.0..=0.9999999",
            ),
            (
                "[schedule]\nshape = \"step\"",
                "a.toml:3: `schedule.shape`: unknown variant `step`, expected one of `cosine`, `multistep`, `constant` (given: \"step\"); write a value like \"cosine\"",
            ),
            (
                "[schedule]\nmilestones = 0.75",
                "a.toml:3: `schedule.milestones`: invalid type: floating point `0.75`, expected a sequence (given: 0.75); write a value like [0.75]",
            ),
            (
                "[data]\nimage_size = 0",
                "a.toml:3: `data.image_size`: 0 is out of range; choose a value in 1..=8192",
            ),
            (
                "[noise]\ncombination = \"conjuctive\"",
                "a.toml:3: `noise.combination`: unknown variant `conjuctive`, expected one of `conjunctive`, `substitutive`, `everything` (given: \"conjuctive\"); write a value like \"conjunctive\"",
            ),
            (
                "[noise]\nat = \"blok:2\"",
                "a.toml:3: `noise.at`: unknown injection point `blok:2`; write pixels, embedding or block:K (given: \"blok:2\"); write a value like \"block:2\"",
            ),
            (
                "[objective.masked]\ndistance = \"l3\"",
                "a.toml:3: `objective.masked.distance`: unknown variant `l3`, expected one of `l1`, `l2`, `smooth-l1`, `cosine` (given: \"l3\"); write a value like \"l1\"",
            ),
        ],
    );
}

#[test]
fn presets_and_kinds() {
    all(
        "papr",
        &[(
            "",
            "a.toml:1: `preset`: unknown preset `papr`; did you mean `paper`? (one of: can, dbot, diffmae, distill, mae, maskdit, maskfeat, paper, pixmim, simmim and 3 more)",
        )],
    );
    assert_eq!(
        error("preset = 3", &[]),
        "a.toml:1: `preset`: expected a preset's name, found 3; write preset = \"paper\""
    );
    all(
        "paper",
        &[
            (
                "[encoder]\nkind = \"vitt\"",
                "a.toml:3: `encoder.kind`: unknown encoder `vitt`; did you mean `vit`? (one of: vit)",
            ),
            (
                "[corruption]\nkind = \"sell\"",
                "a.toml:3: `corruption.kind`: unknown corruption `sell`; did you mean `cell`? (one of: block, cell, none, random)",
            ),
            (
                "[noise.law]\nkind = \"dpm\"",
                "a.toml:3: `noise.law.kind`: unknown noise law `dpm`; did you mean `ddpm`? (one of: constant, ddpm, uniform)",
            ),
            (
                "[objective.masked]\ntarget = { kind = \"pixel\" }",
                "a.toml:3: `objective.masked.target.kind`: unknown target `pixel`; did you mean `pixels`? (one of: features, hog, low-pass, noise, noised-pixels, normalized-low-pass, normalized-pixels, pixels)",
            ),
            (
                "[objective.masked]\nkind = \"reconstructon\"",
                "a.toml:3: `objective.masked.kind`: unknown objective `reconstructon`; did you mean `reconstruction`? (one of: disruption, reconstruction)",
            ),
            (
                "[objective.other]\non = \"masked\"",
                "a.toml:2: `objective.other`: has no `kind`; add kind = \"NAME\" to [objective.other]",
            ),
        ],
    );
    all(
        "simmim",
        &[(
            "[noise]\nat = \"pixels\"",
            "a.toml:2: `noise.law`: has no `kind`; add kind = \"NAME\" to [noise.law]",
        )],
    );
    for (text, want) in [
        (
            "seed = 1",
            "`objective`: the recipe has no objective; add a table [objective.NAME] with kind = \"reconstruction\"",
        ),
        (
            "[objective.a]\nkind = \"reconstruction\"",
            "`encoder`: has no `kind`; add kind = \"NAME\" to [encoder]",
        ),
        (
            "[encoder]\nkind = \"vit\"\n[objective.a]\nkind = \"reconstruction\"",
            "`restoration.decoder`: has no `kind`; add kind = \"NAME\" to [restoration.decoder]",
        ),
    ] {
        assert_eq!(error(text, &[]), want);
    }
}

#[test]
fn what_does_not_fit_together() {
    all(
        "paper",
        &[
            (
                "[encoder]\npatch = 13",
                "a.toml:3: `encoder.patch`: a patch of 13 px does not divide images of 224x224 px; choose encoder.patch among 2, 4, 7, 8, 14, 16, 28, 32, 56",
            ),
            (
                "[data]\nimage_size = 225",
                "preset paper:6: `encoder.patch`: a patch of 16 px does not divide images of 225x225 px; choose encoder.patch among 3, 5, 9, 15, 25, 45",
            ),
            (
                "[noise]\nat = \"block:12\"",
                "a.toml:3: `noise.at`: block 12 is not among the 12 blocks; choose block:0 to block:11",
            ),
            (
                "[noise]\nlaw = { kind = \"uniform\", min = 0.5, max = 0.1 }",
                "a.toml:3: `noise.law.min`: min 0.5 is above max 0.1; swap them",
            ),
            (
                "[noise.law]\nt_min = 1000",
                "a.toml:3: `noise.law.t_min`: t_min 1000 is above the last step 999; lower it",
            ),
            (
                "[train]\nbatch = 10\naccumulate = 4",
                "a.toml:4: `train.accumulate`: a batch of 10 can't be split in 4 equal parts; choose a divisor of train.batch",
            ),
            (
                "[data]\nchannels = 1",
                "a.toml:2: `data.mean`: 3 values for 1 channels; give one value, or one for each channel",
            ),
            ("[data]\nstd = [0.0]", "a.toml:3: `data.std`: a standard deviation must be above 0"),
        ],
    );
    all(
        "simmim",
        &[(
            "[objective.masked]\ntarget = { kind = \"noise\" }",
            "a.toml:2: `objective.masked`: its target is made of pixel noise, and the recipe has none; add a table [noise]",
        )],
    );
    all(
        "mae",
        &[
            (
                "[restoration]\ndecoder = { kind = \"linear\" }",
                "a.toml:3: `restoration.decoder.kind`: a linear head can't restore tokens that the encoder dropped; set restoration.style = \"encoder\" or kind = \"transformer\"",
            ),
            (
                "[restoration]\ndecoder = { kind = \"transformer\", dim = 10 }",
                "a.toml:3: `restoration.decoder.dim`: 16 heads and positions do not divide a width of 10; choose a width that is a multiple of 4 and of the heads",
            ),
            (
                "[restoration]\nstyle = \"encodr\"",
                "a.toml:3: `restoration.style`: unknown variant `encodr`, expected `encoder` or `decoder` (given: \"encodr\"); write a value like \"encoder\"",
            ),
        ],
    );
    all(
        "diffmae",
        &[
            (
                "[objective.masked]\non = \"all\"",
                "a.toml:2: `objective.masked`: looks at visible tokens, which this decoder doesn't restore; set on = \"masked\"",
            ),
            (
                "[restoration]\nstyle = \"encoder\"",
                "preset diffmae:15: `restoration.decoder.kind`: cross-attention restores tokens that the encoder dropped; set restoration.style = \"decoder\" or kind = \"linear\"",
            ),
            (
                "[noise]\nat = \"embedding\"",
                "a.toml:3: `noise.at`: an encoder that drops masked tokens can't noise them; set noise.at = \"pixels\" or restoration.style = \"encoder\"",
            ),
        ],
    );
}

#[test]
fn overrides() {
    for (overrides, want) in [
        (&["encoder.patch"][..], "`encoder.patch` is no override; write KEY=VALUE, as train.epochs=10"),
        (&["=3"], "`=3` has no key; write KEY=VALUE, as train.epochs=10"),
        (
            &["encoder.patch=13"],
            "override encoder.patch=13: `encoder.patch`: a patch of 13 px does not divide images of 224x224 px; choose encoder.patch among 2, 4, 7, 8, 14, 16, 28, 32, 56",
        ),
        (
            &["encoder.patch=x", "encoder.patch.y=1"],
            "`encoder.patch.y=1` goes through a value; override one or the other",
        ),
        (
            &["noise.at=block:13"],
            "override noise.at=block:13: `noise.at`: block 13 is not among the 12 blocks; choose block:0 to block:11",
        ),
    ] {
        assert_eq!(error("preset = \"paper\"", overrides), want);
    }
}

/// Mistakes that were told without their location, or with another's.
#[test]
fn places_that_were_missing_or_wrong() {
    all(
        "paper",
        &[
            (
                "[encoder]\nheads = 7",
                "a.toml:3: `encoder.heads`: 7 heads do not divide a width of 768; choose encoder.dim as a multiple of encoder.heads",
            ),
            (
                "[encoder]\nsize = \"bass\"",
                "a.toml:3: `encoder.size`: unknown size `bass`; did you mean `base`? (one of: base, huge, large, micro, nano, small, tiny)",
            ),
            (
                "[encoder]\ndim = 18\nheads = 2\nposition = \"sincos\"",
                "a.toml:5: `encoder.position`: sine-cosine positions don't fit a width of 18; choose encoder.dim as a multiple of 4",
            ),
            (
                "[corruption]\ncell = 24",
                "a.toml:3: `corruption.cell`: a cell of 24 px does not fit 224x224 px in patches of 16; choose corruption.cell among 16, 32, 112, 224",
            ),
            (
                "[corruption]\nkind = \"block\"\nmin_patches = 500",
                "a.toml:4: `corruption.min_patches`: blocks of 500 patches don't fit 196 tokens; lower corruption.min_patches",
            ),
            (
                "precision = \"f16\"",
                "a.toml:2: `precision`: unknown variant `f16`, expected `f32` or `bf16` (given: \"f16\"); write a value like \"f32\"",
            ),
            (
                "[objective.masked]\nhead = \"a\"\n[objective.visible]\nhead = \"a\"\ntarget = { kind = \"hog\" }",
                "a.toml:5: `objective.visible.head`: head `a` would need 768 and 108 values per token; name another head",
            ),
        ],
    );
    all(
        "mae",
        &[(
            "[encoder]\nrelative_bias = true",
            "a.toml:3: `encoder.relative_bias`: an encoder that drops tokens can't have a relative position bias; set encoder.relative_bias = false and encoder.position = \"sincos\"",
        )],
    );
}

/// Mistakes that only show when parts are put together. The help's wording is free; the place isn't.
#[test]
fn mistakes_across_tables() {
    for (preset, text, place) in [
        (
            "paper",
            "[objective.masked]\ntarget = { kind = \"hog\", cell = 5 }",
            "a.toml:3: `objective.masked.target",
        ),
        ("mae", "[objective.d]\nkind = \"disruption\"", "a.toml:3: `objective.d.kind`"),
        ("paper", "[objective.disruption]\nfirst_block = 12", "a.toml:3: `objective.disruption.first_block`"),
        ("paper", "[schedule]\nmilestones = [1.5]", "a.toml:3: `schedule.milestones`"),
        ("paper", "[data]\ncrop_scale = [1.0, 0.2]", "a.toml:3: `data.crop_scale`"),
        (
            "paper",
            "[noise]\nembedding = \"time\"\nlaw = { kind = \"constant\" }",
            "a.toml:3: `noise.embedding`",
        ),
    ] {
        let found = error(&format!("preset = \"{preset}\"\n{text}"), &[]);
        assert!(found.starts_with(place), "{found}");
    }
}
