use palimpsest_sdk::prelude::*;

#[derive(Parameters)]
struct Mask {
    #[param(default = 0.5)]
    ratio: f64,
    /// A number.
    width: usize,
    /// The recipe's own.
    #[param(default = "pixels")]
    at: String,
}

fn main() {}
