//! Text of others in messages.

/// A text on one line and not too long, as messages show it.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 200;
    let mut start: String = text.chars().take(MOST).flat_map(char::escape_debug).collect();
    if text.chars().nth(MOST).is_some() {
        start.push('…');
    }
    start.replace("\\\"", "\"").replace("\\'", "'")
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn one_line() {
        assert_eq!(shown("a\nb \"ü\" 'x'"), "a\\nb \"ü\" 'x'");
        assert_eq!(shown(&"x".repeat(300)).chars().count(), 201);
    }
}
