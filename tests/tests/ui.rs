//! What the attribute refuses, with the message and the position of each error, and shapes that need a crate of their own.
//!
//! The messages are those of the current compiler. After an update of it, `TRYBUILD=overwrite` writes the new ones; read the
//! difference.

#[test]
fn refusals() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    cases.pass("tests/ui/pass/*.rs");
}
