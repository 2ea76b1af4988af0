//! Task heads.
