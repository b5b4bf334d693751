//! The worker processes as the comparing process sees them: lines in, lines out.

use crate::Fallible;
use crate::contestants::{Contestant, Engine};
use dspinlock_testkit::{Child, this_program};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The hidden argument that makes this binary a worker.
pub(crate) const WORKER: &str = "--worker";

/// A worker that is silent for this long hangs, which is a result too.
const PATIENCE: Duration = Duration::from_secs(60);

const PYTHON: &str = include_str!("python/worker.py");

/// The figures of one answer, by name.
pub(crate) type Figures = BTreeMap<String, f64>;

/// A worker process; it ends with this value.
pub(crate) struct Worker {
    name: String,
    child: Child,
}

impl Worker {
    /// Starts a worker in a role, and waits until it is connected and has warmed up.
    pub(crate) fn start(contestant: &Contestant, role: &str, url: &str, more: &[String]) -> Fallible<Self> {
        let mut command = if contestant.engine.is_python() {
            let mut command = Command::new(python().ok_or("there is no Python")?);
            command.args(["-c", PYTHON]);
            command
        } else {
            let mut command = this_program();
            command.arg(WORKER);
            command
        };
        command.args([contestant.engine.name(), role, url]).args(contestant.settings()).args(more);
        let mut worker = Self { name: contestant.name.clone(), child: Child::start(&mut command)? };
        worker.hear("ready")?;
        Ok(worker)
    }

    /// Tells the worker to begin something.
    pub(crate) fn tell(&mut self, word: &str) -> Fallible<()> {
        Ok(self.child.say(word)?)
    }

    /// Waits until the worker says `word`, and returns the figures of that line.
    pub(crate) fn hear(&mut self, word: &str) -> Fallible<Figures> {
        let heard = self.hear_within(word, PATIENCE)?;
        heard.ok_or_else(|| format!("{} hangs", self.name).into())
    }

    /// [`hear`](Self::hear) that returns `None` after `patience`.
    pub(crate) fn hear_within(&mut self, word: &str, patience: Duration) -> Fallible<Option<Figures>> {
        let line = match self.child.hear(patience) {
            Ok(line) => line,
            Err(error) if error.kind() == ErrorKind::TimedOut => return Ok(None),
            Err(error) => return Err(format!("{} has failed: {error}", self.name).into()),
        };
        let mut words = line.split_whitespace();
        if words.next() != Some(word) {
            return Err(format!("{} said {line:?} in place of {word:?}", self.name).into());
        }
        words
            .map(|figure| {
                let (name, value) = figure.split_once('=').ok_or("a figure without a value")?;
                Ok((name.to_owned(), value.parse()?))
            })
            .collect::<Fallible<Figures>>()
            .map(Some)
    }

    /// Tells the worker to do something, and waits until it has.
    pub(crate) fn ask(&mut self, word: &str) -> Fallible<Figures> {
        self.tell(word)?;
        self.hear("done")
    }

    /// Ends the worker without warning, as a crash does.
    pub(crate) fn crash(mut self) -> Fallible<()> {
        self.child.kill()?;
        Ok(())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // A worker ends when its input does. One that hangs must not hold up the others.
        drop(self.child.take_input());
        let _ = self.child.wait(Duration::from_millis(100));
    }
}

/// The Python interpreter to use, if one is there.
fn python() -> Option<PathBuf> {
    let named = std::env::var_os("DSPINLOCK_PYTHON").filter(|named| !named.is_empty()).map(PathBuf::from);
    named.or_else(|| Some(PathBuf::from(".venv/bin/python")).filter(|python| python.exists()))
}

/// Checks that this contestant can take part; the error says why not.
pub(crate) fn availability(engine: Engine) -> Result<(), String> {
    if !engine.is_python() {
        return Ok(());
    }
    let python = python().ok_or("no Python at hand: set DSPINLOCK_PYTHON")?;
    let module = match engine {
        Engine::PyDspinlock => "dspinlock",
        Engine::PythonRedisLock => "redis_lock",
        _ => "redis.lock",
    };
    let status = Command::new(&python)
        .args(["-c", &format!("import {module}")])
        .stderr(Stdio::null())
        .status()
        .map_err(|error| format!("the Python at hand does not start: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("the Python at hand has no module {module}")) }
}
