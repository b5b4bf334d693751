//! Bad input: each case is one error that names the key and the cause, in bounded time, with nothing run and nothing
//! overwritten.

mod foreign;
mod secrets;
mod servers;

use dspinlock::{Client, Error, dspinlock};
use dspinlock_tests::{Door, block_on, ms, timed};
use std::time::Duration;

/// A key that is too long to be shown in full.
const LONG_KEY: &str =
    "a key that is far longer than the sixty-four characters of it that anybody wants to read in a log";

/// The longest that any refusal may take here: clients of these tests wait 300 ms for a connection and for a reply.
const BOUND: Duration = Duration::from_secs(2);

const PATIENCE: Duration = ms(300);

#[dspinlock(key = key, namespace = "", client = client)]
fn annotated(client: &Client, key: &str) -> Result<(), Error> {
    panic!("the body has run")
}

#[dspinlock(key = key, namespace = "", client = client)]
async fn annotated_async(client: &Client, key: &str) -> Result<(), Error> {
    panic!("the body has run")
}

/// Calls an annotated function, and checks what every refusal has in common.
fn refused(client: &Client, door: Door) -> Error {
    let (error, took) = timed(|| {
        match door {
            Door::Blocking => annotated(client, LONG_KEY),
            Door::Async => block_on(annotated_async(client, LONG_KEY)),
        }
        .expect_err("the body was not run")
    });
    assert!(took < BOUND, "{took:?}: {error}");
    let key = error.key().expect("it names the key");
    assert!(key.chars().count() <= 64, "{key}");
    assert!(key.starts_with("\"a key that is far longer"), "{key}");
    assert!(error.to_string().contains(key), "{error}");
    assert!(!error.to_string().contains(LONG_KEY), "{error}");
    error
}

const DOORS: [Door; 2] = [Door::Blocking, Door::Async];
