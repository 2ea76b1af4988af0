//! What a strategy says when it can't go on.

use std::fmt;

/// Who has to act on an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// A mistake that the user can fix (a parameter that doesn't fit the images).
    User,
    /// A failure at run time.
    Failure,
}

/// An error as the user reads it: `location: message; help`.
///
/// ```
/// use palimpsest_sdk::Error;
///
/// let error = Error::user("stripes of 7 patches do not fit a grid of 4 x 4")
///     .at("corruption.width")
///     .help("choose a width of 4 or less");
/// assert_eq!(
///     error.to_string(),
///     "corruption.width: stripes of 7 patches do not fit a grid of 4 x 4; choose a width of 4 or less"
/// );
/// ```
#[derive(Debug, Clone)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    location: Option<String>,
    help: Option<String>,
}

/// The result of everything that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A mistake that the user can fix. The driver ends with status 2.
    pub fn user(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::User, message: message.into(), location: None, help: None }
    }

    /// A failure that is not the user's. The driver ends with status 1.
    pub fn failure(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Failure, message: message.into(), location: None, help: None }
    }

    /// Names the key or file at fault. An outer place goes in front of an inner one.
    #[must_use]
    pub fn at(mut self, location: impl fmt::Display) -> Self {
        self.location = Some(match self.location {
            Some(inner) => format!("{location}: {inner}"),
            None => location.to_string(),
        });
        self
    }

    /// Says what would help. The first help is kept: whoever gave it knows most.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.get_or_insert_with(|| help.into());
        self
    }

    /// The former name of [`Error::help`].
    #[deprecated(note = "renamed to `help`")]
    #[must_use]
    pub fn mend(self, help: impl Into<String>) -> Self {
        self.help(help)
    }

    /// Who has to act.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The message without location and help.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The key or file at fault, if one is known.
    pub fn location(&self) -> Option<&str> {
        self.location.as_deref()
    }

    /// The former name of [`Error::location`].
    #[deprecated(note = "renamed to `location`")]
    pub fn place(&self) -> Option<&str> {
        self.location()
    }

    /// What would help, if that is known.
    pub fn help_text(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The former name of [`Error::help_text`].
    #[deprecated(note = "renamed to `help_text`")]
    pub fn remedy(&self) -> Option<&str> {
        self.help_text()
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
