use palimpsest_sdk::prelude::*;

#[derive(Parameters)]
struct Mask {
    /// A share.
    #[param(default = 0.5, range = 0.0..1.0)]
    ratio: f64,
    /// A name.
    #[param(default = "a", range = 0..=1)]
    name: String,
    /// A choice.
    #[param(default = "c", choices = ["a", "b"])]
    choice: String,
    /// Misspelt.
    #[param(defalt = 1)]
    width: usize,
}

#[derive(Parameters)]
struct Other {
    /// A share.
    #[param(default = 1.5, range = 0.0..=1.0)]
    ratio: f64,
}

fn main() {}
