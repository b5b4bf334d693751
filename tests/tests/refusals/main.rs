//! Bad input: each case is an error that names the key and the cause, in bounded time. No body runs, and nothing is
//! overwritten.

mod access;
mod foreign;
mod scripts;
mod secrets;
mod servers;

use dspinlock::{Client, Error, dspinlock};
use dspinlock_tests::{Api, block_on, timed};
use std::time::Duration;

/// A key that is too long to be shown in full.
const LONG_KEY: &str =
    "a key that is far longer than the sixty-four characters of it that anybody wants to read in a log";

/// The longest time for a refusal. A call that takes longer hangs.
const BOUND: Duration = Duration::from_secs(30);

/// How long clients wait for a connection and for a reply, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(5);

type Call = fn(&Client) -> Result<(), Error>;

/// Makes a blocking and an async function of each mode, and a list of all.
macro_rules! in_each_mode {
    ($($name:ident $(is $mode:ident)?),*) => {
        $(mod $name {
            use super::*;

            #[dspinlock(key = key, namespace = "", client = client $(, $mode)?)]
            pub(super) fn blocking(client: &Client, key: &str) -> Result<(), Error> {
                panic!("the body has run")
            }

            #[dspinlock(key = key, namespace = "", client = client $(, $mode)?)]
            pub(super) async fn later(client: &Client, key: &str) -> Result<(), Error> {
                panic!("the body has run")
            }
        })*

/// Each mode with its blocking and its async function.
        const MODES: &[(&str, Call, Call)] = &[$((
            stringify!($name),
            |client| $name::blocking(client, LONG_KEY),
            |client| block_on($name::later(client, LONG_KEY)),
        )),*];
    };
}

in_each_mode!(
    lock,
    skipping is skip,
    once is once,
    failing is fail_if_key_exists,
    caching is cached
);

/// Calls an annotated function of each mode, and checks what all refusals have in common.
fn refused(client: &Client, api: Api) -> Error {
    let mut errors = MODES.iter().map(|(mode, blocking, later)| {
        let call = if api == Api::Blocking { blocking } else { later };
        (mode, refusal(client, *call))
    });
    let (_, lock) = errors.next().expect("there is a mode");
    for (mode, error) in errors {
        assert_eq!(error.kind(), lock.kind(), "{mode}: {error}");
    }
    lock
}

fn refusal(client: &Client, call: Call) -> Error {
    let (error, took) = timed(|| call(client).expect_err("the body was not run"));
    assert!(took < BOUND, "{took:?}: {error}");
    let key = error.key().expect("it names the key");
    assert!(key.chars().count() <= 64, "{key}");
    assert!(key.starts_with("\"a key that is far longer"), "{key}");
    assert!(error.to_string().contains(key), "{error}");
    assert!(!error.to_string().contains(LONG_KEY), "{error}");
    error
}

const APIS: [Api; 2] = [Api::Blocking, Api::Async];
