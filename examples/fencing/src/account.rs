//! The resource: one account in `SQLite`, which knows the fencing token of its last writer.

use std::path::Path;

use rusqlite::{Connection, Result, params};

/// The account that this example is about.
pub const NAME: &str = "savings";

/// The balance at the start.
pub const AT_FIRST: i64 = 100;

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// How much is in it.
    pub balance: i64,
    /// Who wrote that.
    pub written_by: String,
    /// The fencing token that they had.
    pub fence: u64,
}

/// Makes a database with the one account in it.
///
/// # Errors
/// If the file can't be written, or has such a table.
pub fn create(file: &Path) -> Result<Connection> {
    let db = Connection::open(file)?;
    db.execute_batch(
        "CREATE TABLE account (
             name       TEXT PRIMARY KEY,
             balance    INTEGER NOT NULL,
             written_by TEXT NOT NULL,
             fence      INTEGER NOT NULL DEFAULT 0
         ) STRICT",
    )?;
    db.execute(
        "INSERT INTO account (name, balance, written_by) VALUES (?1, ?2, 'nobody')",
        params![NAME, AT_FIRST],
    )?;
    Ok(db)
}

/// Reads the account, and keeps no lock of `SQLite`'s.
///
/// # Errors
/// If there is no such account.
pub fn read(db: &Connection) -> Result<Account> {
    db.query_row("SELECT balance, written_by, fence FROM account WHERE name = ?1", [NAME], |row| {
        Ok(Account { balance: row.get(0)?, written_by: row.get(1)?, fence: row.get(2)? })
    })
}

/// Writes unless this token or a higher one has written; `false` means that the write was refused.
///
/// With `<` each holder writes once, and a statement that is sent twice counts once. Holders that write several times in one
/// turn need `fence <= ?3`, which refuses only earlier holders.
///
/// ```
/// use dspinlock_fencing::account;
///
/// let db = account::create(":memory:".as_ref())?;
/// assert!(account::set_balance(&db, 70, "B", 1_790_000_000_000_002)?);
/// assert!(!account::set_balance(&db, 150, "A", 1_790_000_000_000_001)?, "A had the lock before B");
/// assert_eq!(account::read(&db)?.balance, 70);
/// # Ok::<(), rusqlite::Error>(())
/// ```
///
/// # Errors
/// If `SQLite` fails; a refusal is no error.
pub fn set_balance(db: &Connection, balance: i64, writer: &str, token: u64) -> Result<bool> {
    let rows = db.execute(
        "UPDATE account SET balance = ?1, written_by = ?2, fence = ?3 WHERE name = ?4 AND fence < ?3",
        params![balance, writer, token, NAME],
    )?;
    Ok(rows == 1)
}

/// The same without the condition, to show its purpose: the last writer wins.
///
/// # Errors
/// As [`set_balance`].
pub fn set_balance_without_fence(db: &Connection, balance: i64, writer: &str, token: u64) -> Result<bool> {
    let rows = db.execute(
        "UPDATE account SET balance = ?1, written_by = ?2, fence = ?3 WHERE name = ?4",
        params![balance, writer, token, NAME],
    )?;
    Ok(rows == 1)
}
