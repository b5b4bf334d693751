//! The table in the terminal.

use crate::measure::{Measured, Spread};

/// Prints one row with all its contestants.
pub(crate) fn print(row: &Measured) {
    println!("\n{} — {} ({} repeats)", row.row, row.what, row.repeats());
    println!(
        "  {:<26}{:>11}{:>11}{:>11} {:<10}{:>22}   also",
        "", "min", "median", "max", "", "ratio (min..max)"
    );
    for standing in &row.standings {
        match &standing.samples {
            Ok(_) => {
                let Spread { min, median, max } = Spread::of(standing.values());
                let ratio = row.ratio(standing).map_or_else(String::new, |ratio| {
                    format!("{} ({}..{})", figure(ratio.median), figure(ratio.min), figure(ratio.max))
                });
                let also: Vec<String> = standing
                    .more()
                    .iter()
                    .map(|(name, value)| format!("{name} {}", figure(*value)))
                    .collect();
                println!(
                    "  {:<26}{:>11}{:>11}{:>11} {:<10}{ratio:>22}   {}",
                    standing.name,
                    figure(min),
                    figure(median),
                    figure(max),
                    row.unit,
                    also.join(", ")
                );
            }
            Err(why) => println!("  {:<26}{why}", standing.name),
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
