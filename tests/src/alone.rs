//! Cases that need a process of their own: for what a process has only one of, and for what would end it.

use std::ffi::OsString;
use std::process::Command;

/// Set in the process that a case runs in.
const ROLE: &str = "DSPINLOCK_TESTS_ROLE";

/// Runs the test `name` of this binary again, in a process of its own with `variable` as given, and gives what that wrote
/// to its standard error; nothing if this is that process.
///
/// # Panics
/// If the case fails there.
pub fn alone(name: &str, variable: &str, value: Option<OsString>) -> Option<String> {
    if std::env::var_os(ROLE).is_some() {
        return None;
    }
    let mut again = Command::new(std::env::current_exe().expect("the path of this binary"));
    again.args(["--exact", name, "--nocapture"]).env(ROLE, "child");
    match value {
        Some(value) => again.env(variable, value),
        None => again.env_remove(variable),
    };
    let output = again.output().expect("this binary starts again");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{errors}");
    Some(errors.into_owned())
}
