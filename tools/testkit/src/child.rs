//! A child process that reads and writes lines, and can be stopped, continued and killed.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{self, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

/// A command that starts this program again.
///
/// # Panics
/// If the system does not know its path.
pub fn this_program() -> Command {
    Command::new(std::env::current_exe().expect("the path of this program"))
}

/// A running process; it is killed when this is dropped, stopped or not.
///
/// ```
/// # use dspinlock_testkit::Child;
/// # use std::process::Command;
/// # use std::time::Duration;
/// let mut child = Child::start(Command::new("sh").args(["-c", "read -r name; echo hello $name; exit 3"]))?;
/// child.say("world")?;
/// assert_eq!(child.hear(Duration::from_secs(10))?, "hello world");
/// assert_eq!(child.wait(Duration::from_secs(10))?.status.code(), Some(3));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Child {
    process: process::Child,
    input: Option<ChildStdin>,
    lines: Option<Receiver<String>>,
    errors: Option<JoinHandle<String>>,
}

/// How a child ended, and what it wrote that was not heard before.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code, or the signal that ended it.
    pub status: ExitStatus,
    /// The rest of its standard output.
    pub output: String,
    /// Its standard error.
    pub errors: String,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}{}", self.status, self.output, self.errors)
    }
}

impl Child {
    /// Starts a command with pipes for input, output and errors.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        let mut process =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let (send, lines) = channel();
        let output = process.stdout.take();
        // Both pipes are read all the time, since a full one would stop the child.
        thread::spawn(move || {
            for line in output.into_iter().flat_map(|output| BufReader::new(output).split(b'\n')) {
                let Ok(line) = line else { return };
                // Nobody listens any more once the child is being ended.
                let _ = send.send(String::from_utf8_lossy(&line).into_owned());
            }
        });
        let errors = process.stderr.take();
        let errors = thread::spawn(move || {
            let mut text = Vec::new();
            // What can't be read is missing from a message, no more.
            let _ = errors.map(|mut errors| errors.read_to_end(&mut text));
            String::from_utf8_lossy(&text).into_owned()
        });
        Ok(Self { input: process.stdin.take(), process, lines: Some(lines), errors: Some(errors) })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Sends it a line. A stopped child reads it when it continues.
    ///
    /// # Errors
    /// If it has ended, or its input is closed.
    pub fn say(&mut self, line: &str) -> io::Result<()> {
        let input = self.input.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        writeln!(input, "{line}")
    }

    /// Closes its input, or hands that to a writer of its own.
    pub fn take_input(&mut self) -> Option<ChildStdin> {
        self.input.take()
    }

    /// Hands its lines to a reader of its own; the sender goes when the child ends. [`Child::hear`] hears nothing from then on.
    pub fn take_lines(&mut self) -> Option<Receiver<String>> {
        self.lines.take()
    }

    /// Waits for its next line.
    ///
    /// # Errors
    /// [`TimedOut`](io::ErrorKind::TimedOut) if there is none within `limit`, and
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) with what it wrote to its standard error if it has ended.
    pub fn hear(&mut self, limit: Duration) -> io::Result<String> {
        let lines = self.lines.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        lines.recv_timeout(limit).or_else(|error| match error {
            RecvTimeoutError::Timeout => Err(io::ErrorKind::TimedOut.into()),
            RecvTimeoutError::Disconnected => {
                let status = self.process.wait()?;
                let text = format!("it has ended: {}", self.ended(status));
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, text))
            }
        })
    }

    /// Waits until it ends.
    ///
    /// # Errors
    /// If it does not end within `limit`; it is killed then, and the error has what it wrote.
    pub fn wait(&mut self, limit: Duration) -> io::Result<Ended> {
        let deadline = Instant::now() + limit;
        let mut output = String::new();
        // Its output ends with it.
        let next = || match &self.lines {
            Some(lines) => lines.recv_timeout(deadline.saturating_duration_since(Instant::now())),
            None => Err(RecvTimeoutError::Disconnected),
        };
        let timed_out = loop {
            match next() {
                Ok(line) => output.extend([&line, "\n"]),
                Err(error) => break error == RecvTimeoutError::Timeout,
            }
        };
        if timed_out {
            self.process.kill()?;
        }
        let status = self.process.wait()?;
        let mut ended = self.ended(status);
        ended.output.insert_str(0, &output);
        if timed_out {
            let text = format!("it has not ended within {limit:?}, and was killed: {ended}");
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
        Ok(ended)
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// If the system can't say.
    pub fn try_wait(&mut self) -> io::Result<Option<Ended>> {
        let status = self.process.try_wait()?;
        Ok(status.map(|status| self.ended(status)))
    }

    /// Stops it wherever it is, and returns once it has stopped, or has ended.
    ///
    /// # Errors
    /// If it can't be signalled.
    pub fn stop(&self) -> io::Result<()> {
        kill_process(self.pid(), Signal::STOP)?;
        let either = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(self.pid()), either)?;
        Ok(())
    }

    /// Continues it after [`Child::stop`].
    ///
    /// # Errors
    /// If it can't be signalled.
    pub fn resume(&self) -> io::Result<()> {
        Ok(kill_process(self.pid(), Signal::CONT)?)
    }

    /// Asks it to end (`SIGTERM`), as a supervisor does.
    ///
    /// # Errors
    /// If it can't be signalled.
    pub fn terminate(&self) -> io::Result<()> {
        Ok(kill_process(self.pid(), Signal::TERM)?)
    }

    /// Ends it without warning, as a crash does.
    ///
    /// # Errors
    /// If it can't be killed.
    pub fn kill(&mut self) -> io::Result<Ended> {
        self.process.kill()?;
        let status = self.process.wait()?;
        Ok(self.ended(status))
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    fn ended(&mut self, status: ExitStatus) -> Ended {
        let lines = self.lines.iter().flatten().map(|line| line + "\n");
        let errors = self.errors.take().and_then(|errors| errors.join().ok());
        Ended { status, output: lines.collect(), errors: errors.unwrap_or_default() }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // A child that has ended already can't be killed, which is what was wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
