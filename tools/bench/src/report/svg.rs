//! A chart for each row: a bar for each contestant, and the spread of its samples on it.

use super::table::figure;
use crate::Fallible;
use crate::contestants::Part;
use crate::measure::{Measured, Spread, Standing};
use dspinlock_testkit::svg::{INK, Picture, Side, number};
use std::path::Path;

const WIDTH: f64 = 960.0;
const TOP: f64 = 76.0;
const BAR: f64 = 20.0;
const STEP: f64 = 32.0;
const LEFT: f64 = 190.0;
/// Where the longest bar ends; the figures stand to the right of it.
const RIGHT: f64 = 600.0;

const OURS: &str = "#5492d6";
const YARDSTICK: &str = "#969696";
const OTHERS: &str = "#ccd2da";
const FAINT: &str = "#6e6e6e";

/// Draws `DIR/ROW.svg`, or `DIR/ROW-one_core.svg`; `place` is the line that says when and where it was measured.
pub(super) fn draw(row: &Measured, dir: &Path, place: &str) -> Fallible<()> {
    let bars: Vec<(&Standing, Spread)> = (row.standings.iter())
        .filter(|standing| !standing.values().is_empty())
        .map(|standing| (standing, Spread::of(standing.values())))
        .collect();
    let spreads: Vec<Spread> = bars.iter().map(|(_, spread)| *spread).collect();
    let scale = Scale::of(&spreads);
    let height = TOP + STEP * number(bars.len().max(1)) + 34.0;
    let mut picture = Picture::new(WIDTH, height);
    picture.text((16.0, 24.0), Side::Right, 16, INK, &row.title());
    let logarithmic = if scale.logarithmic { ", logarithmic" } else { "" };
    let better = if row.more_is_better() { "more" } else { "less" };
    let subtitle = format!("{} ({}{logarithmic}; {better} is better)", row.what, row.unit);
    picture.text((16.0, 50.0), Side::Right, 12, FAINT, &subtitle);
    for (at, (standing, spread)) in bars.iter().enumerate() {
        let top = TOP + STEP * number(at);
        let middle = top + BAR / 2.0;
        let colour = match standing.part {
            Part::Ours => OURS,
            Part::Yardstick => YARDSTICK,
            Part::Peer | Part::Aside => OTHERS,
        };
        picture.text((LEFT - 10.0, middle), Side::Left, 12, INK, &standing.name);
        let end = scale.at(spread.median);
        picture.rect((LEFT, top), (end, top + BAR), colour);
        let (low, high) = (scale.at(spread.min), scale.at(spread.max));
        picture.line((low, middle), (high, middle), INK, 2.0);
        for tip in [low, high] {
            picture.line((tip, middle - 5.0), (tip, middle + 5.0), INK, 2.0);
        }
        let ratio = |base: Option<&Standing>| {
            let other = base.filter(|base| standing.part == Part::Ours && base.name != standing.name);
            let ratio = Measured::ratio(standing, other).zip(other);
            ratio.map_or_else(String::new, |(ratio, other)| {
                format!(", {} × {}", figure(ratio.median), other.name)
            })
        };
        let ratios = ratio(row.yardstick()) + &ratio(row.best_peer());
        let label = format!("{} {}{ratios}", figure(spread.median), row.unit);
        picture.text((end.max(high) + 10.0, middle), Side::Right, 11, INK, &label);
    }
    let foot = format!("{place}; {} repeats", row.repeats());
    picture.text((16.0, height - 18.0), Side::Right, 10, FAINT, &foot);
    let file = format!("{}{}.svg", row.row, if row.pinned { "-one_core" } else { "" });
    Ok(picture.save(&dir.join(file))?)
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
    use crate::measure::Sample;

    #[test]
    fn a_chart_names_all_contestants_and_stays_inside() {
        let standing = |name: &str, part, value: f64| Standing {
            name: name.to_owned(),
            part,
            samples: Ok(vec![Sample::new(value), Sample::new(value * 2.0)]),
        };
        let standings = vec![
            standing("plain", Part::Yardstick, 10.0),
            standing("dspinlock", Part::Ours, 12.0),
            standing("slow", Part::Peer, 90_000.0),
        ];
        let row = Measured { row: "chart_of_the_test", what: "a test", unit: "us", pinned: false, standings };
        let dir = std::env::temp_dir();
        draw(&row, &dir, "2026-01-31, a machine").unwrap();
        let file = dir.join("chart_of_the_test.svg");
        let chart = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        for word in ["plain", "dspinlock", "1.20 × plain", "slow", "a machine", "logarithmic"] {
            assert!(chart.contains(word), "{word} is missing");
        }
        let scale = Scale::of(&[Spread { min: 10.0, median: 20.0, max: 90_000.0 }]);
        let at = [90_000.0, 0.0].map(|value| format!("{:.0}", scale.at(value)));
        assert_eq!(at, [RIGHT, LEFT].map(|edge| edge.to_string()));
        assert!(scale.at(10.0) > LEFT);
    }
}
