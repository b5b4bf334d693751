//! The table in the terminal.

use crate::measure::{Measured, Spread, Standing};

/// Prints one row with all its contestants.
pub(crate) fn print(row: &Measured) {
    let (yardstick, peer) = (row.yardstick(), row.best_peer());
    let to = |base: Option<&Standing>| base.map_or_else(String::new, |base| format!("× {}", base.name));
    println!("\n{} — {} ({} repeats)", row.title(), row.what, row.repeats());
    println!(
        "  {:<20}{:>10}{:>10}{:>10} {:<11}{:>22}{:>24}   also",
        "",
        "min",
        "median",
        "max",
        "",
        to(yardstick),
        to(peer)
    );
    for standing in &row.standings {
        match &standing.samples {
            Ok(_) => {
                let Spread { min, median, max } = Spread::of(standing.values());
                let ratio = |base| {
                    Measured::ratio(standing, base).map_or_else(String::new, |ratio| {
                        format!("{} ({}..{})", figure(ratio.median), figure(ratio.min), figure(ratio.max))
                    })
                };
                let also: Vec<String> = standing
                    .more()
                    .iter()
                    .map(|(name, value)| format!("{name} {}", figure(*value)))
                    .collect();
                println!(
                    "  {:<20}{:>10}{:>10}{:>10} {:<11}{:>22}{:>24}   {}",
                    standing.name,
                    figure(min),
                    figure(median),
                    figure(max),
                    row.unit,
                    ratio(yardstick),
                    ratio(peer),
                    also.join(", ")
                );
            }
            Err(why) => println!("  {:<20}{why}", standing.name),
        }
    }
}

/// Three significant digits.
pub(crate) fn figure(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 || size == 0.0 => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        assert_eq!(
            [0.0, 0.1234, 1.234, 43.21, 5_675.2].map(figure),
            ["0.00", "0.123", "1.23", "43.2", "5675"]
        );
    }
}
