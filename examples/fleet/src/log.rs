//! The log that all workers append to. The parent's figures come from it alone.
//!
//! A line is written with one call to a file opened for appending, so lines of different processes never mix and their
//! order in the file is the order in which they were written. A computation writes its start after it was let in and
//! its end before it leaves: two that overlap show in the order of the lines, whatever the clocks say.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, process};

use dspinlock_testkit::clock;

use crate::Failure;

/// What a line reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The caller calls the annotated function.
    Call,
    /// The body begins.
    Start,
    /// The body has computed the report.
    End,
    /// The body has failed.
    Fail,
    /// The call has returned a report with this digest.
    Return(String),
    /// The call has returned with this error.
    Error(String),
    /// The parent has seen the process end. The caller in this line has no meaning.
    Gone,
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) at: Duration,
    pub(crate) process: usize,
    pub(crate) pid: u32,
    pub(crate) caller: usize,
    pub(crate) event: Event,
}

/// The writing end.
#[derive(Debug)]
pub(crate) struct Log {
    file: File,
    process: usize,
}

impl Log {
    /// Opens the log in `dir` for appending.
    pub(crate) fn open(dir: &Path, process: usize) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path(dir))?;
        Ok(Self { file, process })
    }

    /// Appends one line.
    pub(crate) fn note(&self, caller: usize, event: Event) -> io::Result<()> {
        self.append(&Entry { at: clock::now(), process: self.process, pid: process::id(), caller, event })
    }

    /// Appends, in the parent, that the process with this id has ended.
    pub(crate) fn note_end_of(&self, pid: u32) -> io::Result<()> {
        self.append(&Entry { at: clock::now(), process: self.process, pid, caller: 0, event: Event::Gone })
    }

    fn append(&self, entry: &Entry) -> io::Result<()> {
        (&self.file).write_all(entry.to_line().as_bytes())
    }
}

/// Where the log is, given the directory of the run.
pub(crate) fn path(dir: &Path) -> PathBuf {
    dir.join("computations.log")
}

/// All lines, in the order in which they were written.
pub(crate) fn read(dir: &Path) -> Result<Vec<Entry>, Failure> {
    let text = fs::read_to_string(path(dir))?;
    text.lines()
        .map(|line| Entry::from_line(line).ok_or_else(|| format!("not a line of the log: {line}").into()))
        .collect()
}

impl Entry {
    fn to_line(&self) -> String {
        let (name, text) = match &self.event {
            Event::Call => ("call", String::new()),
            Event::Start => ("start", String::new()),
            Event::End => ("end", String::new()),
            Event::Fail => ("fail", String::new()),
            Event::Return(digest) => ("return", format!(" {digest}")),
            Event::Gone => ("gone", String::new()),
            // A line break in an error would make two lines of one.
            Event::Error(error) => ("error", format!(" {}", error.replace(['\n', '\r'], " "))),
        };
        let Self { at, process, pid, caller, .. } = self;
        format!("{}.{:09} {process} {pid} {caller} {name}{text}\n", at.as_secs(), at.subsec_nanos())
    }

    /// Reads one line back; `None` if it is not one.
    pub(crate) fn from_line(line: &str) -> Option<Self> {
        let mut words = line.splitn(6, ' ');
        let (seconds, nanos) = words.next()?.split_once('.')?;
        let at = Duration::new(seconds.parse().ok()?, nanos.parse().ok()?);
        let process = words.next()?.parse().ok()?;
        let pid = words.next()?.parse().ok()?;
        let caller = words.next()?.parse().ok()?;
        let event = match words.next()? {
            "call" => Event::Call,
            "start" => Event::Start,
            "end" => Event::End,
            "fail" => Event::Fail,
            "return" => Event::Return(words.next()?.to_owned()),
            "gone" => Event::Gone,
            "error" => Event::Error(words.next().unwrap_or_default().to_owned()),
            _ => return None,
        };
        Some(Self { at, process, pid, caller, event })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_back() {
        let events = [
            Event::Call,
            Event::Start,
            Event::End,
            Event::Fail,
            Event::Return("ba7816bf".into()),
            Event::Error("two  words".into()),
        ];
        for event in events {
            let entry = Entry { at: Duration::new(12, 345), process: 3, pid: 4567, caller: 49, event };
            assert_eq!(Entry::from_line(entry.to_line().trim_end_matches('\n')), Some(entry));
        }
    }

    #[test]
    fn half_a_line_is_none() {
        assert_eq!(Entry::from_line("1.000000000 0 71 0"), None);
        assert_eq!(Entry::from_line("1.000000000 0 71 0 sta"), None);
    }
}
