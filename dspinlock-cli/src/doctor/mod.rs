//! `doctor`: checks the server, and says what to change.

mod facts;
mod judge;
#[cfg(test)]
mod tests;
mod trial;

use crate::args::Doctor as DoctorArgs;
use crate::exit::{Code, Result};
use crate::say;
use crate::server::Access;
use judge::{Finding, Verdict};
use schemars::JsonSchema;
use serde::Serialize;

/// What `doctor` writes.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Report {
    pub(crate) findings: Vec<Finding>,
    /// Whether nothing has to change: no finding is `bad`.
    pub(crate) healthy: bool,
}

pub(crate) fn run(access: &Access, args: &DoctorArgs, json: bool) -> Result<Code> {
    let facts = facts::gather(access);
    let mut findings = judge::judge(&facts);
    if !args.read_only && facts.servers.as_ref().is_ok_and(|servers| !servers.is_empty()) {
        findings.extend(judge::of_trial(&trial::run(access)));
    }
    let healthy = findings.iter().all(|finding| finding.verdict != Verdict::Bad);
    let unreachable = facts.servers.is_err();
    let report = Report { findings, healthy };
    (if json { say::print_json(&report) } else { say::print(&shown(&report)) })?;
    Ok(match (unreachable, healthy) {
        (true, _) => Code::Unavailable,
        (false, true) => Code::Done,
        (false, false) => Code::No,
    })
}

fn shown(report: &Report) -> String {
    let mut text = String::new();
    for Finding { check, verdict, what, change } in &report.findings {
        let (style, word) = match verdict {
            Verdict::Good => (say::GOOD, "good"),
            Verdict::Note => (say::NOTE, "note"),
            Verdict::Bad => (say::BAD, "BAD "),
            Verdict::Unknown => (say::DIM, "?   "),
        };
        text.extend([&*say::styled(style, word), &format!("  {check:<12}  "), &say::plain(what), "\n"]);
        if let Some(change) = change {
            text.extend(["                    -> ", &say::plain(change), "\n"]);
        }
    }
    text
}
