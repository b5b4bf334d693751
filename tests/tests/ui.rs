//! The compile errors of the attribute, with their text and place, and functions that need a crate of their own.
//!
//! The text depends on the compiler. After an update, run with `TRYBUILD=overwrite` and review the difference.

#[path = "ui_page/mod.rs"]
mod page;

#[test]
fn refusals() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    cases.compile_fail("tests/mistakes/*.rs");
    cases.pass("tests/ui/pass/*.rs");
}

#[test]
fn the_page_of_mistakes_is_true() {
    page::check();
}
