//! The parent: starts the two holders, stops one, and prints what happens.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{env, fs, process};

use dspinlock_fencing::account::{self, AT_FIRST};
use dspinlock_fencing::holder::{Change, LEASE};
use dspinlock_fencing::process::Holder;
use dspinlock_fencing::{Failure, Said};
use dspinlock_testkit::Place;

use crate::args::Args;

/// What A adds, and what B adds.
const BY: [i64; 2] = [50, -30];

/// Runs the example and prints it. An unexpected end is an error.
pub(crate) fn tell(args: &Args) -> Result<(), Failure> {
    let place = Place::of_processes(args.redis.as_deref())?;
    let database = Database::new(args.db.as_deref())?;
    let db = account::create(&database.file)?;
    let mut out = io::stdout();
    let [by_a, by_b] = BY;
    writeln!(
        out,
        "An account in SQLite has {AT_FIRST}; A adds {by_a} to it and B takes {} out, under one lock",
        -by_b
    )?;
    writeln!(out, "with a lease of {LEASE:?}. The lock is at {place}.\n")?;

    let ends = play(&mut out, &place.url, &database.file, args.fenced)?;
    let row = account::read(&db)?;
    let right = AT_FIRST + by_a + by_b;
    writeln!(out, "\nThe account has {}, as {} wrote.", row.balance, row.written_by)?;
    match (&ends, args.fenced, row.balance - AT_FIRST) {
        ([Said::Refused, Said::Written], true, by) if by == by_b => {
            writeln!(
                out,
                "B's change stands; A knows that its own is not in, and can lock again for the {right} of both."
            )?;
            writeln!(out, "Try --without-fence for what happens if the database takes every write.")?;
        }
        ([Said::Written, Said::Written], false, by) if by == by_a => {
            writeln!(
                out,
                "B's change is lost: both make {right}. A learns too late that it had no lock, and B never."
            )?;
            writeln!(out, "Leave out --without-fence to see the database refuse the late write.")?;
        }
        _ => return Err(format!("it went in another way than it should: {ends:?}").into()),
    }
    Ok(())
}

/// Runs A and B, and returns the outcome of the write of each.
fn play(out: &mut impl Write, url: &str, file: &Path, fenced: bool) -> Result<[Said; 2], Failure> {
    let program = env::current_exe()?;
    let holder = |writer: &str, by| {
        let change = Change { writer: writer.to_owned(), file: file.to_owned(), by, fenced };
        Holder::start(&program, url, &change)
    };
    let mut a = holder("A", BY[0])?;
    about_to_write(out, "A", &mut a)?;
    a.stop()?;
    writeln!(out, "-  A is stopped just then (SIGSTOP); its lease goes on")?;

    let mut b = holder("B", BY[1])?;
    about_to_write(out, "B", &mut b)?;
    b.go_on()?;
    let of_b = finish(out, "B", &mut b)?;

    a.go_on()?;
    a.resume()?;
    writeln!(out, "-  A is let go on, and writes")?;
    let of_a = finish(out, "A", &mut a)?;
    Ok([of_a, of_b])
}

fn about_to_write(out: &mut impl Write, name: &str, holder: &mut Holder) -> Result<(), Failure> {
    match holder.hear()? {
        Said::AboutToWrite { token, read, write } => {
            writeln!(
                out,
                "{name}  has the lock with token {token} and reads {read}; ensure_held() says that all"
            )?;
            Ok(writeln!(out, "   is well, and it is about to write {write}")?)
        }
        other => Err(format!("{name} should be about to write: {other}").into()),
    }
}

/// Prints the rest of a holder's progress, and returns the outcome of its write.
fn finish(out: &mut impl Write, name: &str, holder: &mut Holder) -> Result<Said, Failure> {
    let write = holder.hear()?;
    match &write {
        Said::Written => writeln!(out, "{name}  has written: the database has taken it")?,
        Said::Refused => writeln!(out, "{name}  is refused by the database, which has seen a higher token")?,
        other => return Err(format!("{name} should have written: {other}").into()),
    }
    loop {
        match holder.hear()? {
            Said::Held => {}
            Said::Lost(why) => writeln!(out, "{name}  hears it from ensure_held() now: {why}")?,
            Said::Done => return Ok(write),
            Said::Failed(why) => {
                writeln!(out, "{name}  has an error from its call: {why}")?;
                return Ok(write);
            }
            other => return Err(format!("{name} should have ended: {other}").into()),
        }
    }
}

/// The file of the database, and a temporary directory if the user has named no file.
struct Database {
    file: PathBuf,
    of_ours: Option<PathBuf>,
}

impl Database {
    fn new(given: Option<&Path>) -> Result<Self, Failure> {
        if let Some(file) = given {
            if file.exists() {
                return Err(format!("{} is there already", file.display()).into());
            }
            return Ok(Self { file: file.to_owned(), of_ours: None });
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_nanos();
        let dir = env::temp_dir().join(format!("dspinlock-fencing-{}-{now}", process::id()));
        fs::create_dir(&dir)?;
        Ok(Self { file: dir.join("account.db"), of_ours: Some(dir) })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(dir) = &self.of_ours {
            // If this fails, a small temporary file is left.
            let _ = fs::remove_dir_all(dir);
        }
    }
}
