//! The built-in targets. A new one is a new file here that registers itself.

automod::dir!(pub "src/target/kind");
