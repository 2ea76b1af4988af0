//! `run best`: the best runs of a folder by a number.

use palimpsest_core::{Error, Result};
use serde_json::json;

use crate::cli::BestRun;
use crate::output;
use crate::runs::{Listed, Order, Runs, select};

pub(super) fn run(args: &BestRun) -> Result<()> {
    let runs = Runs::of(&args.folder)?;
    if runs.runs.is_empty() {
        return Err(Error::user("there are no runs")
            .at(args.folder.display())
            .help("start one: cargo xtask pretrain"));
    }
    let chosen = select(&runs, &args.conditions.all, &[])?;
    let (mut best, without) = ranked(&runs, chosen, &args.by)?;
    if best.is_empty() {
        return Err(Error::user(format!("no run there has a number `{}`", args.by))
            .at(args.folder.display())
            .help("see cargo xtask run list"));
    }
    if without > 0 {
        output::note(&format!("note: {without} runs without `{}` are left out", args.by));
    }
    best.truncate(args.limit);
    if args.path {
        best.iter().for_each(|(run, _)| output::line(&run.overview.run));
        return Ok(());
    }
    if args.result.json {
        let line =
            |(run, value): &(&Listed, f64)| json!({ "run": run.overview.run, "by": args.by, "value": value });
        output::json(&best.iter().map(line).collect::<Vec<_>>());
        return Ok(());
    }
    let mut rows = vec![["run", "recipe", &args.by, "state"].map(str::to_owned).to_vec()];
    for (run, _) in best {
        let shown = runs.value(run, &args.by).map(|value| value.shown(&args.by)).unwrap_or_default();
        rows.push(vec![
            run.overview.run.clone(),
            run.overview.name.clone(),
            shown,
            run.overview.state.clone(),
        ]);
    }
    output::table(&rows);
    Ok(())
}

/// The runs that have a number of this key, the best first, and how many have none. The highest is best, of a loss the
/// lowest; equal ones stay in the order of their paths.
///
/// # Errors
/// A key that no run has.
pub(super) fn ranked<'a>(
    runs: &Runs,
    chosen: Vec<&'a Listed>,
    by: &str,
) -> Result<(Vec<(&'a Listed, f64)>, usize)> {
    // `--by knn:desc` is what one is used to write for `list`.
    let order: Order = by.parse().map_err(Error::user)?;
    runs.check(&order.key)?;
    let all = chosen.len();
    let mut ranked: Vec<(&Listed, f64)> =
        chosen.into_iter().filter_map(|run| Some((run, runs.value(run, &order.key)?.number()?))).collect();
    let lowest = order.key.ends_with("loss") || order.key.starts_with("loss");
    ranked.sort_by(|(_, a), (_, b)| if lowest { a.total_cmp(b) } else { b.total_cmp(a) });
    let without = all - ranked.len();
    Ok((ranked, without))
}
