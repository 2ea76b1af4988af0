
# cargo's own completion asks this function about `cargo xtask …`.
_cargo-xtask() {
    _palimpsest "$@"
}
