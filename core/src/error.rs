//! One error type: a sentence with the location, the offending value and the help.

use std::fmt;

/// Who has to act on an error; it decides the driver's exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// A mistake that the user can fix (a wrong key, a missing file). Exit status 2.
    User,
    /// A failure at run time (a diverged loss, a full disk, a backend's fault). Exit status 1.
    Failure,
    /// The user, or a batch system, asked to stop. Exit status 130, unless the program knows which signal it was.
    Interrupted,
    /// Another process of the run failed, or is gone. Exit status 3.
    Lost,
}

/// An error as the user reads it: `location: message; help`.
#[derive(Debug, Clone)]
pub struct Error {
    kind: ErrorKind,
    location: Option<String>,
    message: String,
    help: Option<String>,
    key: Option<&'static str>,
    of_all: bool,
    saved: bool,
}

const DISK_FULL: &str = "the disk is full";

/// The result of everything fallible in this workspace.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A mistake that the user can fix.
    pub fn user(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::User, message)
    }

    /// A failure that is not the user's.
    pub fn failure(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Failure, message)
    }

    /// The user interrupted the work.
    pub fn interrupted(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Interrupted, message)
    }

    /// Another process of the run failed, or is gone.
    pub fn lost(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Lost, message)
    }

    /// Every process of the run has this error, and ends with it: it's told once, and nobody is lost.
    #[must_use]
    pub fn of_all(self) -> Self {
        Self { of_all: true, ..self }
    }

    /// Whether every process of the run has it.
    pub fn is_of_all(&self) -> bool {
        self.of_all
    }

    /// What was done so far is kept, and the same command goes on from there.
    #[must_use]
    pub fn saved(self) -> Self {
        Self { saved: true, ..self }
    }

    /// Whether what was done so far is kept.
    pub fn is_saved(&self) -> bool {
        self.saved
    }

    fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { kind, location: None, message, help: None, key: None, of_all: false, saved: false }
    }

    /// Names the file, line or key. The outermost caller that knows a location adds it in front.
    #[must_use]
    pub fn at(mut self, location: impl fmt::Display) -> Self {
        self.location = Some(match self.location {
            Some(inner) => format!("{location}: {inner}"),
            None => location.to_string(),
        });
        self
    }

    /// Names the key of a recipe's table that is at fault; whoever knows the table makes it a location
    /// with [`Error::locate`].
    #[must_use]
    pub fn about(mut self, key: &'static str) -> Self {
        self.key = Some(key);
        self
    }

    /// Makes the key at fault a location; an error without one is left alone.
    #[must_use]
    pub fn locate(mut self, location: impl FnOnce(&str) -> String) -> Self {
        match self.key.take() {
            Some(key) => self.at(location(key)),
            None => self,
        }
    }

    /// Says what would help. The innermost help is kept: it knows most.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.get_or_insert_with(|| help.into());
        self
    }

    /// Says what would help, in place of what was said.
    #[must_use]
    pub fn help_instead(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// Says what helps after a full disk, where that is not to start the command again.
    #[must_use]
    pub fn when_full(self, help: impl FnOnce() -> String) -> Self {
        if self.message == DISK_FULL { Self { help: Some(help()), ..self } } else { self }
    }

    /// Who has to act.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The message without location and help.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The file, line or key, if one is known.
    pub fn location(&self) -> Option<&str> {
        self.location.as_deref()
    }

    /// What would help, if that is known.
    pub fn help_text(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The driver's exit status: 2 for a user's mistake, 1 for a failure, 130 for an interrupt, 3 where another process of
    /// the run is lost.
    pub fn exit_status(&self) -> u8 {
        match self.kind {
            ErrorKind::User => 2,
            ErrorKind::Failure => 1,
            ErrorKind::Interrupted => 130,
            ErrorKind::Lost => 3,
        }
    }

    /// An input/output error on `path`. What the user can fix (a missing file, a read-only
    /// folder) is told apart from what they can't have foreseen (a full disk).
    pub fn io(path: impl AsRef<std::path::Path>, error: &std::io::Error) -> Self {
        use std::io::ErrorKind as Io;
        let location = path.as_ref().display().to_string();
        match error.kind() {
            Io::NotFound => Self::user("no such file or folder").help("check the path"),
            Io::PermissionDenied | Io::ReadOnlyFilesystem => {
                Self::user("permission denied").help("choose a path that this user may read and write")
            }
            Io::StorageFull | Io::QuotaExceeded => {
                Self::failure(DISK_FULL).help("free some space, then start the command again")
            }
            _ => Self::failure(error.to_string()),
        }
        .at(location)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(location) = &self.location {
            write!(f, "{location}: ")?;
        }
        f.write_str(&self.message)?;
        if let Some(help) = &self.help {
            write!(f, "; {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// The name among `known` that is nearest to `given`, if any is near enough to be meant.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(given, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.len().max(given.len()) / 3)
        .min()
        .map(|(_, name)| name)
}

/// Names that an error lists at most.
const LISTED: usize = 10;

/// The first names of a list, and how many more there are.
pub fn listed<T: AsRef<str>>(names: &[T]) -> String {
    let shown: Vec<&str> = names.iter().take(LISTED).map(AsRef::as_ref).collect();
    match names.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// An unknown name, with the nearest valid one and the list of them: of a long one, the names that are nearest.
pub fn unknown_name<'a>(what: &str, given: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Error {
    let mut names: Vec<_> = known.clone().into_iter().collect();
    names.sort_by_key(|name| (strsim::damerau_levenshtein(given, name), *name));
    let shown = names.len().min(LISTED);
    names[..shown].sort_unstable();
    let list = listed(&names);
    let error = Error::user(format!("unknown {what} `{given}`"));
    match nearest(given, known) {
        Some(name) => error.help(format!("did you mean `{name}`? (one of: {list})")),
        None if list.is_empty() => error.help("leave it out: there are none"),
        None => error.help(format!("use one of: {list}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_has_place_value_and_help() {
        let error = unknown_name("mask", "rndom", ["random", "block"]).at("a.toml:3");
        assert_eq!(
            error.to_string(),
            "a.toml:3: unknown mask `rndom`; did you mean `random`? (one of: block, random)"
        );
        assert_eq!(error.exit_status(), 2);
    }

    #[test]
    fn a_long_list_is_cut_to_the_nearest_names() {
        let names: Vec<String> = (0..40).map(|i| format!("a-name-{i:02}")).collect();
        let text = unknown_name("mask", "a-name-39x", names.iter().map(String::as_str)).to_string();
        assert!(text.starts_with("unknown mask `a-name-39x`; did you mean `a-name-39`? (one of: "), "{text}");
        assert!(text.contains("a-name-39 and 30 more)"), "{text}");
        assert_eq!(text.matches("a-name-").count(), 12, "{text}");
    }

    #[test]
    fn a_full_disk_is_told_with_what_fits_the_command() {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let error = Error::io("out/model.safetensors", &full);
        let again = "out/model.safetensors: the disk is full; free some space, then start the command again";
        assert_eq!((error.to_string().as_str(), error.exit_status()), (again, 1));
        let resumed = error.when_full(|| "resume it".to_owned()).to_string();
        assert_eq!(resumed, "out/model.safetensors: the disk is full; resume it");
        let other = Error::failure("a loss").help("lower it").when_full(|| "resume it".to_owned());
        assert_eq!(other.to_string(), "a loss; lower it");
    }

    #[test]
    fn far_names_are_not_guessed() {
        assert_eq!(nearest("zebra", ["random", "block"]), None);
    }
}
