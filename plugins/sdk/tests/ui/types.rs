use palimpsest_sdk::prelude::*;

#[derive(Parameters)]
struct Unnamed(f64);

#[derive(Parameters)]
enum Law {
    Linear,
}

#[derive(Clone, Copy, Choice)]
enum Level {
    Constant(f64),
}

fn main() {}
