//! The built-in objectives. A new one is a new file here that registers itself.

automod::dir!(pub "src/objective/kind");
