//! The built-in decoders. A new one is a new file here that registers itself.

automod::dir!(pub "src/restoration/decoder");
