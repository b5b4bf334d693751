//! Fencing tokens rise whatever a server loses. These tests also show the limits of that, and the keys that tokens need.
//!
//! `docs/fencing.md` states the claim and its limits.

mod eviction;
mod failover;
mod lives;
mod losses;

use dspinlock::{Client, DSpinlock};
use dspinlock_testkit::Server;
use dspinlock_tests::{Api, Rig};
use std::time::{Duration, SystemTime};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// A client of `server` for each API. The clients of two calls share nothing, as two processes do.
fn rigs(server: &Server) -> [Rig; 2] {
    [Api::Blocking, Api::Async].map(|api| Rig { client: Client::connect(&server.url()).unwrap(), api })
}

/// A lock with a bare key, which reserves no tokens, and one that reserves some for other callers of its process.
fn locks(rig: &Rig) -> [DSpinlock; 2] {
    [rig.lock("bare"), rig.lock("named").namespace("fencing")]
}

/// Takes the lock, gives it back, and returns the token.
fn turn(rig: &Rig, lock: &DSpinlock) -> u64 {
    let guard = rig.acquire(lock).unwrap();
    let token = guard.fencing_token();
    rig.release(guard).unwrap();
    token
}

fn fence_key(lock: &DSpinlock) -> String {
    dspinlock_tests::fence_key("dspinlock", lock.record_key().unwrap())
}

/// Sets the key's last token an hour ahead of the server's clock, as if the clock had been set back by an hour.
fn put_an_hour_ahead(server: &Server, lock: &DSpinlock) -> u64 {
    let ahead = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap() + HOUR;
    let token = u64::try_from(ahead.as_micros()).unwrap();
    assert!(server.command(&["SET", &fence_key(lock), &token.to_string()]).is_ok());
    token
}
