//! What the attribute refuses, with the words and the place of each refusal, and shapes that need a crate of their own.
//!
//! The words are those of the compiler in use; after an update of it, `TRYBUILD=overwrite` writes them anew, and the
//! difference wants to be read.

#[test]
fn refusals() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    cases.pass("tests/ui/pass/*.rs");
}
