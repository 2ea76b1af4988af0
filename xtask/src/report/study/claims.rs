//! What was claimed, and what holds.

use palimpsest_study::comparison::{ALPHA, Judged, Verdict};
use palimpsest_study::file::Expect;

use super::StudyPage;
use crate::report::html::{esc, note, table};
use crate::report::number::significant;

/// One line a claim, for the top of the page.
pub(super) fn verdicts(page: &StudyPage<'_>) -> String {
    let plan = page.plan;
    if plan.compare.is_empty() {
        return String::new();
    }
    let mut out = String::from("<ul class=\"claims\">\n");
    for (number, declared) in plan.compare.iter().enumerate() {
        let judged: Vec<&Judged> =
            page.results.comparisons.iter().filter(|one| one.comparison == number).collect();
        let (class, word) = overall(&judged);
        let by_measure: Vec<String> = judged.iter().map(|one| said(page, one)).collect();
        out.push_str(&format!(
            "<li><b class=\"claim {class}\">{word}</b> {}<br/><small>{}</small></li>\n",
            esc(&declared.name),
            by_measure.join(" · ")
        ));
    }
    out.push_str("</ul>\n");
    let tests = page.results.comparisons.len();
    let seeds = page.plan.seeds.len();
    let smallest = palimpsest_statistics::least_p(seeds, palimpsest_statistics::Sides::Two) * tests as f64;
    if smallest >= ALPHA {
        let tests = if tests == 1 { "one test".to_owned() } else { format!("{tests} tests") };
        out.push_str(&note(&format!(
            "{seeds} seeds can't confirm any of {tests}: p after the correction is {} at least.",
            significant(smallest.min(1.0), 2)
        )));
    }
    out
}

/// All measures of a claim in a word: it holds where one confirms it and none contradicts it.
fn overall(judged: &[&Judged]) -> (&'static str, &'static str) {
    let any = |verdict: Verdict| judged.iter().any(|one| one.verdict == verdict);
    let all = |verdict: Verdict| judged.iter().all(|one| one.verdict == verdict);
    match () {
        () if all(Verdict::Missing) => ("open", "not measured"),
        // A look at half time is no test: the more often one looks, the sooner chance confirms something.
        () if any(Verdict::Unfinished) || any(Verdict::Missing) => ("open", "not finished"),
        () if any(Verdict::Confirmed) && any(Verdict::Contradicted) => ("open", "divided"),
        () if all(Verdict::Confirmed) => ("yes", "confirmed"),
        () if any(Verdict::Confirmed) => ("yes", "confirmed in part"),
        () if all(Verdict::Contradicted) => ("no", "contradicted"),
        () if any(Verdict::Contradicted) => ("no", "contradicted in part"),
        () => ("open", "can't be said"),
    }
}

/// A measure of a claim: how much, how sure.
fn said(page: &StudyPage<'_>, one: &Judged) -> String {
    let measure = esc(&one.measure);
    let Some(test) = &one.test else { return format!("{measure}: not measured yet") };
    let place = page.measure(&one.measure);
    let shift = page.difference(place, test.shift);
    let interval = test.shift_interval.map_or_else(String::new, |range| {
        format!(
            " [{}, {}]{}",
            page.plain_difference(place, range.low),
            page.plain_difference(place, range.high),
            covered(test.coverage)
        )
    });
    let n = match page.plan.seeds.len() {
        all if all == test.n => String::new(),
        all => format!(", {} of {all} seeds", test.n),
    };
    format!("{measure} {}{interval}, p after Holm {}{n}", esc(shift), significant(test.p_holm, 2))
}

/// What an interval covers, where that is less than it should be: of so few seeds there is no wider one.
fn covered(coverage: Option<f64>) -> String {
    let less = coverage.filter(|coverage| *coverage < 0.95);
    less.map_or_else(String::new, |coverage| format!(" ({:.1} %)", 100.0 * coverage))
}

/// Every comparison with all of its figures.
pub(super) fn details(page: &StudyPage<'_>) -> String {
    if page.results.comparisons.is_empty() {
        return note(
            "The study declares no comparison: differences between its cells are no tests of a claim.",
        );
    }
    let head = [
        "Claim",
        "Measure",
        "Verdict",
        "Seeds",
        "Mean",
        "Shift",
        "Interval",
        "p",
        "p (Holm)",
        "P(improvement)",
    ];
    let rows: Vec<Vec<String>> = page
        .results
        .comparisons
        .iter()
        .map(|one| {
            let place = page.measure(&one.measure);
            let verdict = palimpsest_study::written::verdict(one.verdict).to_owned();
            let mut row = vec![esc(&one.name), esc(&one.measure), verdict, one.differences.len().to_string()];
            let Some(test) = &one.test else {
                row.extend(std::iter::repeat_n("–".to_owned(), 6));
                return row;
            };
            let covered = covered(test.coverage);
            row.push(esc(page.difference(place, test.mean)));
            row.push(esc(page.difference(place, test.shift)));
            row.push(test.shift_interval.map_or_else(
                || "–".to_owned(),
                |range| {
                    format!(
                        "{} to {}{covered}",
                        page.plain_difference(place, range.low),
                        page.plain_difference(place, range.high)
                    )
                },
            ));
            row.push(significant(test.p, 3));
            row.push(significant(test.p_holm, 3));
            row.push(format!("{:.2}", test.improvement));
            row
        })
        .collect();
    let least = page.results.comparisons.iter().filter_map(|one| one.test.as_ref()).map(|test| test.least_p);
    let least = least.fold(f64::NAN, f64::max);
    let mut out = table("plain", &head.map(str::to_owned), &rows);
    if least.is_finite() {
        out.push_str(&note(&format!(
            "So many paired seeds can reach p = {} at least, before the correction over {} tests.",
            significant(least, 3),
            page.results.comparisons.len()
        )));
    }
    out.push_str(&note(
        "p is of the mean difference, the shift a median that one odd seed moves little: where the two part, look at the seeds. \
         A verdict is confirmed or contradicted where p after Holm is below 0.05, once every seed is measured. The probability of improvement is that of a run \
         of the first side being above one of the second, over all pairs of seeds; above 0.75 is what many ask for.",
    ));
    out
}

/// When the comparisons were declared.
pub(super) fn declared(page: &StudyPage<'_>) -> String {
    let (before, after): (Vec<_>, Vec<_>) = page.plan.declared.iter().partition(|d| d.measured == 0);
    let mut out = match before.len() {
        1 => "1 comparison was declared before a trial was measured.".to_owned(),
        count => format!("{count} comparisons were declared before a trial was measured."),
    };
    for late in after {
        out += &format!(
            " \u{201c}{}\u{201d} was declared on {}, with {} trials measured.",
            late.comparison.name, late.date, late.measured
        );
    }
    for dropped in &page.plan.dropped {
        out += &format!(
            " \u{201c}{}\u{201d}, declared on {}, is no longer of the study, or by another figure or other seeds.",
            dropped.comparison.name, dropped.date
        );
    }
    let either = page.plan.compare.iter().filter(|declared| declared.expect == Expect::Different).count();
    if either > 0 {
        out += &format!(" {either} of them expect a difference in either direction.");
    }
    out
}
