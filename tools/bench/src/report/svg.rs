//! A chart for each row: a bar for each contestant, and the spread of its samples on it.

use super::table::figure;
use crate::Fallible;
use crate::measure::{Measured, Spread};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::path::Path;

const WIDTH: u32 = 960;
const TOP: i32 = 76;
const BAR: i32 = 20;
const STEP: i32 = 32;
const LEFT: i32 = 190;
/// Where the longest bar ends; the figures stand to the right of it.
const RIGHT: i32 = 700;

const OURS: RGBColor = RGBColor(84, 146, 214);
const BARE: RGBColor = RGBColor(150, 150, 150);
const OTHERS: RGBColor = RGBColor(204, 210, 218);
const INK: RGBColor = RGBColor(30, 30, 30);
const FAINT: RGBColor = RGBColor(110, 110, 110);

/// Draws `DIR/ROW.svg`; `place` is the line that says when and where it was measured.
pub(super) fn draw(row: &Measured, dir: &Path, place: &str) -> Fallible<()> {
    let bars: Vec<(&str, Spread, Option<Spread>)> = (row.standings.iter())
        .filter(|standing| !standing.values().is_empty())
        .map(|standing| (standing.name.as_str(), Spread::of(standing.values()), row.ratio(standing)))
        .collect();
    let spreads: Vec<Spread> = bars.iter().map(|(_, spread, _)| *spread).collect();
    let scale = Scale::of(&spreads);
    let height = u32::try_from(TOP)? + u32::try_from(STEP)? * u32::try_from(bars.len().max(1))? + 34;
    let file = dir.join(format!("{}.svg", row.row));
    let area = SVGBackend::new(&file, (WIDTH, height)).into_drawing_area();
    // A picture on a page of any colour.
    area.fill(&WHITE)?;
    let text = |words: &str, at: (i32, i32), size: i32, colour: &RGBColor, side: HPos| -> Fallible<()> {
        let style = ("sans-serif", size).into_font().color(colour).pos(Pos::new(side, VPos::Center));
        Ok(area.draw(&Text::new(words.to_owned(), at, style))?)
    };
    text(row.row, (16, 24), 20, &INK, HPos::Left)?;
    let logarithmic = if scale.logarithmic { ", logarithmic" } else { "" };
    let better = if matches!(row.unit, "ops/s" | "sections/s" | "share") { "more" } else { "less" };
    let subtitle = format!("{} ({}{logarithmic}; {better} is better)", row.what, row.unit);
    text(&subtitle, (16, 50), 14, &FAINT, HPos::Left)?;
    for ((name, spread, ratio), number) in bars.iter().zip(0..) {
        let (top, middle) = (TOP + STEP * number, TOP + STEP * number + BAR / 2);
        let colour = match *name {
            name if name.starts_with("dspinlock") => OURS,
            name if name.starts_with("bare") => BARE,
            _ => OTHERS,
        };
        text(name, (LEFT - 10, middle), 14, &INK, HPos::Right)?;
        let end = scale.at(spread.median);
        area.draw(&Rectangle::new([(LEFT, top), (end, top + BAR)], colour.filled()))?;
        let (low, high) = (scale.at(spread.min), scale.at(spread.max));
        area.draw(&PathElement::new(vec![(low, middle), (high, middle)], INK.stroke_width(2)))?;
        for tip in [low, high] {
            area.draw(&PathElement::new(vec![(tip, middle - 5), (tip, middle + 5)], INK.stroke_width(2)))?;
        }
        let ratio = ratio.map_or_else(String::new, |ratio| format!(", {} × bare", figure(ratio.median)));
        let label = format!("{} {}{ratio}", figure(spread.median), row.unit);
        text(&label, (end.max(high) + 10, middle), 13, &INK, HPos::Left)?;
    }
    let foot = i32::try_from(height)? - 18;
    text(&format!("{place}; {} repeats", row.repeats()), (16, foot), 12, &FAINT, HPos::Left)?;
    Ok(area.present()?)
}

/// From figures to pixels; logarithmic where the greatest would leave nothing to see of the others.
struct Scale {
    logarithmic: bool,
    least: f64,
    greatest: f64,
}

impl Scale {
    fn of(spreads: &[Spread]) -> Self {
        let greatest = spreads.iter().map(|spread| spread.max).fold(1e-9, f64::max);
        let least =
            spreads.iter().map(|spread| spread.min).filter(|&min| min > 0.0).fold(f64::INFINITY, f64::min);
        let logarithmic = greatest / least > 40.0;
        // A bar that has no length looks as if it were missing.
        Self { logarithmic, least: if logarithmic { least / 2.0 } else { 0.0 }, greatest }
    }

    #[expect(clippy::cast_possible_truncation, reason = "a share of a few hundred pixels")]
    fn at(&self, value: f64) -> i32 {
        let share = if self.logarithmic {
            (value.max(self.least) / self.least).ln() / (self.greatest / self.least).ln()
        } else {
            value / self.greatest
        };
        LEFT + (share * f64::from(RIGHT - LEFT)).round() as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Sample, Standing};

    #[test]
    fn a_chart_names_everybody_and_stays_inside() {
        let standing = |name: &str, value: f64| Standing {
            name: name.to_owned(),
            samples: Ok(vec![Sample::new(value), Sample::new(value * 2.0)]),
        };
        let standings = vec![standing("bare", 10.0), standing("dspinlock", 12.0), standing("slow", 90_000.0)];
        let row = Measured { row: "chart_of_the_test", what: "a test", unit: "us", standings };
        let dir = std::env::temp_dir();
        draw(&row, &dir, "2026-01-31, a machine").unwrap();
        let file = dir.join("chart_of_the_test.svg");
        let chart = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        for word in ["bare", "dspinlock", "slow", "a machine", "logarithmic"] {
            assert!(chart.contains(word), "{word} is missing");
        }
        let scale = Scale::of(&[Spread { min: 10.0, median: 20.0, max: 90_000.0 }]);
        assert!(scale.at(90_000.0) == RIGHT && scale.at(0.0) == LEFT && scale.at(10.0) > LEFT);
    }
}
