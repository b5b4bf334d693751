//! What is printed, and what is kept.

use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::check::Violation;
use crate::scenario::Outcome;
use crate::{Fallible, draw};

/// How many violations of one run are shown, and how many are drawn.
const SHOWN: usize = 5;
const DRAWN: usize = 3;

/// The last line.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Figures {
    pub(crate) scenarios: u64,
    pub(crate) grants: u64,
    pub(crate) faults: u64,
    pub(crate) violations: u64,
    pub(crate) controls: u64,
    pub(crate) controls_caught: u64,
}

/// The figures of a scenario over all its seeds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) grants: u64,
    pub(crate) faults: u64,
    pub(crate) violations: u64,
    double_grants: u64,
    refused_writes: u64,
    without_result: u64,
    /// Why it proves nothing, where it does not.
    pub(crate) inconclusive: Option<String>,
}

impl Row {
    pub(crate) fn of(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    pub(crate) fn add(&mut self, outcome: &Outcome) {
        self.grants += outcome.verdict.grants;
        self.faults += outcome.faults;
        self.violations += u64::try_from(outcome.verdict.violations.len()).unwrap_or(u64::MAX);
        self.double_grants += outcome.verdict.double_grants;
        self.refused_writes += outcome.verdict.refused_writes;
        self.without_result += outcome.verdict.without_result;
    }

    fn note(&self) -> String {
        let mut notes: Vec<String> = self.inconclusive.clone().into_iter().collect();
        if self.double_grants > 0 {
            notes.push(format!("{} double grants after lost keys", self.double_grants));
        }
        if self.refused_writes > 0 {
            notes.push(format!("{} stale writes refused", self.refused_writes));
        }
        if self.without_result > 0 {
            notes.push(format!("{} bodies left no result", self.without_result));
        }
        notes.join("; ")
    }
}

pub(crate) fn table(rows: &[Row]) {
    println!("{:<14} {:>9} {:>8} {:>11}  note", "scenario", "grants", "faults", "violations");
    for row in rows {
        let line = format!(
            "{:<14} {:>9} {:>8} {:>11}  {}",
            row.name,
            row.grants,
            row.faults,
            row.violations,
            row.note()
        );
        println!("{}", line.trim_end());
    }
}

/// Keeps what a run that failed has left in `dir`: says what is wrong, and draws the first few.
///
/// # Errors
/// If something can't be written.
pub(crate) fn keep(outcome: &Outcome, dir: &Path) -> Fallible<()> {
    let violations = &outcome.verdict.violations;
    let all: Vec<_> = violations.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
    fs::write(dir.join("violations.jsonl"), all.join("\n") + "\n")?;
    for violation in violations.iter().take(SHOWN) {
        eprintln!("  {violation}");
    }
    if violations.len() > SHOWN {
        eprintln!("  and {} more", violations.len() - SHOWN);
    }
    for (number, violation) in violations.iter().take(DRAWN).enumerate() {
        draw::draw(&outcome.evidence, violation, &dir.join(format!("violation-{number}.svg")))?;
    }
    eprintln!("  the history is in {}", dir.display());
    Ok(())
}

/// One line for a control.
pub(crate) fn control(name: &str, caught: Option<&Violation>) {
    match caught {
        Some(violation) => println!("control {name}: caught, {:?}: {}", violation.property, violation.text),
        None => println!("control {name}: NOT CAUGHT"),
    }
}
