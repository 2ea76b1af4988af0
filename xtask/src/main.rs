//! `cargo xtask`.

fn main() -> std::process::ExitCode {
    palimpsest::main()
}
