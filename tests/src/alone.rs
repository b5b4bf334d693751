//! Cases that need a process of their own: for what a process has only one of, and for what would end it.

use std::ffi::OsString;
use std::process::Command;

/// Set in the process that a case runs in.
const ROLE: &str = "DSPINLOCK_TESTS_ROLE";

/// Whether this is the process of one's own in which the test `name` runs, with the variable as given. If it is not,
/// starts that process and waits for it.
///
/// # Panics
/// If the case fails there.
pub fn alone(name: &str, variable: &str, value: Option<OsString>) -> bool {
    if std::env::var_os(ROLE).is_some() {
        return true;
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
    false
}
