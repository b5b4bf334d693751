//! Tests that need a process of their own: for global state, and for what would end the process.

use dspinlock_testkit::{Child, Ended, this_program};
use std::ffi::OsString;
use std::time::Duration;

/// Set in the child process.
const ROLE: &str = "DSPINLOCK_TESTS_ROLE";

/// A test that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs the test `name` of this binary in a process of its own, with `variable` set to `value` or unset, and returns its
/// standard error. In that process it returns `None`.
///
/// # Panics
/// If the test fails there.
pub fn alone(name: &str, variable: &str, value: Option<OsString>) -> Option<String> {
    if std::env::var_os(ROLE).is_some() {
        return None;
    }
    let ended = in_a_process(name, &[(ROLE, Some("child".into())), (variable, value)]);
    assert!(ended.status.success() && ended.output.contains("1 passed"), "{ended}");
    Some(ended.errors)
}

/// Runs the test `name` of this binary in a process of its own, with these variables set or unset.
///
/// # Panics
/// If the process does not end in time.
pub fn in_a_process(name: &str, variables: &[(&str, Option<OsString>)]) -> Ended {
    let mut command = this_program();
    command.args(["--exact", name, "--nocapture"]);
    for (variable, value) in variables {
        match value {
            Some(value) => command.env(variable, value),
            None => command.env_remove(variable),
        };
    }
    let mut child = Child::start(&mut command).expect("this program starts again");
    drop(child.take_input());
    child.wait(LIMIT).unwrap_or_else(|error| panic!("{name}: {error}"))
}
