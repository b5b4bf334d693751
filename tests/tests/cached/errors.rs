//! Failures: waiters get them, and with `err_expire` all callers do for a while.

use std::fmt;
use std::thread;
use std::time::Duration;

use dspinlock::{Client, Error, ErrorKind, dspinlock};

use crate::support::{AppError, Body, Rig, Runs, rigs, signals};

#[dspinlock(client = client, key = (), cached(err_expire = "1s"))]
fn remembered(client: &Client, runs: &Runs) -> Result<u32, AppError> {
    runs.run()
}

/// Has no `Display`.
#[derive(Debug)]
enum Debugged {
    Lock(Error),
    Broken { part: u32 },
}

impl From<Error> for Debugged {
    fn from(error: Error) -> Self {
        Self::Lock(error)
    }
}

/// Has neither `Display` nor `Debug`.
struct Silent(Option<Error>);

impl From<Error> for Silent {
    fn from(error: Error) -> Self {
        Self(Some(error))
    }
}

/// Its alternate form says more, as that of errors with causes does.
#[derive(Debug)]
struct Chained(Option<Error>);

impl From<Error> for Chained {
    fn from(error: Error) -> Self {
        Self(Some(error))
    }
}

impl fmt::Display for Chained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if f.alternate() { "no report: no disk" } else { "no report" })
    }
}

#[dspinlock(client = client, key = (), namespace = "a lock of two", cached(err_expire = "10m"))]
fn fails_for_long(client: &Client) -> Result<u32, AppError> {
    Err(AppError::Own("the disk is full".into()))
}

#[dspinlock(client = client, key = (), namespace = "a lock of two", cached)]
fn shares_the_lock(client: &Client) -> Result<u32, AppError> {
    Ok(7)
}

/// Functions that share a namespace share the lock, and not the failures.
#[test]
fn a_failure_is_not_shared_with_a_function_that_shares_the_lock() {
    for rig in rigs() {
        for client in [&rig.ours, &rig.theirs] {
            assert!(fails_for_long(client).is_err());
        }
        for client in [&rig.theirs, &rig.ours] {
            assert_eq!(shares_the_lock(client).unwrap(), 7);
        }
    }
}

#[dspinlock(client = client, key = (), cached, sleep = "20ms")]
fn displayed(client: &Client, body: &Body) -> Result<u32, AppError> {
    body.wait();
    Err(AppError::Own("the disk is full".into()))
}

#[dspinlock(client = client, key = (), cached, sleep = "20ms")]
fn debugged(client: &Client, body: &Body) -> Result<u32, Debugged> {
    body.wait();
    Err(Debugged::Broken { part: 7 })
}

#[dspinlock(client = client, key = (), cached, sleep = "20ms")]
fn silent(client: &Client, body: &Body) -> Result<(), Silent> {
    body.wait();
    Err(Silent(None))
}

#[dspinlock(client = client, key = (), cached, sleep = "20ms")]
fn chained(client: &Client, body: &Body) -> Result<u32, Chained> {
    body.wait();
    Err(Chained(None))
}

/// The errors of two waiters, one of this process and one of another, when the call that they wait for fails.
fn errors_of_waiters<T: Send, E: Send>(
    rig: &Rig,
    call: fn(&Client, &Body) -> Result<T, E>,
    lock_error: fn(E) -> Option<Error>,
) -> [String; 2] {
    let (body, test) = signals();
    thread::scope(|scope| {
        let leader = scope.spawn(|| call(&rig.ours, &body));
        test.entered();
        let waiters = [&rig.ours, &rig.theirs].map(|client| scope.spawn(|| call(client, &body)));
        // They are about to wait. One that came too late would compute, and the test would fail.
        thread::sleep(Duration::from_millis(200));
        test.finish();
        assert!(leader.join().unwrap().err().and_then(lock_error).is_none(), "the leader has its own error");
        waiters.map(|waiter| {
            let error = waiter.join().unwrap().err().and_then(lock_error).unwrap();
            assert_eq!(error.kind(), ErrorKind::LeaderFailed);
            let process = format!("/{}/", std::process::id());
            assert!(error.holder().is_some_and(|holder| holder.contains(&process)), "{:?}", error.holder());
            error.to_string()
        })
    })
}

#[test]
fn waiters_get_the_text_of_the_error() {
    let lock = |error| if let AppError::Lock(error) = error { Some(error) } else { None };
    let debug = |error| match error {
        Debugged::Lock(error) => Some(error),
        Debugged::Broken { part } => {
            assert_eq!(part, 7);
            None
        }
    };
    for rig in rigs() {
        for text in errors_of_waiters(&rig, displayed, lock) {
            assert!(text.contains("the disk is full (in cached::errors::displayed)"), "{text}");
        }
        for text in errors_of_waiters(&rig, debugged, debug) {
            assert!(text.contains("Broken { part: 7 }"), "{text}");
        }
        for text in errors_of_waiters(&rig, silent, |error| error.0) {
            assert!(text.contains("an error of the type cached::errors::Silent"), "{text}");
        }
        for text in errors_of_waiters(&rig, chained, |error| error.0) {
            assert!(text.contains("no report: no disk"), "{text}");
        }
    }
}

#[test]
fn a_failure_is_shared_with_all_callers_for_err_expire() {
    for rig in rigs() {
        let runs = Runs::default();
        runs.fail(Some("the disk is full"));
        assert!(matches!(remembered(&rig.ours, &runs), Err(AppError::Own(_))));
        runs.fail(None);
        for client in [&rig.ours, &rig.theirs] {
            let Err(AppError::Lock(error)) = remembered(client, &runs) else { panic!("it is remembered") };
            assert_eq!(error.kind(), ErrorKind::LeaderFailed);
            assert!(error.to_string().contains("the disk is full"), "{error}");
        }
        assert_eq!(runs.count(), 1);
        thread::sleep(Duration::from_millis(1_100));
        assert_eq!(remembered(&rig.theirs, &runs).unwrap(), 2);
    }
}
