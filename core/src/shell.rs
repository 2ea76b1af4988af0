//! Words of a command as a shell takes them: what a message offers can be copied as it stands.

/// A word in quotes, where a shell would read something else without.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Words with a space before each, to be put behind a command.
pub fn with_words<S: AsRef<str>>(words: &[S]) -> String {
    words.iter().map(|word| format!(" {}", quoted(word.as_ref()))).collect()
}

#[cfg(test)]
mod tests {
    use super::{quoted, with_words};

    /// What `shlex.quote` of Python gives, but for letters of other languages, which need none.
    #[test]
    fn a_shell_reads_one_word() {
        for (word, want) in [
            ("data.path=a/b-c_1.tar", "data.path=a/b-c_1.tar"),
            ("data.path=été", "data.path=été"),
            ("a b", "'a b'"),
            ("", "''"),
            ("it's", r"'it'\''s'"),
            ("data.classes=[\"x\"]", "'data.classes=[\"x\"]'"),
            ("$HOME/*.tar", "'$HOME/*.tar'"),
        ] {
            assert_eq!(quoted(word), want);
        }
        assert_eq!(with_words(&["a", "b c"]), " a 'b c'");
        assert_eq!(with_words::<&str>(&[]), "");
    }
}
