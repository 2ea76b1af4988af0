//! The built-in strategies. A new one is a new file here that registers itself.

automod::dir!(pub "src/corruption/strategy");
