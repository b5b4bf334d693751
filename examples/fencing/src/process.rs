//! A holder as its parent sees it: a process that is spoken to by lines, and stopped and continued by signals.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::holder::Change;
use crate::{Failure, Said};

/// A process that runs [`holder::hold`](crate::holder::hold); dropping this ends it, stopped or not.
#[derive(Debug)]
pub struct Holder {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Holder {
    /// Starts `program`, this package's binary, as a holder that finds the lock at `url`.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(program: &Path, url: &str, change: &Change) -> io::Result<Self> {
        let mut child = Command::new(program)
            .args(arguments(change))
            // A URL may hold a password, and arguments can be read by every user of the machine.
            .env("DSPINLOCK_URL", url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("a child without pipes"));
        };
        Ok(Self { child, input, output: BufReader::new(output).lines() })
    }

    /// Waits for what it says next.
    ///
    /// # Errors
    /// If it has ended.
    pub fn hear(&mut self) -> Result<Said, Failure> {
        let line = self.output.next().ok_or("a holder has ended without a word")??;
        Ok(line.parse()?)
    }

    /// Tells it to write; one that is stopped hears it when it is continued.
    ///
    /// # Errors
    /// If it has ended.
    pub fn go_on(&mut self) -> io::Result<()> {
        self.input.write_all(b"go on\n")
    }

    /// Stops it wherever it is, and returns when it has stopped.
    ///
    /// # Errors
    /// If it has ended.
    pub fn stop(&self) -> io::Result<()> {
        kill_process(self.pid(), Signal::STOP)?;
        waitid(WaitId::Pid(self.pid()), WaitIdOptions::STOPPED)?;
        Ok(())
    }

    /// Lets it go on as if nothing had been.
    ///
    /// # Errors
    /// If it has ended.
    pub fn resume(&self) -> io::Result<()> {
        Ok(kill_process(self.pid(), Signal::CONT)?)
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // One that has ended by itself has had its way.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn arguments(change: &Change) -> Vec<OsString> {
    let mut arguments: Vec<OsString> =
        vec!["--holder".into(), change.writer.clone().into(), "--by".into(), change.by.to_string().into()];
    arguments.extend(["--db".into(), change.file.clone().into()]);
    arguments.extend((!change.fenced).then(|| "--without-fence".into()));
    arguments
}
