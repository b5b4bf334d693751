//! A process that changes the account under the lock, and can be stopped at the worst moment.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use dspinlock::dspinlock;
use rusqlite::Connection;

use crate::{Failure, Said, account};

/// How long a holder that is stopped keeps the others waiting; short, so that the story is.
pub const LEASE: Duration = Duration::from_secs(2);

/// What one holder is to do.
#[derive(Clone, Debug)]
pub struct Change {
    /// Who it is.
    pub writer: String,
    /// The database.
    pub file: PathBuf,
    /// How much is added to the balance.
    pub by: i64,
    /// Whether the database checks the fencing token.
    pub fenced: bool,
}

impl Change {
    fn write(&self, db: &Connection, balance: i64, token: u64) -> rusqlite::Result<bool> {
        let write = if self.fenced { account::set_balance } else { account::set_balance_without_fence };
        write(db, balance, &self.writer, token)
    }
}

/// Makes the change in a process of its own; what comes of it is said on the standard output.
///
/// # Errors
/// If nobody listens. That the lock or the database fails is said like the rest.
pub fn hold(change: &Change) -> Result<(), Failure> {
    // A process that is stopped can't see that its parent has gone, and would stand there for ever.
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let ended =
        Connection::open(&change.file).map_err(Failure::from).and_then(|db| self::change(&db, change));
    match ended {
        Ok(()) => say(&Said::Done),
        Err(error) => say(&Said::Failed(error.to_string())),
    }
}

/// Reads, checks the lock, and writes: between the check and the write anything can happen.
///
/// # Errors
/// An error of the database or of the lock; that the lock was lost is one, even when the body has come to its end.
#[dspinlock(
    key = account::NAME,
    namespace = "fencing-example",
    lease = LEASE,
    wait = "1m",
    guard = lock,
)]
pub fn change(db: &Connection, change: &Change) -> Result<(), Failure> {
    let token = lock.fencing_token();
    let read = account::read(db)?.balance;
    let write = read + change.by;
    lock.ensure_held()?;

    // The lock was held a moment ago. Here A is stopped; nothing in this process can know for how long.
    say(&Said::AboutToWrite { token, read, write })?;
    await_word()?;

    let accepted = change.write(db, write, token)?;
    say(&if accepted { Said::Written } else { Said::Refused })?;
    match lock.ensure_held() {
        Ok(()) => say(&Said::Held),
        Err(lost) => say(&Said::Lost(lost.to_string())),
    }
}

/// Waits until the parent says to go on, or has gone.
fn await_word() -> Result<(), Failure> {
    match io::stdin().read_line(&mut String::new())? {
        0 => Err("the parent has gone".into()),
        _ => Ok(()),
    }
}

fn say(said: &Said) -> Result<(), Failure> {
    Ok(writeln!(io::stdout(), "{said}")?)
}
