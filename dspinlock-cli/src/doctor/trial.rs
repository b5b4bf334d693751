//! A real lock: taken, waited for by a second client, released as done, and forgotten. Its key is random, and nothing stays.

use crate::lock::{int, text};
use crate::server::{Access, ask};
use dspinlock::{Client, DSpinlock, Result};
use std::thread;
use std::time::{Duration, Instant};

/// What the lock did.
#[derive(Debug)]
pub(crate) struct Trial {
    /// How long the first one took, or what was refused.
    pub(crate) lock: std::result::Result<Duration, String>,
    /// How long after the release the second client had the lock.
    pub(crate) wake_up: Option<Duration>,
    /// Whether the second client was tracked while it waited; nothing if the server does not tell.
    pub(crate) tracks: Option<bool>,
}

/// How long a waiter is waited for.
const NOTED_WITHIN: Duration = Duration::from_secs(2);

pub(super) fn run(access: &Access) -> Trial {
    match attempt(access) {
        Ok(trial) => trial,
        Err(error) => Trial { lock: Err(error.to_string()), wake_up: None, tracks: None },
    }
}

fn attempt(access: &Access) -> Result<Trial> {
    let value = uuid::Uuid::new_v4();
    let lock = |client: &Client| -> DSpinlock {
        client
            .lock(value)
            .namespace("doctor")
            .sleep(Duration::from_secs(1))
            .wait(Duration::from_secs(3))
            .expire(Duration::from_secs(60))
    };
    let ours = lock(&access.client);
    let started = Instant::now();
    let guard = ours.acquire_blocking()?;
    let took = started.elapsed();
    // A client of its own: those of one client would hand the lock on without the server.
    let second = lock(&Client::from_config(&access.config)?.with_prefix(&access.prefix));
    let tracked_before = tracked(access, ours.record_key()?);
    let waiter = thread::spawn(move || {
        let guard = second.acquire_blocking()?;
        let got = Instant::now();
        guard.release_blocking()?;
        Ok::<_, dspinlock::Error>(got)
    });
    let noted = is_noted(access, ours.record_key()?);
    let tracked_now = tracked(access, ours.record_key()?);
    let released = Instant::now();
    guard.release_blocking()?;
    // A panic of the waiter is one of the library.
    let got = waiter.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    ours.forget_blocking()?;
    let tracks = tracked_before.zip(tracked_now).map(|(before, now)| now > before);
    let wake_up = noted.then(|| got.saturating_duration_since(released));
    Ok(Trial { lock: Ok(took), wake_up, tracks })
}

/// Waits until the second client is noted as waiting.
fn is_noted(access: &Access, key: &str) -> bool {
    let until = Instant::now() + NOTED_WITHIN;
    while Instant::now() < until {
        let names = access.names(key);
        let mut command = redis::cmd("SCARD");
        command.arg(&names.wait);
        let reply = access.server_of(&names).and_then(|server| ask(&server, vec![command]));
        match reply.map(|mut replies| replies.pop()) {
            Ok(Some(Ok(number))) if int(&number) == Some(1) => return true,
            Ok(Some(Ok(_))) => thread::sleep(Duration::from_millis(5)),
            // It may not look.
            _ => return false,
        }
    }
    false
}

/// How many clients the server notifies of changes.
fn tracked(access: &Access, key: &str) -> Option<u64> {
    let mut command = redis::cmd("INFO");
    command.arg("clients");
    let server = access.server_of(&access.names(key)).ok()?;
    let info = ask(&server, vec![command]).ok()?.pop()?.ok()?;
    super::facts::fields(&text(&info)?).get("tracking_clients")?.parse().ok()
}
