//! What the parent prints at the end.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::Value;

use crate::outcome::{Outcome, Process};

/// Prints a row for each process and one for all, and below them the errors that callers got.
pub(crate) fn table(out: &mut impl Write, outcome: &Outcome) -> io::Result<()> {
    writeln!(out, "process      pid  callers  computations   served  longest wait")?;
    for (number, process) in &outcome.processes {
        row(out, &number.to_string(), &process.pid.to_string(), &[process])?;
    }
    let all: Vec<&Process> = outcome.processes.values().collect();
    row(out, "all", "", &all)?;
    for (error, callers) in outcome.errors() {
        writeln!(out, "{callers} of the callers got this error: {error}")?;
    }
    Ok(())
}

fn row(out: &mut impl Write, name: &str, pid: &str, processes: &[&Process]) -> io::Result<()> {
    let callers: usize = processes.iter().map(|process| process.callers.len()).sum();
    let computations: usize = processes.iter().map(|process| process.computations).sum();
    let served: usize = processes.iter().map(|process| process.served()).sum();
    let wait =
        processes.iter().map(|process| process.longest_wait()).max().unwrap_or_default().as_secs_f64() * 1e3;
    writeln!(out, "{name:>7}  {pid:>7}  {callers:>7}  {computations:>12}  {served:>7}  {wait:>9.1} ms")
}

/// The figures that the log does not have.
pub(crate) struct Figures {
    pub(crate) processes: usize,
    pub(crate) callers: usize,
    pub(crate) errors: usize,
    pub(crate) commands: u64,
    pub(crate) took: Duration,
    pub(crate) backend: &'static str,
}

impl Figures {
    /// The last line of the output: one JSON object, always with these fields in this order.
    pub(crate) fn line(&self, outcome: &Outcome) -> String {
        let fields: [(&str, Value); 11] = [
            ("processes", self.processes.into()),
            ("callers", self.callers.into()),
            ("starts", outcome.starts().into()),
            ("computations", outcome.computations().into()),
            // Callers that were told that the work is done: none, since all get the report.
            ("skipped", 0.into()),
            ("served", outcome.served().into()),
            ("errors", self.errors.into()),
            ("overlaps", outcome.overlaps.into()),
            ("commands", self.commands.into()),
            ("seconds", ((self.took.as_secs_f64() * 1e3).round() / 1e3).into()),
            ("backend", self.backend.into()),
        ];
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", fields.join(","))
    }
}
