//! What the compiler says of mistakes. `TRYBUILD=overwrite` writes it anew.

#[test]
fn mistakes_are_told() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
