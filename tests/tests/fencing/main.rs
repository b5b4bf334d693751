//! Fencing tokens: that they rise whatever a server loses, where that ends, and what they leave behind.
//!
//! Where the claim is told to users, and where it ends, is `docs/fencing.md`.

mod eviction;
mod failover;
mod lives;
mod losses;

use dspinlock::{Client, DSpinlock};
use dspinlock_testkit::Server;
use dspinlock_tests::{Door, Rig};
use std::time::{Duration, SystemTime};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// A client of `server` for each door. What is got by another call shares nothing with it, as another process would.
fn rigs(server: &Server) -> [Rig; 2] {
    [Door::Blocking, Door::Async].map(|door| Rig { client: Client::from_url(&server.url()).unwrap(), door })
}

/// A lock that reserves no tokens, since its key is bare, and one that reserves some for others of its process.
fn locks(rig: &Rig) -> [DSpinlock; 2] {
    [rig.lock("bare"), rig.lock("named").namespace("fencing")]
}

/// Takes the lock and gives it back; the token.
fn turn(rig: &Rig, lock: &DSpinlock) -> u64 {
    let guard = rig.acquire(lock).unwrap();
    let token = guard.fencing_token();
    rig.release(guard).unwrap();
    token
}

fn fence_key(lock: &DSpinlock) -> String {
    format!("{{{}}}:fence", lock.record_key().unwrap())
}

/// Has the key's last token lie an hour ahead of the server's clock, as it would after the clock was put back by an hour.
fn put_an_hour_ahead(server: &Server, lock: &DSpinlock) -> u64 {
    let ahead = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap() + HOUR;
    let token = u64::try_from(ahead.as_micros()).unwrap();
    assert!(server.command(&["SET", &fence_key(lock), &token.to_string(), "EX", "7200"]).is_ok());
    token
}
