//! Monitors a server, and logs what it does.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use dspinlock_testkit::{Connection, Reply, Server};

use super::line::{self, Source};
use super::{Act, Fact};
use crate::clock::{Wall, ms, now};
use crate::history::append;

/// This word ends the monitor.
const END: &str = "nemesis-is-over";

/// A connection that sees all commands. It ends with the server, or on request.
pub(crate) struct Monitor(JoinHandle<()>);

impl Monitor {
    /// Starts to monitor `server`, and appends its facts to `file`.
    ///
    /// # Errors
    /// If the server or the file can't be reached.
    pub(crate) fn attach(server: &Server, number: u32, file: &Path) -> io::Result<Self> {
        let mut connection = server.connect()?;
        connection.set_patience(Some(ms(5_000)))?;
        if !connection.command(&["MONITOR"])?.is_ok() {
            return Err(io::Error::other("the server refuses to be monitored"));
        }
        connection.set_patience(None)?;
        let file = PathBuf::from(file);
        append(
            &OpenOptions::new().create(true).append(true).open(&file)?,
            &Fact { at: now(), server: number, key: 0, by: Vec::new(), act: Act::Attached },
        );
        Ok(Self(thread::spawn(move || listen(&mut connection, number, &file))))
    }

    /// Waits until everything that the server has done so far is logged.
    ///
    /// # Errors
    /// If the server can't be reached.
    pub(crate) fn finish(self, server: &Server) -> io::Result<()> {
        server.connect()?.command(&["ECHO", END])?;
        self.join();
        Ok(())
    }

    /// Waits for the end of a server that was killed.
    pub(crate) fn join(self) {
        // An error of the connection ends it.
        let _ = self.0.join();
    }
}

fn listen(connection: &mut Connection, number: u32, file: &Path) {
    let file = OpenOptions::new().append(true).open(file).expect("the file was there just now");
    let (mut script, mut wall) = (line::Call::default(), Wall::ask());
    // What a script has asked for, and got if it goes on with the token.
    let mut asked: Vec<Fact> = Vec::new();
    // The key of which the script has asked whether it is there at all, after it found nothing.
    let mut missing: Option<String> = None;
    while let Ok(Reply::Status(text)) = connection.receive() {
        let Some(line) = line::parse(&text) else { continue };
        if line.words.get(1).is_some_and(|word| word == END) {
            return;
        }
        if line.source == Source::Client {
            script = line::call(&line.words).unwrap_or_default();
            missing = None;
        } else if let Some(key) = line::looked_for(&line.words) {
            missing = Some(key.to_owned());
        } else if line::changes_nothing(&line.words, missing.as_deref()) {
            continue;
        } else {
            missing = None;
        }
        let acts = line::acts(&line.words, line.wall, &script);
        let at = wall.boot_at(line.wall);
        let facts: Vec<Fact> = acts.into_iter().map(|act| Fact::new(at, number, &script.tags, act)).collect();
        let got = std::mem::take(&mut asked);
        if line.source == Source::Script && line::asks(&line.words) {
            asked = facts;
            continue;
        }
        let got = got.into_iter().filter(|_| facts.iter().any(|fact| matches!(fact.act, Act::Fence { .. })));
        for fact in got.chain(facts.iter().cloned()) {
            append(&file, &fact);
        }
    }
}
