//! p-values.

use palimpsest_statistics::{Draws, EXACT_LIMIT, Patterns, Scores, SignFlip, holm, sign_flip};

use crate::comparison::{Case, Reference};

pub(crate) fn compare(reference: &Reference) {
    for case in reference.cases("sign_flip") {
        let differences = if case.has("differences") {
            case.list("differences")
        } else {
            let (candidate, baseline) = (case.list("candidate"), case.list("baseline"));
            Scores { candidate: &candidate, baseline: &baseline }.differences().unwrap()
        };
        let got = sign_flip(&differences, Draws::default()).unwrap();
        assert_eq!(got.patterns, Patterns::All(1 << differences.len()));
        case.equal("mean", got.mean);
        p_values(case, got, 1e-9);
    }
    for case in reference.cases("sign_flip_drawn") {
        let draws = Draws { count: case.whole("count") as u32, seed: case.whole("seed") };
        let got = sign_flip(&case.list("differences"), draws).unwrap();
        assert_eq!(got.patterns, Patterns::Drawn(draws.count));
        p_values(case, got, 1e-9);
    }
    for case in reference.cases("sign_flip_estimated") {
        let differences = case.list("differences");
        assert!(differences.len() > EXACT_LIMIT);
        let draws = Draws { count: 20_000, seed: 3 };
        // Five standard errors of a share of 20,000 draws, at most sqrt(1/4 / 20,000) each.
        p_values(case, sign_flip(&differences, draws).unwrap(), 5.0 * 0.5 / f64::from(draws.count).sqrt());
    }
    for case in reference.cases("holm") {
        case.all_equal("adjusted", &holm(&case.list("p")).unwrap());
    }
}

#[track_caller]
fn p_values(case: Case<'_>, got: SignFlip, tolerance: f64) {
    case.near("two_sided", got.two_sided, tolerance);
    case.near("greater", got.greater, tolerance);
    case.near("less", got.less, tolerance);
}
