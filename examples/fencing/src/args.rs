//! The command line, of the parent and of the holders that it starts from the same binary.

use std::path::PathBuf;

use lexopt::prelude::*;

pub(crate) const HELP: &str = "\
A lock holder is stopped for longer than its lease, and the database refuses its late write.

Usage: cargo run --release -p dspinlock-fencing -- [options]

  --without-fence  let the database take every write: the late one destroys another
  --redis URL      the server that the lock stands at. Otherwise DSPINLOCK_URL; otherwise a private redis-server or
                   valkey-server from the PATH
  --db FILE        the database, which must not be there yet and stays (a file that is removed at the end)
  --help           this text

The exit code is 1 if it went in another way than told.
";

/// What this process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Help,
    Parent,
    /// The holder of this name.
    Holder(String),
}

#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) role: Role,
    pub(crate) fenced: bool,
    pub(crate) redis: Option<String>,
    pub(crate) db: Option<PathBuf>,
    /// How much a holder adds to the balance.
    pub(crate) by: i64,
}

impl Args {
    pub(crate) fn parse() -> Result<Self, lexopt::Error> {
        let mut args = Self { role: Role::Parent, fenced: true, redis: None, db: None, by: 0 };
        let mut parser = lexopt::Parser::from_env();
        while let Some(arg) = parser.next()? {
            match arg {
                Long("without-fence") => args.fenced = false,
                Long("redis") => args.redis = Some(parser.value()?.string()?),
                Long("db") => args.db = Some(parser.value()?.into()),
                // The parent adds these when it starts this binary again.
                Long("holder") => args.role = Role::Holder(parser.value()?.string()?),
                Long("by") => args.by = parser.value()?.parse()?,
                Short('h') | Long("help") => args.role = Role::Help,
                other => return Err(other.unexpected()),
            }
        }
        Ok(args)
    }
}
