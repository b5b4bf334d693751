//! The picture of a run: a lane for each caller, time from left to right.

use std::path::Path;
use std::time::Duration;

use dspinlock_testkit::svg::{Axis, INK, Picture as Svg, Side, number};

use crate::Failure;
use crate::args::Mode;
use crate::outcome::{Caller, Outcome};

const WIDTH: f64 = 1200.0;
const TOP: f64 = 84.0;
const BOTTOM: f64 = 52.0;
const LEFT: f64 = 104.0;
const RIGHT: f64 = 26.0;

/// The lanes together are about this high, however many there are.
const LANES_HEIGHT: usize = 640;
/// Between the lanes of two processes.
const GAP: f64 = 10.0;

const WAITING: &str = "#a3c4e4";
const COMPUTING: &str = "#de541e";
const FAILED: &str = "#6e145a";
const WHILE_COMPUTING: &str = "#fde8dc";

/// With more computations than this the stripes behind the lanes would cover everything.
const MOST_STRIPES: usize = 12;

/// Draws the run that began at `begun` into `file`, as SVG.
pub(crate) fn draw(outcome: &Outcome, begun: Duration, mode: Mode, file: &Path) -> Result<(), Failure> {
    let svg = Picture::of(outcome, begun).paint(&title(outcome, mode));
    svg.save(file).map_err(|error| format!("{}: {error}", file.display()).into())
}

/// Where everything goes: x in milliseconds or seconds, y in pixels.
struct Picture<'a> {
    outcome: &'a Outcome,
    begun: Duration,
    /// The name of the unit of time, and how many of them a second has.
    unit: (&'static str, f64),
    axis: Axis,
    lane: f64,
    bottom: f64,
}

impl<'a> Picture<'a> {
    fn of(outcome: &'a Outcome, begun: Duration) -> Self {
        let callers: Vec<&Caller> = outcome.callers().collect();
        let last =
            callers.iter().filter_map(|caller| caller.over()).max().unwrap_or(begun).saturating_sub(begun);
        let unit = if last < Duration::from_secs(10) { ("ms", 1e3) } else { ("s", 1.0) };
        let end = (last.as_secs_f64() * unit.1 * 1.02).max(1.0);
        let lane = match LANES_HEIGHT / callers.len().max(1) {
            // With that many, lanes share pixels.
            0 => number(LANES_HEIGHT) / number(callers.len()),
            lane => number(lane.min(16)),
        };
        let gaps = GAP * number(outcome.processes.len() + 1);
        let bottom = TOP + (lane * number(callers.len()) + gaps).ceil();
        let axis = Axis::new((0.0, end), (LEFT, WIDTH - RIGHT));
        Self { outcome, begun, unit, axis, lane, bottom }
    }

    fn x(&self, at: Duration) -> f64 {
        self.axis.at(at.saturating_sub(self.begun).as_secs_f64() * self.unit.1)
    }

    fn paint(&self, title: &str) -> Svg {
        let mut svg = Svg::new(WIDTH, self.bottom + BOTTOM);
        svg.text((LEFT, 18.0), Side::Right, 18, INK, title);
        svg.legend((LEFT, 52.0), self.legend());
        if has_stripes(self.outcome) {
            // Shown over all lanes while a computation runs.
            for (start, end) in self.outcome.callers().filter_map(Caller::computing) {
                svg.rect((self.x(start), TOP), (self.x(end), self.bottom), WHILE_COMPUTING);
            }
        }
        let unit = format!("time since the callers were let go ({})", self.unit.0);
        svg.axis(&self.axis, TOP, self.bottom, &unit);
        let mut y = TOP;
        for (process, callers) in &self.outcome.processes {
            y += GAP;
            let mut callers: Vec<&Caller> = callers.callers.values().collect();
            // In the order in which they got the report.
            callers.sort_by_key(|caller| {
                (caller.started.or(caller.over()).unwrap_or(Duration::MAX), caller.called)
            });
            let height = self.lane * number(callers.len());
            name(&mut svg, *process, callers.len(), y + height / 2.0, height > 36.0);
            for caller in callers {
                self.lane(&mut svg, y, caller);
                y += self.lane;
            }
        }
        svg
    }

    /// One caller: how long it waited, then how long it computed; a dark end where it got an error.
    fn lane(&self, svg: &mut Svg, y: f64, caller: &Caller) {
        let Some(begun) = caller.called else { return };
        let bottom = y + if self.lane >= 3.0 { self.lane - 1.0 } else { self.lane };
        let over = caller.over().map_or(WIDTH - RIGHT, |at| self.x(at));
        let waited = caller.started.map_or(over, |at| self.x(at));
        svg.rect((self.x(begun), y), (waited, bottom), WAITING);
        // The most important parts stay visible however short and narrow they are.
        let (least, below) = (3.0, if self.lane < 5.0 { y + 4.0 } else { bottom });
        if let Some((started, ended)) = caller.computing() {
            let (started, ended) = (self.x(started), self.x(ended));
            svg.rect((started, y), (ended.max(started + least), below), COMPUTING);
        }
        if caller.failed() {
            svg.rect((over - least, y), (over, below), FAILED);
        }
    }

    fn legend(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let entries = [
            (WAITING, "waiting", true),
            (COMPUTING, "holding the lock, computing", true),
            (WHILE_COMPUTING, "while one of them computes", has_stripes(self.outcome)),
            (FAILED, "an error, or the end of the process", self.outcome.callers().any(Caller::failed)),
        ];
        entries.into_iter().filter(|(_, _, shown)| *shown).map(|(colour, meaning, _)| (colour, meaning))
    }
}

/// Writes the name of a process to the left of its lanes.
fn name(svg: &mut Svg, process: usize, callers: usize, y: f64, room_for_two: bool) {
    let x = LEFT - 10.0;
    let up = if room_for_two { 9.0 } else { 0.0 };
    svg.text((x, y - up), Side::Left, 12, INK, &format!("process {process}"));
    if room_for_two {
        svg.text((x, y + 9.0), Side::Left, 11, INK, &format!("{callers} callers"));
    }
}

fn has_stripes(outcome: &Outcome) -> bool {
    (1..=MOST_STRIPES).contains(&outcome.starts())
}

fn title(outcome: &Outcome, mode: Mode) -> String {
    let callers = outcome.callers().count();
    let processes = outcome.processes.len();
    let computed = outcome.computations();
    let what = match mode {
        Mode::Cached => format!("{computed} computed the report, {} were given it", outcome.served()),
        Mode::Lock if outcome.overlaps == 0 => format!("{computed} computed the report, one at a time"),
        Mode::Lock => format!("{computed} computed the report, {} while another did", outcome.overlaps),
    };
    let failed = match outcome.callers().filter(|caller| caller.failed()).count() {
        0 => String::new(),
        failed => format!(", {failed} got none"),
    };
    let plural = if processes == 1 { "process" } else { "processes" };
    format!("{callers} callers in {processes} {plural}: {what}{failed}")
}
