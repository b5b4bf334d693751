//! The timeline around a violation, as SVG: a lane for each operation on the key, and what the server had.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use dspinlock_testkit::svg::{Axis, INK, Picture as Svg, Side, number};

use crate::check::{Evidence, Operation, Violation, operations};
use crate::faults::{Entry, Fault};
use crate::truth::{Truth, Turn};

const WIDTH: f64 = 1200.0;
const TOP: f64 = 76.0;
const BOTTOM: f64 = 50.0;
const LEFT: f64 = 150.0;
const RIGHT: f64 = 24.0;
const LANE: f64 = 18.0;

/// How much is shown before and after the violation.
const AROUND: u64 = 900_000;
/// How many operations are shown at the most, besides those that the violation names.
const MOST_LANES: usize = 24;

const WAITING: &str = "#a3c4e4";
const HOLDING: &str = "#de541e";
const BLOCKED: &str = "#787882";
const FAULT: &str = "#fde8dc";
const WRONG: &str = "#6e145a";

/// Draws what happened around `violation` into `file`.
///
/// # Errors
/// If the file can't be written.
pub(crate) fn draw(evidence: &Evidence, violation: &Violation, file: &Path) -> io::Result<()> {
    Picture::of(evidence, violation).paint().save(file)
}

struct Picture<'a> {
    violation: &'a Violation,
    operations: Vec<Operation>,
    turns: Vec<Turn>,
    faults: Vec<&'a Fault>,
    from: u64,
    to: u64,
}

impl<'a> Picture<'a> {
    fn of(evidence: &'a Evidence, violation: &'a Violation) -> Self {
        let (from, to) = (violation.at.saturating_sub(AROUND), violation.at + AROUND);
        let named: HashSet<&str> = violation.ops.iter().map(String::as_str).collect();
        let mut shown = operations(&evidence.events, &evidence.entries);
        let meanwhile = |start: u64, end: u64| start <= to && end >= from;
        shown.retain(|operation| {
            operation.key == violation.key && meanwhile(operation.invoked, operation.ended())
        });
        // Those that it is about come first, then those that held something, the nearest in time first.
        shown.sort_by_key(|operation| {
            let held = operation.held().is_some();
            let near = operation.granted.map_or(operation.invoked, |(at, _)| at).abs_diff(violation.at);
            (!named.contains(&*operation.op), !held, near)
        });
        shown.truncate(MOST_LANES.max(named.len()));
        shown.sort_by_key(|operation| operation.invoked);
        let mut turns: Vec<_> = Truth::of(evidence.facts.clone()).at(violation.key).cloned().collect();
        turns.retain(|turn| meanwhile(turn.since, turn.over()));
        let fault = |entry: &'a Entry| if let Entry::Fault(fault) = entry { Some(fault) } else { None };
        let faults = evidence.entries.iter().filter_map(fault);
        let faults = faults.filter(|fault| meanwhile(fault.from, fault.to)).collect();
        Self { violation, operations: shown, turns, faults, from, to }
    }

    /// Milliseconds from the violation on.
    fn ms(&self, at: u64) -> f64 {
        let at = at.clamp(self.from, self.to);
        let distance = u32::try_from(at.abs_diff(self.violation.at)).map_or(f64::MAX, f64::from) / 1e3;
        if at < self.violation.at { -distance } else { distance }
    }

    fn paint(&self) -> Svg {
        let lanes = self.operations.len();
        let bottom = lane_top(lanes + 2);
        let mut svg = Svg::new(WIDTH, bottom + BOTTOM);
        let title = format!("{:?}: {}", self.violation.property, self.violation.text);
        svg.text((14.0, 20.0), Side::Right, 14, INK, &title);
        let legend = [
            (WAITING, "waits"),
            (HOLDING, "holds, as far as it knows"),
            (BLOCKED, "BLOCKED in the server"),
            (FAULT, "a fault"),
            (WRONG, "the violation"),
        ];
        svg.legend((14.0, 48.0), legend);
        let axis = Axis::new((self.ms(self.from), self.ms(self.to)), (LEFT, WIDTH - RIGHT));
        let x = |at| axis.at(self.ms(at));
        for fault in &self.faults {
            svg.rect((x(fault.from), TOP), (x(fault.to).max(x(fault.from) + 1.0), bottom), FAULT);
        }
        let unit = format!("milliseconds around {} of the boot clock", self.violation.at);
        svg.axis(&axis, TOP, bottom, &unit);
        // However short it is, it is to be seen.
        let span = |svg: &mut Svg, lane, from, to, colour| {
            let (top, from, to) = (lane_top(lane), x(from), x(to));
            svg.rect((from, top), (to.max(from + 1.0), top + LANE - 3.0), colour);
        };
        for (lane, operation) in self.operations.iter().enumerate() {
            let asked_until = operation.granted.map_or(operation.ended(), |(at, _)| at);
            span(&mut svg, lane, operation.invoked, asked_until, WAITING);
            if let Some((from, to)) = operation.held() {
                span(&mut svg, lane, from, to, HOLDING);
            }
            let colour = if self.violation.ops.contains(&operation.op) { WRONG } else { INK };
            name(&mut svg, lane, &format!("operation {}", operation.op), colour);
        }
        for turn in &self.turns {
            span(&mut svg, lanes, turn.since, turn.over(), BLOCKED);
        }
        name(&mut svg, lanes, "the server's record", INK);
        for fault in &self.faults {
            let slot = fault.slot.map_or_else(String::new, |slot| format!(" ({slot})"));
            let at = (x(fault.from), lane_top(lanes + 1) + LANE / 2.0);
            svg.text(at, Side::Right, 10, INK, &format!("{}{slot}", fault.name));
        }
        name(&mut svg, lanes + 1, "faults (process)", INK);
        let at = x(self.violation.at);
        svg.line((at, TOP), (at, bottom), WRONG, 2.0);
        svg
    }
}

fn lane_top(lane: usize) -> f64 {
    TOP + LANE * number(lane)
}

/// Writes the name of a lane to its left.
fn name(svg: &mut Svg, lane: usize, text: &str, colour: &str) {
    svg.text((LEFT - 10.0, lane_top(lane) + LANE / 2.0), Side::Left, 11, colour, text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Property;
    use crate::faults::Loss;
    use crate::history::{Call, Event, What};

    #[test]
    fn a_picture_names_who_and_what() {
        let event = |at, what| Event { at, process: 7, op: "7-1".to_owned(), key: 1, what };
        let fault = Fault {
            name: "freeze".to_owned(),
            from: 2_050_000,
            to: 2_400_000,
            slot: Some(7),
            loses: Loss::Nothing,
            away: true,
        };
        let evidence = Evidence {
            events: vec![
                event(2_000_000, What::Invoke { call: Call::Lock, budget: 9 }),
                event(2_001_000, What::Ok { fence: 5, deadline: 2_300_000 }),
            ],
            entries: vec![Entry::Fault(fault)],
            ..Evidence::default()
        };
        let violation = Violation::new(Property::P7, 2_350_000, 1, "it goes on").of(&["7-1"]);
        let file = std::env::temp_dir().join(format!("nemesis-picture-{}.svg", std::process::id()));
        draw(&evidence, &violation, &file).unwrap();
        let svg = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        for text in ["P7: it goes on", "operation 7-1", "freeze (7)"] {
            assert!(svg.contains(text), "{text} is missing");
        }
    }
}
