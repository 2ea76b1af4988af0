//! Sizes of effects, and what varies.

use palimpsest_statistics::{
    Cells, Draws, Scores, hodges_lehmann, interquartile_mean, mean_improvement, rank_correlation,
    variance_components,
};

use crate::comparison::Reference;

pub(crate) fn compare(reference: &Reference) {
    for case in reference.cases("hodges_lehmann") {
        let level = case.number("level");
        let got = hodges_lehmann(&case.list("differences"), level).unwrap();
        case.equal("shift", got.shift);
        let got = got.interval.unwrap();
        case.equal("low", got.interval.low);
        case.equal("high", got.interval.high);
        case.equal("coverage", got.coverage);
        assert_eq!(got.reached, case.number("coverage") >= level);
    }
    for case in reference.cases("interquartile_mean") {
        case.equal("mean", interquartile_mean(&case.list("values")).unwrap());
    }
    for case in reference.cases("improvement") {
        let (candidate, baseline) = (case.lists("candidate"), case.lists("baseline"));
        let tasks: Vec<_> = candidate
            .iter()
            .zip(&baseline)
            .map(|(candidate, baseline)| Scores { candidate, baseline })
            .collect();
        case.equal("mean", mean_improvement(&tasks).unwrap());
        if case.has("paired") {
            let paired: Vec<f64> = tasks.iter().map(|task| task.paired_improvement().unwrap()).collect();
            case.all_equal("paired", &paired);
        }
    }
    for case in reference.cases("variance_components") {
        let got = variance_components(&case.lists("groups")).unwrap();
        case.equal("within", got.within);
        case.equal("between", got.between);
        case.equal("between_uncut", got.between_uncut);
        case.equal("group_size", got.group_size);
        let sum = case.number("between") + case.number("within");
        assert!((got.share_between.unwrap() - case.number("between") / sum).abs() < 1e-9);
        if case.has("reml") {
            // An optimiser stopped there.
            for (got, want) in [got.within, got.between].into_iter().zip(case.list("reml")) {
                assert!((got - want).abs() < 1e-3 * sum, "{got}, not REML's {want}");
            }
        }
    }
    for case in reference.cases("interaction") {
        let [neither, first, second, both] = ["neither", "first", "second", "both"].map(|key| case.list(key));
        let cells = Cells { neither: &neither, first: &first, second: &second, both: &both };
        let by_seed = cells.interaction().unwrap();
        case.all_equal("by_seed", &by_seed);
        case.equal("coefficient", by_seed.iter().sum::<f64>() / by_seed.len() as f64);
    }
    for case in reference.cases("rank_correlation") {
        let draws = Draws::default();
        let got = rank_correlation(&case.list("x"), &case.list("y"), draws).unwrap().unwrap();
        case.equal("rho", got.rho);
        if case.has("p") {
            // Five standard errors of so many draws, and the one that is added.
            let (p, count) = (case.number("p"), f64::from(draws.count));
            let error = 5.0 * (p * (1.0 - p) / count).sqrt() + 1.0 / count;
            assert!((got.p - p).abs() <= error, "{}, not {p}", got.p);
        }
    }
}
