//! Sets for semantic segmentation, as their owners distribute them.

automod::dir!(pub "src/readers/segmentation");
