//! The timeline around a violation, as SVG: a lane for each operation on the key, and what the server had.

use std::collections::HashSet;
use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::check::{Evidence, Operation, Violation, operations};
use crate::faults::{Entry, Fault};
use crate::truth::{Truth, Turn};

const WIDTH: u32 = 1200;
const TOP: u32 = 76;
const BOTTOM: u32 = 50;
const LEFT: u32 = 150;
const RIGHT: u32 = 24;
const LANE: u32 = 18;

/// How much is shown before and after the violation.
const AROUND: u64 = 900_000;
/// How many operations are shown at the most, besides those that the violation names.
const MOST_LANES: usize = 24;

const WAITING: RGBColor = RGBColor(163, 196, 228);
const HOLDING: RGBColor = RGBColor(222, 84, 30);
const BLOCKED: RGBColor = RGBColor(120, 120, 130);
const FAULT: RGBColor = RGBColor(253, 232, 220);
const WRONG: RGBColor = RGBColor(110, 20, 90);
const INK: RGBColor = RGBColor(45, 45, 50);

type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Draws what happened around `violation` into `file`.
///
/// # Errors
/// If the file can't be written.
pub(crate) fn draw(
    evidence: &Evidence,
    violation: &Violation,
    file: &Path,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    Picture::of(evidence, violation)
        .paint(file)
        .map_err(|error| format!("{}: {error}", file.display()).into())
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
    fn x(&self, at: u64) -> f64 {
        let at = at.clamp(self.from, self.to);
        let distance = u32::try_from(at.abs_diff(self.violation.at)).map_or(f64::MAX, f64::from) / 1e3;
        if at < self.violation.at { -distance } else { distance }
    }

    fn lanes(&self) -> u32 {
        u32::try_from(self.operations.len()).unwrap_or_default() + 2
    }

    fn paint(&self, file: &Path) -> Result<(), Box<dyn Error>> {
        let height = self.lanes() * LANE;
        let canvas = SVGBackend::new(file, (WIDTH, TOP + BOTTOM + height)).into_drawing_area();
        canvas.fill(&WHITE)?;
        write(
            &canvas,
            &format!("{:?}: {}", self.violation.property, self.violation.text),
            (14, 20),
            17,
            HPos::Left,
        )?;
        legend(&canvas)?;
        let mut chart = ChartBuilder::on(&canvas)
            .margin_top(TOP)
            .margin_right(RIGHT)
            .x_label_area_size(BOTTOM)
            .y_label_area_size(LEFT)
            .build_cartesian_2d(self.x(self.from)..self.x(self.to), 0.0..f64::from(height))?;
        for fault in &self.faults {
            let to = self.x(fault.to).max(self.x(fault.from) + 2.0);
            bar(&mut chart, (self.x(fault.from), to), (0.0, f64::from(height)), FAULT)?;
        }
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .y_labels(0)
            .x_labels(12)
            .x_label_formatter(&|x| format!("{x:.0}"))
            .x_desc(format!("milliseconds around {} of the boot clock", self.violation.at))
            .axis_style(INK)
            .light_line_style(TRANSPARENT)
            .bold_line_style(INK.mix(0.12))
            .label_style(("sans-serif", 13, &INK))
            .draw()?;
        for (lane, operation) in (0..).zip(&self.operations) {
            self.operation(&mut chart, &canvas, lane, operation)?;
        }
        let lane = self.lanes() - 2;
        for turn in &self.turns {
            self.span(&mut chart, lane, turn.since, turn.over(), BLOCKED)?;
        }
        name(&canvas, lane, "the server's record", INK)?;
        for fault in &self.faults {
            let slot = fault.slot.map_or_else(String::new, |slot| format!(" ({slot})"));
            let (x, y) = chart.backend_coord(&(self.x(fault.from), self.y(self.lanes() - 1) + 7.0));
            write(&canvas, &format!("{}{slot}", fault.name), (x, y), 11, HPos::Left)?;
        }
        name(&canvas, self.lanes() - 1, "faults (process)", INK)?;
        bar(&mut chart, (-1.5, 1.5), (0.0, f64::from(height)), WRONG)?;
        canvas.present()?;
        Ok(())
    }

    fn operation(
        &self,
        chart: &mut Chart<'_, '_>,
        canvas: &Canvas<'_>,
        lane: u32,
        operation: &Operation,
    ) -> Result<(), Box<dyn Error>> {
        let asked_until = operation.granted.map_or(operation.ended(), |(at, _)| at);
        self.span(chart, lane, operation.invoked, asked_until, WAITING)?;
        if let Some((from, to)) = operation.held() {
            self.span(chart, lane, from, to, HOLDING)?;
        }
        let colour = if self.violation.ops.contains(&operation.op) { WRONG } else { INK };
        name(canvas, lane, &format!("operation {}", operation.op), colour)
    }

    /// The lower edge of a lane, from below.
    fn y(&self, lane: u32) -> f64 {
        f64::from((self.lanes() - 1 - lane) * LANE)
    }

    fn span(
        &self,
        chart: &mut Chart<'_, '_>,
        lane: u32,
        from: u64,
        to: u64,
        colour: RGBColor,
    ) -> Result<(), Box<dyn Error>> {
        let (from, to) = (self.x(from), self.x(to));
        // However short it is, it is to be seen.
        bar(chart, (from, to.max(from + 1.5)), (self.y(lane) + 3.0, self.y(lane) + f64::from(LANE)), colour)
    }
}

/// Writes left of a lane what it is.
fn name(canvas: &Canvas<'_>, lane: u32, text: &str, colour: RGBColor) -> Result<(), Box<dyn Error>> {
    let (x, y) = (i32::try_from(LEFT)? - 10, i32::try_from(TOP + lane * LANE + LANE / 2)?);
    let style = ("sans-serif", 13).into_font().color(&colour).pos(Pos::new(HPos::Right, VPos::Center));
    canvas.draw(&Text::new(text.to_owned(), (x, y), style))?;
    Ok(())
}

fn bar(
    chart: &mut Chart<'_, '_>,
    (from, to): (f64, f64),
    (below, above): (f64, f64),
    colour: RGBColor,
) -> Result<(), Box<dyn Error>> {
    chart.draw_series([Rectangle::new([(from, below), (to, above)], colour.filled())])?;
    Ok(())
}

fn legend(canvas: &Canvas<'_>) -> Result<(), Box<dyn Error>> {
    let entries = [
        (WAITING, "waits"),
        (HOLDING, "holds, as far as it knows"),
        (BLOCKED, "BLOCKED in the server"),
        (FAULT, "a fault"),
        (WRONG, "the violation"),
    ];
    let mut x = 14;
    for (colour, meaning) in entries {
        canvas.draw(&Rectangle::new([(x, 42), (x + 22, 54)], colour.filled()))?;
        write(canvas, meaning, (x + 30, 48), 14, HPos::Left)?;
        x += 64 + i32::try_from(meaning.len())? * 7;
    }
    Ok(())
}

fn write(
    canvas: &Canvas<'_>,
    text: &str,
    at: (i32, i32),
    size: i32,
    anchor: HPos,
) -> Result<(), Box<dyn Error>> {
    let style = ("sans-serif", size).into_font().color(&INK).pos(Pos::new(anchor, VPos::Center));
    canvas.draw(&Text::new(text.to_owned(), at, style))?;
    Ok(())
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
