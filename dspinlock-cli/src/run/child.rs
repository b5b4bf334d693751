//! The command: how it is started, told of signals, and ended.
//!
//! Where this process is in the foreground of a terminal, the command stays in its process group, so that it can read from the
//! terminal; what the terminal sends, it sends to both. Elsewhere the command has a group of its own, and a signal reaches all of it.

use crate::exit::{Failure, Result};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::ffi::OsString;
use std::fs::File;
use std::future::poll_fn;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::task::Poll;
use std::time::Duration;
use tokio::signal::unix::{self, SignalKind};

/// The signals that are passed on, and whether a terminal sends them to the command as well.
const PASSED_ON: [(Signal, bool); 6] = [
    (Signal::INT, true),
    (Signal::QUIT, true),
    (Signal::HUP, true),
    (Signal::TERM, false),
    (Signal::USR1, false),
    (Signal::USR2, false),
];

/// A signal that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Came {
    signal: Signal,
    of_terminal: bool,
}

impl Came {
    /// The exit code of a program that a signal ended, as shells count.
    pub(super) fn exit_code(self) -> u8 {
        ended_by(self.signal.as_raw())
    }
}

fn ended_by(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(u8::MAX)
}

/// The signals that this process gets.
pub(super) struct Signals([unix::Signal; PASSED_ON.len()]);

impl Signals {
    pub(super) fn listen() -> Result<Self> {
        let mut listeners = Vec::with_capacity(PASSED_ON.len());
        for (signal, _) in PASSED_ON {
            listeners.push(unix::signal(SignalKind::from_raw(signal.as_raw()))?);
        }
        // As many as there are signals.
        listeners.try_into().map(Self).map_err(|_| io::Error::other("a signal is missing").into())
    }

    /// The next one. Dropping the future loses none.
    pub(super) async fn next(&mut self) -> Came {
        let at = poll_fn(|context| {
            let came = self.0.iter_mut().position(|signal| signal.poll_recv(context).is_ready());
            came.map_or(Poll::Pending, Poll::Ready)
        });
        let (signal, of_terminal) = PASSED_ON[at.await];
        Came { signal, of_terminal }
    }
}

/// A command that runs.
pub(super) struct Child {
    process: tokio::process::Child,
    pid: Pid,
    /// Whether it is in the process group of this process.
    shares_group: bool,
}

impl Child {
    /// Starts it with these variables.
    ///
    /// # Errors
    ///
    /// 127 if there is no such program, 126 if it can't be started: the codes of shells.
    pub(super) fn start(command: &[OsString], variables: &[(&str, String)]) -> Result<Self> {
        let shares_group = is_in_foreground();
        let program = command.first().map(OsString::as_os_str).unwrap_or_default();
        let mut start = tokio::process::Command::new(program);
        start.args(&command[1..]).envs(variables.iter().map(|(name, value)| (name, value)));
        if !shares_group {
            start.process_group(0);
        }
        let process = start.spawn().map_err(|error| Failure {
            code: if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 },
            message: format!("{}: {error}", program.display()),
        })?;
        let pid = process.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        let pid = pid.ok_or_else(|| io::Error::other("the command has no process id"))?;
        Ok(Self { process, pid, shares_group })
    }

    /// Waits until it ends. Dropping the future changes nothing.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.process.wait().await
    }

    /// Passes a signal on, unless the terminal has sent it to the command, too.
    pub(super) fn pass_on(&self, came: Came) {
        if !(self.shares_group && came.of_terminal) {
            self.send(came.signal);
        }
    }

    /// Asks it to end, and kills it after `grace`.
    pub(super) async fn end(&mut self, grace: Duration) -> io::Result<ExitStatus> {
        self.send(Signal::TERM);
        if let Ok(status) = tokio::time::timeout(grace, self.process.wait()).await {
            // What it has started may go on. A process that has ended is not signalled: another one may have its id by now.
            if !self.shares_group {
                self.send(Signal::KILL);
            }
            return status;
        }
        self.send(Signal::KILL);
        self.process.wait().await
    }

    fn send(&self, signal: Signal) {
        let send = if self.shares_group { kill_process } else { kill_process_group };
        // It may have ended by itself.
        let _ = send(self.pid, signal);
    }
}

/// The exit code of a command: its own, or that of the signal which ended it.
pub(super) fn exit_code(status: ExitStatus) -> u8 {
    match (status.code(), status.signal()) {
        (Some(code), _) => u8::try_from(code).unwrap_or(u8::MAX),
        (None, Some(signal)) => ended_by(signal),
        (None, None) => u8::MAX,
    }
}

/// Whether a terminal sends its signals to this process.
fn is_in_foreground() -> bool {
    let Ok(terminal) = File::open("/dev/tty") else { return false };
    let (foreground, ours) = (rustix::termios::tcgetpgrp(&terminal), rustix::process::getpgrp());
    foreground.is_ok_and(|foreground| foreground == ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_of_shells() {
        assert_eq!(exit_code(ExitStatus::from_raw(3 << 8)), 3);
        assert_eq!(exit_code(ExitStatus::from_raw(9)), 137);
        let came = Came { signal: Signal::TERM, of_terminal: false };
        assert_eq!(came.exit_code(), 143);
    }
}
