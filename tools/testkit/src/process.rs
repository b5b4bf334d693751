//! One run of a server binary, under a guard that outlives this process just long enough to end it.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// The server runs below a shell that only reads its standard input. The pipe closes when the server is dropped and also when
/// this process is killed. Then the shell ends the server and removes its directory, so that even an aborted test run leaves
/// nothing behind. The word `keep` ends the server and keeps the directory. The shell ignores signals from a terminal, which
/// are meant for this process.
const GUARD: &str = r#"
trap '' INT TERM HUP
PATH=$PATH:/usr/bin:/bin
dir=$1; shift
"$@" </dev/null 2>&1 &
server=$!
echo "guarding $server"
exec >&- 2>&-
read -r word
kill -9 $server
wait $server
[ "$word" = keep ] || rm -rf "$dir"
"#;

/// How many of the last lines of the server's log are kept for an error message.
const LOG_LINES: usize = 40;

/// A server loads its data before it is ready. No test loads for this long.
const READY_WITHIN: Duration = Duration::from_secs(30);

type Log = Arc<Mutex<VecDeque<String>>>;

/// A running server; dropping it ends the server and removes its directory.
#[derive(Debug)]
pub(crate) struct Process {
    guard: Child,
    control: Option<ChildStdin>,
    server: Pid,
}

impl Process {
    /// Starts `binary` and returns once it says that it accepts connections; if it never does, the error has its log.
    pub(crate) fn start(binary: &Path, dir: &Path, args: &[String]) -> Result<Self, String> {
        let mut guard = Command::new("/bin/sh")
            .args(["-c", GUARD, "guard"])
            .arg(dir)
            .arg(binary)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("/bin/sh does not start: {error}"))?;
        let control = guard.stdin.take();
        let output = guard.stdout.take().ok_or("the guard has no output")?;
        let log = Log::default();
        let events = watch(output, Arc::clone(&log));
        match await_ready(&events) {
            Ok(server) => Ok(Self { guard, control, server }),
            Err(problem) => {
                end(&mut guard, control, false);
                let log = log.lock().unwrap_or_else(PoisonError::into_inner);
                let log: Vec<&str> = log.iter().map(String::as_str).collect();
                Err(format!("{} {problem}; its log ends:\n{}", binary.display(), log.join("\n")))
            }
        }
    }

    /// Sends a signal to the server itself.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill_process(self.server, signal)?)
    }

    /// The process id of the server.
    pub(crate) fn id(&self) -> i32 {
        self.server.as_raw_nonzero().get()
    }

    /// Ends the server at once, as `kill -9` does, and keeps its directory.
    pub(crate) fn kill(mut self) {
        let control = self.control.take();
        end(&mut self.guard, control, true);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(control) = self.control.take() {
            end(&mut self.guard, Some(control), false);
        }
    }
}

fn end(guard: &mut Child, control: Option<ChildStdin>, keep_dir: bool) {
    if let Some(mut control) = control
        && keep_dir
    {
        // A guard that has ended has ended the server, too.
        let _ = control.write_all(b"keep\n");
    }
    let _ = guard.wait();
}

enum Event {
    Guarding(Pid),
    Ready,
}

fn await_ready(events: &Receiver<Event>) -> Result<Pid, &'static str> {
    let deadline = Instant::now() + READY_WITHIN;
    let (mut server, mut ready) = (None, false);
    loop {
        match events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Event::Guarding(pid)) => server = Some(pid),
            Ok(Event::Ready) => ready = true,
            Err(RecvTimeoutError::Timeout) => return Err("did not become ready in time"),
            Err(RecvTimeoutError::Disconnected) => return Err("ended before it was ready"),
        }
        if let (Some(pid), true) = (server, ready) {
            return Ok(pid);
        }
    }
}

/// Reads the log to its end, since a full pipe would stop the server.
fn watch(output: impl Read + Send + 'static, log: Log) -> Receiver<Event> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut lines = BufReader::new(output).split(b'\n');
        while let Some(Ok(line)) = lines.next() {
            note(&String::from_utf8_lossy(&line), &sender, &log);
        }
    });
    receiver
}

fn note(line: &str, events: &Sender<Event>, log: &Log) {
    let event = if let Some(pid) = line.strip_prefix("guarding ") {
        pid.parse().ok().and_then(Pid::from_raw).map(Event::Guarding)
    } else {
        let ready = ["Ready to accept connections", "Sentinel ID is"];
        ready.iter().any(|words| line.contains(words)).then_some(Event::Ready)
    };
    if let Some(event) = event {
        // Nothing waits for events after the start.
        let _ = events.send(event);
    }
    let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
    if log.len() == LOG_LINES {
        log.pop_front();
    }
    log.push_back(line.to_owned());
}
