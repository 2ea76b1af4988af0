//! The page of several runs.

use super::html::{esc, note, page, section, table};
use super::load::Run;
use super::{curves, phases, recipe, results, samples, single};

/// The whole page.
pub(super) fn report(runs: &[Run]) -> String {
    page(&title(runs), &sections(runs).concat())
}

pub(super) fn title(runs: &[Run]) -> String {
    format!("Comparison of {} runs", runs.len())
}

/// What the page is made of.
pub(super) fn sections(runs: &[Run]) -> Vec<String> {
    let names = names(runs);
    // Escaped names with the colour of their curves, as heads of columns.
    let heads: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(i, name)| format!("<span class=\"key s{}\">{}</span>", i % 8, esc(name)))
        .collect();
    let title = title(runs);
    let mut sections = vec![format!(
        "<header>\n<p class=\"eyebrow\">Palimpsest runs</p>\n<h1>{title}</h1>\n<p class=\"title\">{}</p>\n{}</header>\n",
        esc(names.join(" · ")),
        overview(runs, &heads)
    )];
    sections.push(section(
        "Results",
        &format!("{}{}", results::of_runs(runs, &heads), grid(&results::compared(runs, &names))),
    ));
    sections.push(section("Recipe differences", &differences(runs, &heads)));
    let charts = curves::compared(runs, &names);
    let (wide, small): (Vec<_>, Vec<_>) = charts.into_iter().partition(|chart| chart.wide);
    let wide: String = wide.iter().map(|chart| chart.figure()).collect();
    sections.push(section("Training", &(wide + &grid(&small))));
    for (run, head) in runs.iter().zip(&heads) {
        let parts = [
            format!("<p class=\"title\">{}</p>\n", esc(recipe::recipe_title(&run.recipe))),
            phases::bar(run),
            samples::show(&run.samples),
            "<h3>Warnings</h3>\n".to_owned(),
            single::warnings(run),
            single::recipe_text(run),
            single::environment(run),
        ];
        sections.push(format!("<section>\n<h2>{head}</h2>\n{}</section>\n", parts.concat()));
    }
    sections
}

/// Names that tell the runs apart.
pub(super) fn names(runs: &[Run]) -> Vec<String> {
    let unique = |run: &Run| runs.iter().filter(|other| other.name == run.name).count() == 1;
    let name =
        |run: &Run| if unique(run) { run.name.clone() } else { format!("{} ({})", run.name, run.folder) };
    runs.iter().map(name).collect()
}

fn grid(charts: &[super::chart::Chart]) -> String {
    if charts.is_empty() {
        return String::new();
    }
    let figures: String = charts.iter().map(|chart| chart.figure()).collect();
    format!("<div class=\"charts\">\n{figures}</div>\n")
}

fn overview(runs: &[Run], heads: &[String]) -> String {
    let facts: Vec<Vec<(&'static str, String)>> = runs.iter().map(single::facts).collect();
    let rows: Vec<Vec<String>> = (0..facts[0].len())
        .map(|row| {
            let name = esc(facts[0][row].0);
            std::iter::once(name).chain(facts.iter().map(|run| esc(&run[row].1))).collect()
        })
        .collect();
    let head: Vec<String> = std::iter::once(String::new()).chain(heads.iter().cloned()).collect();
    table("plain", &head, &rows)
}

fn differences(runs: &[Run], heads: &[String]) -> String {
    let recipes: Vec<&toml::Table> = runs.iter().map(|run| &run.recipe).collect();
    let differences = recipe::differences(&recipes);
    if differences.is_empty() {
        return note("The recipes are the same, but for keys that leave the weights alone.");
    }
    let rows: Vec<Vec<String>> = differences
        .iter()
        .map(|(key, values)| {
            let key = format!("<code>{}</code>", esc(key));
            std::iter::once(key).chain(values.iter().map(esc)).collect()
        })
        .collect();
    let head: Vec<String> = std::iter::once("Key".to_owned()).chain(heads.iter().cloned()).collect();
    table("plain", &head, &rows)
}
