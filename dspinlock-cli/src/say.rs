//! Words and figures for people: durations, moments, tables, colours. Without I/O but for [`print`].

use crate::exit::Result;
use clap::builder::styling::{AnsiColor, Style};
use serde::Serialize;
use std::io::Write;
use std::time::{Duration, SystemTime};

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const NOTE: Style = AnsiColor::Yellow.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();

/// The text in a style, which standard output loses where it is no terminal.
pub(crate) fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Writes to standard output at once.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Writes a value as JSON.
pub(crate) fn print_json(value: &impl Serialize) -> Result<()> {
    // Types of ours: texts, numbers and lists of them.
    let mut text = serde_json::to_string_pretty(value).expect("it can be written as JSON");
    text.push('\n');
    print(&text)
}

/// A duration in its two largest units: `2d 3h`, `41m 7s`, `9.4s`, `120ms`.
pub(crate) fn duration(duration: Duration) -> String {
    let (seconds, millis) = (duration.as_secs(), duration.subsec_millis());
    let two = |large: u64, unit: &str, small: u64, smaller: &str| {
        if small == 0 { format!("{large}{unit}") } else { format!("{large}{unit} {small}{smaller}") }
    };
    match seconds {
        0 if millis == 0 => "0s".to_owned(),
        0 => format!("{millis}ms"),
        1..10 => format!("{seconds}.{}s", millis / 100),
        10..60 => format!("{seconds}s"),
        60..3_600 => two(seconds / 60, "m", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds / 60 % 60, "m"),
        _ => two(seconds / 86_400, "d", seconds / 3_600 % 24, "h"),
    }
}

pub(crate) fn millis(millis: u64) -> String {
    duration(Duration::from_millis(millis))
}

/// A moment in UTC, to the second.
pub(crate) fn moment(at: SystemTime) -> String {
    humantime::format_rfc3339_seconds(at).to_string()
}

/// The same to the millisecond, for JSON.
pub(crate) fn exact_moment(at: SystemTime) -> String {
    humantime::format_rfc3339_millis(at).to_string()
}

/// `1 process`, `2 processes`.
pub(crate) fn count(number: u64, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

/// Text of somebody else, without what would change a terminal.
pub(crate) fn plain(text: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().collect() } else { vec![c] };
    text.chars().flat_map(escaped).collect()
}

/// The same for a message of several lines.
pub(crate) fn plain_lines(text: &str) -> String {
    text.lines().map(plain).collect::<Vec<_>>().join("\n")
}

/// A table with columns as wide as they need to be. The last column is not padded.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([head[column].len()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width - cell.chars().count() + 2));
        }
        line.trim_end().to_owned()
    };
    let mut text = styled(BOLD, &line(head.to_vec())) + "\n";
    for row in rows {
        text.push_str(&line(row.iter().map(String::as_str).collect()));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        for (millis, text) in [
            (0, "0s"),
            (7, "7ms"),
            (9_449, "9.4s"),
            (41_000, "41s"),
            (61_000, "1m 1s"),
            (3_600_000, "1h"),
            (3_661_000, "1h 1m"),
            (90_000_000, "1d 1h"),
        ] {
            assert_eq!(super::millis(millis), text);
        }
    }

    #[test]
    fn a_table_is_as_wide_as_its_cells() {
        let rows = vec![vec!["held".to_owned(), "k".to_owned()], vec!["f".to_owned(), "longer".to_owned()]];
        let text = table(&["A", "KEY"], &rows);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].contains("A     KEY"), "{text}");
        assert_eq!(lines[1..], ["held  k", "f     longer"]);
    }

    #[test]
    fn a_key_can_not_change_a_terminal() {
        assert_eq!(plain("a\u{1b}[31mb\n"), "a\\u{1b}[31mb\\n");
    }
}
