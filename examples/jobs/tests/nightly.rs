//! The nightly job, run as a user runs it.

use std::process::Command;

use dspinlock_testkit::Server;

#[test]
fn one_of_five_schedulers_runs_the_job() {
    let server = Server::start();
    // Each run has a night of its own.
    for _ in 0..2 {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dspinlock-jobs"));
        let output = command.args(["--redis", &server.url()]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        assert!(text.ends_with("runs: 1, turned away: 5\n"), "{text}");
        assert!(text.contains("one that comes late  was turned away"), "{text}");
    }
}
