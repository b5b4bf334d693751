//! # Fencing: the resource decides
//!
//! A lock with a lease can't protect against a holder that is paused between its last check of the lock and its write (by the
//! system, a debugger, the migration of a virtual machine). It continues later, while another process has the lock. No check
//! in the program closes that gap, since the pause can always come after the check. The resource can: each holder has a
//! *fencing token*, higher than those of all holders before it, and the resource refuses tokens lower than the highest so far.
//!
//! ```text
//! cargo run --release -p dspinlock-fencing                        the late write is refused
//! cargo run --release -p dspinlock-fencing -- --without-fence     the late write destroys another one
//! ```
//!
//! Two processes change one account in `SQLite` under one lock. A has the lock, reads the balance, checks that it holds
//! the lock, and is stopped (`SIGSTOP`) before it writes. B gets the lock when A's lease is over, and writes. Then A continues,
//! and writes a result that is based on an old balance.
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
//! The function that has the lock, [`holder::change`], passes `lock.fencing_token()` and checks whether a row was changed.

pub mod account;
pub mod holder;
pub mod process;
mod said;

pub use said::Said;

use std::error::Error;

/// Any error of this program.
pub type Failure = Box<dyn Error + Send + Sync>;
