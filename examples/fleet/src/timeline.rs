//! The picture of a run: a lane for each caller, time from left to right.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::Failure;
use crate::args::Mode;
use crate::outcome::{Caller, Outcome};

const WIDTH: u32 = 1200;
const TOP: u32 = 84;
const BOTTOM: u32 = 52;
const LEFT: u32 = 104;
const RIGHT: u32 = 26;

/// The lanes together are about this high, however many there are.
const LANES_HEIGHT: usize = 640;
/// Between the lanes of two processes.
const GAP: f64 = 10.0;

const WAITING: RGBColor = RGBColor(163, 196, 228);
const COMPUTING: RGBColor = RGBColor(222, 84, 30);
const FAILED: RGBColor = RGBColor(110, 20, 90);
const WHILE_COMPUTING: RGBColor = RGBColor(253, 232, 220);
const INK: RGBColor = RGBColor(45, 45, 50);

/// With more computations than this the stripes behind the lanes would cover everything.
const MOST_STRIPES: usize = 12;

type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Draws the run that began at `begun` into `file`, as SVG.
pub(crate) fn draw(outcome: &Outcome, begun: Duration, mode: Mode, file: &Path) -> Result<(), Failure> {
    paint(&Picture::of(outcome, begun), &title(outcome, mode), file)
        .map_err(|error| format!("{}: {error}", file.display()).into())
}

/// Where everything goes: x in milliseconds or seconds, y in pixels from below.
struct Picture<'a> {
    outcome: &'a Outcome,
    begun: Duration,
    /// The name of the unit of time, and how many of them a second has.
    unit: (&'static str, f64),
    end: f64,
    lane: f64,
    height: f64,
}

/// The lanes of one process.
struct Group<'a> {
    number: usize,
    middle: f64,
    height: f64,
    /// Each caller with the lower edge of its lane.
    lanes: Vec<(f64, &'a Caller)>,
}

impl<'a> Picture<'a> {
    fn of(outcome: &'a Outcome, begun: Duration) -> Self {
        let callers: Vec<&Caller> = outcome.callers().collect();
        let last =
            callers.iter().filter_map(|caller| caller.over()).max().unwrap_or(begun).saturating_sub(begun);
        let unit = if last < Duration::from_secs(10) { ("ms", 1e3) } else { ("s", 1.0) };
        let lane = match LANES_HEIGHT / callers.len().max(1) {
            // So many lanes share their pixels.
            0 => pixels(LANES_HEIGHT) / pixels(callers.len()),
            lane => pixels(lane.min(16)),
        };
        let gaps = GAP * pixels(outcome.processes.len() + 1);
        let height = (lane * pixels(callers.len()) + gaps).ceil();
        Self { outcome, begun, unit, end: (last.as_secs_f64() * unit.1 * 1.02).max(1.0), lane, height }
    }

    fn x(&self, at: Duration) -> f64 {
        at.saturating_sub(self.begun).as_secs_f64() * self.unit.1
    }

    /// The lanes of each process, from above; within a process those that were served first stand first.
    fn groups(&self) -> Vec<Group<'a>> {
        let mut y = self.height;
        let mut groups = Vec::new();
        for (number, process) in &self.outcome.processes {
            y -= GAP;
            let mut callers: Vec<&Caller> = process.callers.values().collect();
            callers.sort_by_key(|caller| {
                (caller.started.or(caller.over()).unwrap_or(Duration::MAX), caller.called)
            });
            let height = self.lane * pixels(callers.len());
            let middle = y - height / 2.0;
            let place = |caller| {
                y -= self.lane;
                (y, caller)
            };
            let lanes = callers.into_iter().map(place).collect();
            groups.push(Group { number: *number, middle, height, lanes });
        }
        groups
    }
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

fn paint(picture: &Picture<'_>, title: &str, file: &Path) -> Result<(), Box<dyn Error>> {
    let height = TOP + BOTTOM + whole(picture.height);
    let canvas = SVGBackend::new(file, (WIDTH, height)).into_drawing_area();
    canvas.fill(&WHITE)?;
    write(&canvas, title, (left(), 18), 22, HPos::Left)?;
    legend(&canvas, picture.outcome)?;
    let mut chart = ChartBuilder::on(&canvas)
        .margin_top(TOP)
        .margin_right(RIGHT)
        .x_label_area_size(BOTTOM)
        .y_label_area_size(LEFT)
        .build_cartesian_2d(0.0..picture.end, 0.0..picture.height)?;
    stripes(&mut chart, picture)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .y_labels(0)
        .x_labels(12)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .x_desc(format!("time since the callers were let go ({})", picture.unit.0))
        .axis_style(INK)
        .light_line_style(TRANSPARENT)
        .bold_line_style(INK.mix(0.12))
        .label_style(("sans-serif", 14, &INK))
        .axis_desc_style(("sans-serif", 15, &INK))
        .draw()?;
    for group in picture.groups() {
        for (y, caller) in &group.lanes {
            lane(&mut chart, picture, *y, caller)?;
        }
        name(&canvas, picture, &group)?;
    }
    canvas.present()?;
    Ok(())
}

