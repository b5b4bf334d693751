//! What `LockKey` and its derive refuse, with the messages.

#[test]
fn refusals_name_the_reason_at_the_right_token() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/lock_key_ui/*.rs");
}
