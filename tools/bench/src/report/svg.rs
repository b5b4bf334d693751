//! A chart for each row: a bar for each contestant, and the spread of its samples on it.

use super::table::figure;
use crate::Fallible;
use crate::measure::{Measured, Spread};
use dspinlock_testkit::svg::{INK, Picture, Side, number};
use std::path::Path;

const WIDTH: f64 = 960.0;
const TOP: f64 = 76.0;
const BAR: f64 = 20.0;
const STEP: f64 = 32.0;
const LEFT: f64 = 190.0;
/// Where the longest bar ends; the figures stand to the right of it.
const RIGHT: f64 = 700.0;

const OURS: &str = "#5492d6";
const BARE: &str = "#969696";
const OTHERS: &str = "#ccd2da";
const FAINT: &str = "#6e6e6e";

/// Draws `DIR/ROW.svg`; `place` is the line that says when and where it was measured.
pub(super) fn draw(row: &Measured, dir: &Path, place: &str) -> Fallible<()> {
    let bars: Vec<(&str, Spread, Option<Spread>)> = (row.standings.iter())
        .filter(|standing| !standing.values().is_empty())
        .map(|standing| (standing.name.as_str(), Spread::of(standing.values()), row.ratio(standing)))
        .collect();
    let spreads: Vec<Spread> = bars.iter().map(|(_, spread, _)| *spread).collect();
    let scale = Scale::of(&spreads);
    let height = TOP + STEP * number(bars.len().max(1)) + 34.0;
    let mut picture = Picture::new(WIDTH, height);
    picture.text((16.0, 24.0), Side::Right, 16, INK, row.row);
    let logarithmic = if scale.logarithmic { ", logarithmic" } else { "" };
    let better = if matches!(row.unit, "ops/s" | "sections/s" | "share") { "more" } else { "less" };
    let subtitle = format!("{} ({}{logarithmic}; {better} is better)", row.what, row.unit);
    picture.text((16.0, 50.0), Side::Right, 12, FAINT, &subtitle);
    for (at, (name, spread, ratio)) in bars.iter().enumerate() {
        let top = TOP + STEP * number(at);
        let middle = top + BAR / 2.0;
        let colour = match *name {
            name if name.starts_with("dspinlock") => OURS,
            name if name.starts_with("bare") => BARE,
            _ => OTHERS,
        };
        picture.text((LEFT - 10.0, middle), Side::Left, 12, INK, name);
        let end = scale.at(spread.median);
        picture.rect((LEFT, top), (end, top + BAR), colour);
        let (low, high) = (scale.at(spread.min), scale.at(spread.max));
        picture.line((low, middle), (high, middle), INK, 2.0);
        for tip in [low, high] {
            picture.line((tip, middle - 5.0), (tip, middle + 5.0), INK, 2.0);
        }
        let ratio = ratio.map_or_else(String::new, |ratio| format!(", {} × bare", figure(ratio.median)));
        let label = format!("{} {}{ratio}", figure(spread.median), row.unit);
        picture.text((end.max(high) + 10.0, middle), Side::Right, 11, INK, &label);
    }
    let foot = format!("{place}; {} repeats", row.repeats());
    picture.text((16.0, height - 18.0), Side::Right, 10, FAINT, &foot);
    Ok(picture.save(&dir.join(format!("{}.svg", row.row)))?)
}

/// From figures to pixels; logarithmic if the greatest figure would hide the others.
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
        // A bar without length would look missing.
        Self { logarithmic, least: if logarithmic { least / 2.0 } else { 0.0 }, greatest }
    }

    fn at(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            (value.max(self.least) / self.least).ln() / (self.greatest / self.least).ln()
        } else {
            value / self.greatest
        };
        LEFT + share * (RIGHT - LEFT)
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
        let at = [90_000.0, 0.0].map(|value| format!("{:.0}", scale.at(value)));
        assert_eq!(at, [RIGHT, LEFT].map(|edge| edge.to_string()));
        assert!(scale.at(10.0) > LEFT);
    }
}
