//! Intervals by a formula.

use palimpsest_statistics::{Accuracy, mean_interval};

use crate::comparison::Reference;

pub(crate) fn compare(reference: &Reference) {
    for case in reference.cases("mean_interval") {
        let got = mean_interval(&case.list("values"), case.number("level")).unwrap();
        case.equal("mean", got.mean);
        case.equal("deviation", got.deviation.unwrap());
        case.equal("low", got.interval.unwrap().low);
        case.equal("high", got.interval.unwrap().high);
    }
    for case in reference.cases("accuracy") {
        let accuracy = Accuracy { correct: case.whole("correct"), images: case.whole("images") };
        let got = accuracy.interval(case.number("level")).unwrap();
        case.equal("low", got.low);
        case.equal("high", got.high);
    }
}
