//! The lines that a holder writes to its parent.

use std::fmt;
use std::str::FromStr;

/// The progress of a holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It has the lock, has read the account, has checked that the lock is held, and is about to write.
    AboutToWrite {
        /// Its fencing token.
        token: u64,
        /// What it has read.
        read: i64,
        /// What it is about to write.
        write: i64,
    },
    /// The database has accepted the write.
    Written,
    /// The database has refused the write.
    Refused,
    /// After the write, `ensure_held()` said that the lock is held.
    Held,
    /// After the write, `ensure_held()` returned this error.
    Lost(String),
    /// The annotated function has returned `Ok`.
    Done,
    /// The annotated function has returned this error.
    Failed(String),
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AboutToWrite { token, read, write } => write!(f, "about-to-write {token} {read} {write}"),
            Self::Written => f.write_str("written"),
            Self::Refused => f.write_str("refused"),
            Self::Held => f.write_str("held"),
            Self::Lost(why) => write!(f, "lost {why}"),
            Self::Done => f.write_str("done"),
            Self::Failed(why) => write!(f, "failed {why}"),
        }
    }
}

impl FromStr for Said {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let not_understood = || format!("a holder said {line:?}");
        match word {
            "about-to-write" => {
                let mut numbers = rest.split(' ');
                let mut next = || numbers.next().ok_or_else(not_understood);
                let (token, read, write) = (next()?, next()?, next()?);
                Ok(Self::AboutToWrite {
                    token: token.parse().map_err(|_| not_understood())?,
                    read: read.parse().map_err(|_| not_understood())?,
                    write: write.parse().map_err(|_| not_understood())?,
                })
            }
            "written" => Ok(Self::Written),
            "refused" => Ok(Self::Refused),
            "held" => Ok(Self::Held),
            "lost" => Ok(Self::Lost(rest.to_owned())),
            "done" => Ok(Self::Done),
            "failed" => Ok(Self::Failed(rest.to_owned())),
            _ => Err(not_understood()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood() {
        let numbers = Said::AboutToWrite { token: 1_790_000_000_000_001, read: 100, write: -30 };
        let words = [Said::Written, Said::Refused, Said::Held, Said::Done];
        let reasons = [Said::Lost("a reason".to_owned()), Said::Failed(String::new())];
        for said in words.into_iter().chain(reasons).chain([numbers]) {
            assert_eq!(said.to_string().parse(), Ok(said));
        }
        for wrong in ["", "about-to-write 1 2", "about-to-write one 2 3", "hello"] {
            wrong.parse::<Said>().unwrap_err();
        }
    }
}
