//! Sets for fine-grained classification, as their owners distribute them.

automod::dir!(pub "src/readers/fine_grained");
