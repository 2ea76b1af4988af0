//! Regression: numbers of an image as a whole. A new head is a new file here that registers itself.
//!
//! A function that returns a `Result` and says no more fails as the backend does.

automod::dir!(pub "src/regression");
