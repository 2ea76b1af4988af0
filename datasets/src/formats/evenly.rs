//! A few of many, drawn evenly: what is looked at when data are opened.

/// How many files are looked at.
pub(crate) const MOST: usize = 200;

/// Up to [`MOST`] positions of `count`, spread evenly over them.
pub(crate) fn evenly(count: usize) -> Vec<usize> {
    let looked_at = count.min(MOST);
    (0..looked_at).map(|i| i * count / looked_at).collect()
}

/// How many of how many, in words: `12 maps`, or `200 of 5000 maps, drawn evenly,`.
pub(crate) fn of_all(count: usize, what: &str) -> String {
    if count <= MOST { format!("{count} {what}") } else { format!("{MOST} of {count} {what}, drawn evenly,") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_all_and_many_are_spread() {
        assert_eq!(evenly(0), [0; 0]);
        assert_eq!(evenly(3), [0, 1, 2]);
        let drawn = evenly(1000);
        assert_eq!((drawn.len(), drawn[1], drawn[199]), (200, 5, 995));
    }
}
