//! The built-in noise schedules. A new one is a new file here that registers itself.

automod::dir!(pub "src/corruption/noise/schedule");
