//! The heads of detection: a detector each, with its settings. A new one is a new file here that registers itself.

automod::dir!(pub "src/detection/head");
