//! A process that changes the account under the lock, and can be stopped at the worst moment.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use dspinlock::dspinlock;
use rusqlite::Connection;

use crate::{Failure, Said, account};

/// How long a stopped holder blocks the others: short, so that the example is quick.
pub const LEASE: Duration = Duration::from_secs(2);

/// The task of one holder.
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

/// Makes the change in a process of its own, and writes its progress to the standard output.
///
/// # Errors
/// If the output is closed. A failure of the lock or the database is written like the rest.
pub fn hold(change: &Change) -> Result<(), Failure> {
    // A stopped process can't see that its parent has ended, and would never end.
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
/// An error of the database or of the lock. The loss of the lock is one, even after the body has ended.
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

    // The lock was held a moment ago. Here A is stopped, and can't know for how long.
    say(&Said::AboutToWrite { token, read, write })?;
    await_word()?;

    let accepted = change.write(db, write, token)?;
    say(&if accepted { Said::Written } else { Said::Refused })?;
    match lock.ensure_held() {
        Ok(()) => say(&Said::Held),
        Err(lost) => say(&Said::Lost(lost.to_string())),
    }
}

/// Waits until the parent writes a line, or has ended.
fn await_word() -> Result<(), Failure> {
    match io::stdin().read_line(&mut String::new())? {
        0 => Err("the parent has gone".into()),
        _ => Ok(()),
    }
}

fn say(said: &Said) -> Result<(), Failure> {
    Ok(writeln!(io::stdout(), "{said}")?)
}
