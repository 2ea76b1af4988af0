//! What a strategy says when it can't go on.

use std::fmt;

/// Who has to act on an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// A mistake that the user can mend (a parameter that doesn't fit the images).
    User,
    /// A failure at run time.
    Failure,
}

/// An error as the user reads it: `place: message; mend`.
///
/// ```
/// use palimpsest_sdk::Error;
///
/// let error = Error::user("stripes of 7 patches do not fit a grid of 4 x 4")
///     .at("corruption.width")
///     .mend("choose a width of 4 or less");
/// assert_eq!(
///     error.to_string(),
///     "corruption.width: stripes of 7 patches do not fit a grid of 4 x 4; choose a width of 4 or less"
/// );
/// ```
#[derive(Debug, Clone)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    place: Option<String>,
    mend: Option<String>,
}

/// The result of everything that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A mistake that the user can mend. The driver ends with status 2.
    pub fn user(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::User, message: message.into(), place: None, mend: None }
    }

    /// A failure that is not the user's. The driver ends with status 1.
    pub fn failure(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Failure, message: message.into(), place: None, mend: None }
    }

    /// Names the key or file at fault. An outer place goes in front of an inner one.
    #[must_use]
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.place = Some(match self.place {
            Some(inner) => format!("{place}: {inner}"),
            None => place.to_string(),
        });
        self
    }

    /// Says what would mend it. The first mend is kept: whoever gave it knows most.
    #[must_use]
    pub fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend.get_or_insert_with(|| mend.into());
        self
    }

    /// Who has to act.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The message without place and mend.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The key or file at fault, if one is known.
    pub fn place(&self) -> Option<&str> {
        self.place.as_deref()
    }

    /// What would mend it, if that is known.
    pub fn remedy(&self) -> Option<&str> {
        self.mend.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.message)?;
        if let Some(mend) = &self.mend {
            write!(f, "; {mend}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
