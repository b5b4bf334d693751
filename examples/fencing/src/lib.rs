//! # Fencing: the resource has the last word
//!
//! A lock with a lease can't stop a holder that is itself stopped: a process that is paused between its last look at the
//! lock and its write (by the system, a debugger, a virtual machine on the move) goes on later as if nothing had been,
//! while somebody else has long had the lock. No check in the program can close that gap, since the pause can always come
//! after the check. The resource can: each holder has a *fencing token*, higher than those of all holders before it, and
//! the resource refuses a token that is lower than one that it has seen.
//!
//! ```text
//! cargo run --release -p dspinlock-fencing                        the late write is refused
//! cargo run --release -p dspinlock-fencing -- --without-fence     the late write destroys another one
//! ```
//!
//! Two processes change one account in `SQLite` under one lock. A has the lock, reads the balance, checks that it holds
//! the lock, and is stopped (`SIGSTOP`) before it writes. B gets the lock when A's lease is over, and writes. Then A goes
//! on, and writes what it worked out from a balance that is no longer true.
//!
//! What to copy is a column and a condition. In the table:
//!
//! ```sql
//! fence INTEGER NOT NULL DEFAULT 0      -- the token of the last writer; BIGINT in PostgreSQL
//! ```
//!
//! In every write, [`account::set_balance`], one statement, so that nothing comes between the check and the write:
//!
//! ```sql
//! UPDATE account SET balance = ?1, written_by = ?2, fence = ?3 WHERE name = ?4 AND fence < ?3
//! ```
//!
//! And the function that has the lock, [`holder::change`], hands over `lock.fencing_token()` and looks at whether a row was
//! changed.

pub mod account;
pub mod holder;
pub mod process;
mod said;

pub use said::Said;

use std::error::Error;

/// What any part of this program can fail with; an error of the lock or of `SQLite` becomes one too.
pub type Failure = Box<dyn Error + Send + Sync>;