/// Writes left of a process's lanes whose they are.
fn name(canvas: &Canvas<'_>, picture: &Picture<'_>, group: &Group<'_>) -> Result<(), Box<dyn Error>> {
    let (x, y) = (left() - 10, i32::try_from(TOP + whole(picture.height - group.middle))?);
    let room_for_two = group.height > 36.0;
    write(
        canvas,
        &format!("process {}", group.number),
        (x, y - if room_for_two { 9 } else { 0 }),
        15,
        HPos::Right,
    )?;
    if room_for_two {
        write(canvas, &format!("{} callers", group.lanes.len()), (x, y + 9), 13, HPos::Right)?;
    }
    Ok(())
}

fn has_stripes(outcome: &Outcome) -> bool {
    (1..=MOST_STRIPES).contains(&outcome.starts())
}

/// Shows over all lanes while a computation runs, so that the eye finds it.
fn stripes(chart: &mut Chart<'_, '_>, picture: &Picture<'_>) -> Result<(), Box<dyn Error>> {
    if !has_stripes(picture.outcome) {
        return Ok(());
    }
    let callers = picture.outcome.callers();
    for (start, end) in callers.filter_map(Caller::computing) {
        bar(chart, [(picture.x(start), 0.0), (picture.x(end), picture.height)], WHILE_COMPUTING)?;
    }
    Ok(())
}

/// One caller: how long it waited, then how long it computed; a dark end where it got an error.
fn lane(
    chart: &mut Chart<'_, '_>,
    picture: &Picture<'_>,
    y: f64,
    caller: &Caller,
) -> Result<(), Box<dyn Error>> {
    let Some(begun) = caller.called else { return Ok(()) };
    let top = y + if picture.lane >= 3.0 { picture.lane - 1.0 } else { picture.lane };
    let over = caller.over().map_or(picture.end, |at| picture.x(at));
    let waited = caller.started.map_or(over, |at| picture.x(at));
    bar(chart, [(picture.x(begun), y), (waited, top)], WAITING)?;
    // However short and narrow they are, what matters most is still to be seen.
    let (least, above) = (picture.end / 360.0, if picture.lane < 5.0 { y + 4.0 } else { top });
    if let Some((started, ended)) = caller.computing() {
        let (started, ended) = (picture.x(started), picture.x(ended));
        bar(chart, [(started, y), (ended.max(started + least), above)], COMPUTING)?;
    }
    if caller.failed() {
        bar(chart, [(over - least, y), (over, above)], FAILED)?;
    }
    Ok(())
}

fn bar(chart: &mut Chart<'_, '_>, corners: [(f64, f64); 2], colour: RGBColor) -> Result<(), Box<dyn Error>> {
    chart.draw_series([Rectangle::new(corners, colour.filled())])?;
    Ok(())
}

fn legend(canvas: &Canvas<'_>, outcome: &Outcome) -> Result<(), Box<dyn Error>> {
    let entries = [
        (WAITING, "waiting", true),
        (COMPUTING, "holding the lock, computing", true),
        (WHILE_COMPUTING, "while one of them computes", has_stripes(outcome)),
        (FAILED, "an error, or the end of the process", outcome.callers().any(Caller::failed)),
    ];
    let mut x = left();
    for (colour, meaning, _) in entries.into_iter().filter(|(_, _, shown)| *shown) {
        canvas.draw(&Rectangle::new([(x, 46), (x + 22, 58)], colour.filled()))?;
        write(canvas, meaning, (x + 30, 52), 15, HPos::Left)?;
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

fn left() -> i32 {
    i32::try_from(LEFT).unwrap_or_default()
}

/// A number of lanes or pixels as a coordinate.
fn pixels(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

/// A coordinate as a whole number of pixels.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is a height of the picture")]
fn whole(pixels: f64) -> u32 {
    pixels.max(0.0) as u32
}
