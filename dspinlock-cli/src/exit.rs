//! How the program ends: exit codes, and what is said on standard error.

use dspinlock::ErrorKind;
use std::fmt;

/// The exit codes, as `docs/cli.md` lists them. A command under `run` adds its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Code {
    Done = 0,
    /// There is no such lock, it was not removed, or `doctor` found something to change.
    No = 1,
    /// Wrong arguments; clap uses it, too.
    Usage = 2,
    /// The key holds something that is not a lock.
    Foreign = 65,
    /// The server is out of reach, or refuses.
    Unavailable = 69,
    /// The lock was lost while the command ran.
    Lost = 74,
    /// Somebody else holds the lock.
    Held = 75,
    /// A setting can't be used.
    Config = 78,
}

/// An error, and the code with which the program ends.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) message: String,
}

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code: code as u8, message: message.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<dspinlock::Error> for Failure {
    fn from(error: dspinlock::Error) -> Self {
        Self::new(code_of(error.kind()), error.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        // Whoever closed the pipe has seen enough.
        let code = if error.kind() == std::io::ErrorKind::BrokenPipe { Code::Done } else { Code::No };
        Self::new(code, error.to_string())
    }
}

/// The exit code for an error of the library.
pub(crate) fn code_of(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::Contended | ErrorKind::KeyExists => Code::Held,
        ErrorKind::Lost | ErrorKind::NotOwner => Code::Lost,
        ErrorKind::Foreign => Code::Foreign,
        ErrorKind::Config | ErrorKind::Misuse => Code::Config,
        _ => Code::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_error_has_a_documented_code() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli.md");
        let page = std::fs::read_to_string(page).expect("the page");
        for (kind, code) in [
            (ErrorKind::Contended, 75),
            (ErrorKind::Lost, 74),
            (ErrorKind::Foreign, 65),
            (ErrorKind::Backend, 69),
            (ErrorKind::Config, 78),
        ] {
            assert_eq!(code_of(kind) as u8, code);
            assert!(page.contains(&format!("| {code} |")), "{code}");
        }
    }
}
