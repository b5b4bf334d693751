//! A holder as its parent sees it: a process that reads and writes lines, and is stopped and continued.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use dspinlock_testkit::Child;

use crate::holder::Change;
use crate::{Failure, Said};

/// A holder that is silent for longer hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// A process that runs [`holder::hold`](crate::holder::hold); dropping this ends it, stopped or not.
#[derive(Debug)]
pub struct Holder(Child);

impl Holder {
    /// Starts `program`, this package's binary, as a holder that finds the lock at `url`.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(program: &Path, url: &str, change: &Change) -> io::Result<Self> {
        // A URL may hold a password, and arguments can be read by every user of the machine.
        let mut command = Command::new(program);
        Child::start(command.args(arguments(change)).env("DSPINLOCK_URL", url)).map(Self)
    }

    /// Waits for its next line.
    ///
    /// # Errors
    /// If it has ended.
    pub fn hear(&mut self) -> Result<Said, Failure> {
        Ok(self.0.hear(LIMIT)?.parse()?)
    }

    /// Tells it to write. A stopped holder reads this when it continues.
    ///
    /// # Errors
    /// If it has ended.
    pub fn go_on(&mut self) -> io::Result<()> {
        self.0.say("go on")
    }

    /// Stops it, and returns when it has stopped.
    ///
    /// # Errors
    /// If it has ended.
    pub fn stop(&self) -> io::Result<()> {
        self.0.stop()
    }

    /// Continues it after [`Holder::stop`].
    ///
    /// # Errors
    /// If it has ended.
    pub fn resume(&self) -> io::Result<()> {
        self.0.resume()
    }
}

fn arguments(change: &Change) -> Vec<OsString> {
    let mut arguments: Vec<OsString> =
        vec!["--holder".into(), change.writer.clone().into(), "--by".into(), change.by.to_string().into()];
    arguments.extend(["--db".into(), change.file.clone().into()]);
    arguments.extend((!change.fenced).then(|| "--without-fence".into()));
    arguments
}
