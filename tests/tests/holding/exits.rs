//! Processes that end while they hold locks give them back, so that no caller waits for the leases.

use dspinlock::Client;
use dspinlock_testkit::{Child, Server};
use std::process::Command;
use std::time::Duration;

/// How many processes end in each way.
const RUNS: usize = 20;

/// A drop that took longer may have given up waiting, and proves nothing.
const IN_TIME: Duration = Duration::from_millis(45);

/// What a process has left behind.
struct Ended {
    left: usize,
    /// How long the drop took, if the process could say.
    dropping: Option<Duration>,
}

/// Has a process end in this way while it holds `locks` locks.
fn end(server: &Server, client: &Client, way: &str, run: usize, locks: usize) -> Ended {
    let keys: Vec<String> = (0..locks).map(|n| format!("{way} {run} {n}")).collect();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ends"));
    command.arg(way).args(&keys).env("DSPINLOCK_URL", server.url()).env("SL_LOG_ENABLED", "1");
    let ended = Child::start(&mut command).unwrap().wait(Duration::from_secs(60)).unwrap();
    let left =
        keys.iter().filter(|key| client.lock(key.as_str()).inspect_blocking().unwrap().is_some()).count();
    let errors = ended.errors;
    assert!(!errors.contains("could not"), "{way}: {errors}");
    assert!(!errors.contains("not held") && !errors.contains("there is no way"), "{way}: {errors}");
    let dropping = ended.output.trim().parse().ok().map(Duration::from_micros);
    Ended { left, dropping }
}

/// The drop waits for the server's reply, so this does not depend on timing.
#[test]
fn a_process_that_ends_early_leaves_no_lock_behind() {
    let server = Server::start();
    let client = Client::from_url(&server.url()).unwrap();
    for way in ["return", "panic", "thread", "annotated panic", "after a runtime"] {
        let mut late = 0;
        for run in 0..RUNS {
            let locks = if run % 5 == 4 && way != "annotated panic" { 20 } else { 1 };
            let ended = end(&server, &client, way, run, locks);
            let dropping =
                ended.dropping.unwrap_or_else(|| panic!("{way}: the process ended before the drop"));
            if dropping < IN_TIME {
                assert_eq!(ended.left, 0, "{way}, run {run}: dropping took {dropping:?}");
            } else {
                late += 1;
            }
        }
        assert!(late < RUNS, "{way}: no process was in time");
        println!(
            "{way}: none of {} processes has left a lock behind; {late} were too slow to say",
            RUNS - late
        );
    }
}

/// The call returns only after the server has answered, however long that takes.
#[test]
fn a_process_that_ends_after_an_annotated_call_leaves_no_lock_behind() {
    let server = Server::start();
    let client = Client::from_url(&server.url()).unwrap();
    for way in ["annotated", "annotated in a runtime"] {
        for run in 0..RUNS {
            assert_eq!(end(&server, &client, way, run, 1).left, 0, "{way}, run {run}");
        }
    }
}

/// On a runtime's thread a drop must not wait, so some locks may be left to their leases. This prints how many.
#[test]
fn a_process_that_drops_its_locks_on_a_runtime_logs_no_error() {
    let server = Server::start();
    let client = Client::from_url(&server.url()).unwrap();
    let ways = [
        "in a runtime",
        "in a runtime of threads",
        "cancelled release",
        "panic in a runtime",
        "tasks of a runtime",
        "thread local",
    ];
    for way in ways {
        let left: usize = (0..RUNS).map(|run| end(&server, &client, way, run, 1).left).sum();
        println!("{way}: {left} of {RUNS} processes have left a lock behind");
    }
}
