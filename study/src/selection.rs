//! Which cells a comparison means, and which of them belong together.

use std::collections::{BTreeMap, BTreeSet};

use palimpsest_core::error::unknown_name;
use palimpsest_core::{Error, Result};

use crate::axis::label;
use crate::file::{DeclaredInteraction, Selector};
use crate::plan::{Cell, Plan};

/// The selector's word for a grid's name.
const GRID: &str = "grid";

impl Plan {
    /// The cells that have all levels of a selector, by their places in [`Plan::cells`].
    ///
    /// # Errors
    /// An axis or a level that the study hasn't, or levels that no cell has together.
    pub fn selected(&self, selector: &Selector) -> Result<Vec<usize>> {
        for (axis, level) in selector {
            let level = label(level);
            let known: BTreeSet<&str> = match axis.as_str() {
                GRID => self.grids.iter().map(|grid| grid.name.as_str()).collect(),
                _ => self.levels_of(axis)?,
            };
            if !known.contains(level.as_str()) {
                return Err(unknown_name("level", &level, known).at(format!("axis `{axis}`")));
            }
        }
        let found: Vec<usize> =
            (0..self.cells.len()).filter(|&i| self.has(&self.cells[i], selector)).collect();
        if found.is_empty() {
            return Err(Error::user(format!("no cell has {}", told(selector)))
                .help("the levels of a selector are of one grid"));
        }
        Ok(found)
    }

    fn levels_of(&self, axis: &str) -> Result<BTreeSet<&str>> {
        let axes = || self.grids.iter().flat_map(|grid| &grid.axes);
        if !axes().any(|(name, _)| name == axis) {
            let names: BTreeSet<&str> = axes().map(|(name, _)| name.as_str()).chain([GRID]).collect();
            return Err(unknown_name("axis", axis, names));
        }
        Ok(axes()
            .filter(|(name, _)| name == axis)
            .flat_map(|(_, levels)| levels)
            .map(String::as_str)
            .collect())
    }

    fn has(&self, cell: &Cell, selector: &Selector) -> bool {
        selector.iter().all(|(axis, level)| {
            let level = label(level);
            match axis.as_str() {
                GRID => self.grids[cell.grid].name == level,
                axis => cell.levels.get(axis) == Some(&level),
            }
        })
    }

    /// Pairs of cells that differ in nothing but what `a` and `b` say, each once, in however many grids it is. One cell of each
    /// side is a pair whatever else differs: that is what was asked for.
    ///
    /// # Errors
    /// As [`Plan::selected`]; sides that leave it open which cells belong together, or that hold the same setting.
    pub fn pairs(&self, a: &Selector, b: &Selector) -> Result<Vec<[usize; 2]>> {
        let (left, right) =
            (self.selected(a).map_err(|e| e.at("`a`"))?, self.selected(b).map_err(|e| e.at("`b`"))?);
        let pairs = match (left.as_slice(), right.as_slice()) {
            ([left], [right]) => vec![[*left, *right]],
            _ => self.matched(a, b, &left, &right)?,
        };
        if let Some([i, _]) = pairs.iter().find(|[i, j]| self.is_same(*i, *j)) {
            return Err(Error::user(format!(
                "`a` and `b` are the same setting ({})",
                self.cell_name(&self.cells[*i])
            ))
            .help("let them differ in a level"));
        }
        let mut once: Vec<[usize; 2]> = vec![];
        for [i, j] in pairs {
            if !once.iter().any(|[k, l]| self.is_same(i, *k) && self.is_same(j, *l)) {
                once.push([i, j]);
            }
        }
        Ok(once)
    }

    /// Whether two cells are one setting, measured alike.
    fn is_same(&self, one: usize, other: usize) -> bool {
        let (one, other) = (&self.cells[one], &self.cells[other]);
        one.trials == other.trials && one.eval == other.eval
    }

    /// Each cell of the left side with the one of the right side that has the same levels on all other axes.
    fn matched(
        &self,
        a: &Selector,
        b: &Selector,
        left: &[usize],
        right: &[usize],
    ) -> Result<Vec<[usize; 2]>> {
        let named: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
        let rest = |cell: usize| -> BTreeMap<&String, &String> {
            self.cells[cell].levels.iter().filter(|(axis, _)| !named.contains(axis)).collect()
        };
        let across = named.iter().any(|axis| axis.as_str() == GRID);
        let belong =
            |i: usize, j: usize| (across || self.cells[j].grid == self.cells[i].grid) && rest(i) == rest(j);
        let ambiguous = |count: usize, of: &str, to: &str| {
            Err(Error::user(format!("{count} cells of `{of}` belong to one cell of `{to}`"))
                .help("name a level of every axis in which they differ"))
        };
        let mut pairs = vec![];
        let mut alone = vec![];
        for &i in left {
            let partners: Vec<usize> = right.iter().copied().filter(|&j| belong(i, j)).collect();
            match partners.as_slice() {
                [] => alone.push(i),
                [j] => pairs.push([i, *j]),
                several => return ambiguous(several.len(), "b", "a"),
            }
        }
        for &j in right {
            match left.iter().filter(|&&i| belong(i, j)).count() {
                0 => alone.push(j),
                1 => {}
                several => return ambiguous(several, "a", "b"),
            }
        }
        match alone.as_slice() {
            [] => Ok(pairs),
            [first, ..] => Err(Error::user(format!(
                "{} of the cells of `a` ({}) and `b` ({}) have none to be compared with, as {}",
                alone.len(),
                told(a),
                told(b),
                self.cell_name(&self.cells[*first])
            ))
            .help("name levels of one grid, and `grid` itself where several have the axis; or one cell of each side")),
        }
    }

    /// Squares of cells for an interaction: [first 0 and second 0, first 1 and second 0, first 0 and second 1, both 1].
    ///
    /// # Errors
    /// As [`Plan::pairs`].
    pub fn squares(&self, interaction: &DeclaredInteraction) -> Result<Vec<[usize; 4]>> {
        let both = |first: usize, second: usize| {
            let mut selector = interaction.first[first].clone();
            selector.extend(interaction.second[second].clone());
            selector
        };
        let of = |name: &'static str| move |e: Error| e.at(name);
        let bottom = self.pairs(&both(0, 0), &both(1, 0)).map_err(of("`first`"))?;
        let left = self.pairs(&both(0, 0), &both(0, 1)).map_err(of("`second`"))?;
        let right = self.pairs(&both(1, 0), &both(1, 1)).map_err(of("`second`"))?;
        let partner =
            |pairs: &[[usize; 2]], cell: usize| pairs.iter().find(|pair| pair[0] == cell).map(|pair| pair[1]);
        let squares: Vec<[usize; 4]> = bottom
            .iter()
            .filter_map(|&[a, b]| Some([a, b, partner(&left, a)?, partner(&right, b)?]))
            .collect();
        if squares.is_empty() {
            return Err(Error::user("no four cells have these levels and differ in nothing else")
                .help("an interaction needs a grid with both axes"));
        }
        Ok(squares)
    }
}

/// A selector in words: `noise = features, style = encoder`.
pub(crate) fn told(selector: &Selector) -> String {
    let levels: Vec<String> =
        selector.iter().map(|(axis, level)| format!("{axis} = {}", label(level))).collect();
    if levels.is_empty() { "any level".to_owned() } else { levels.join(", ") }
}
