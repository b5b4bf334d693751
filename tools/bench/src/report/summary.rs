//! The tables in the README and on the page on speed, and the one of what was to be reached, made from the JSON of a run.

mod lines;

use crate::Fallible;
use lines::{LINES, Line, Of, Shown, Target};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;

/// What stands between these in the README and on the page is written here.
const BEGIN: &str = "<!-- Made by scripts/bench from docs/bench/figures.jsonl. -->\n";
const END: &str = "<!-- The end of what scripts/bench makes. -->";

/// Writes the tables for the figures in `dir`, into the README, the page on speed and `dir/reached.md`.
pub(crate) fn write(dir: &Path, readme: &Path, page: &Path) -> Fallible<()> {
    let run = Run::read(dir)?;
    for (file, least) in [(readme, Shown::Readme), (page, Shown::Page)] {
        let text = std::fs::read_to_string(file)?;
        std::fs::write(file, with_table(&text, &run.table(least))?)?;
    }
    Ok(std::fs::write(dir.join("reached.md"), run.reached())?)
}

fn with_table(text: &str, table: &str) -> Fallible<String> {
    let (before, rest) = text.split_once(BEGIN).ok_or("there is no place for the table")?;
    let (_, after) = rest.split_once(END).ok_or("the place for the table has no end")?;
    Ok(format!("{before}{BEGIN}\n{table}\n{END}{after}"))
}

/// The figures of a run.
struct Run {
    /// The date and the machine.
    place: String,
    objects: Vec<Value>,
}

impl Run {
    fn read(dir: &Path) -> Fallible<Self> {
        let text = std::fs::read_to_string(dir.join("figures.txt"))?;
        let place = text.lines().next().unwrap_or_default().to_owned();
        let lines = std::fs::read_to_string(dir.join("figures.jsonl"))?;
        Ok(Self { place, objects: lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()? })
    }

    fn standing(&self, line: &Line, lib: &str) -> Option<Standing<'_>> {
        let is_it = |object: &&Value| {
            object["row"] == line.row && object["pinned"] == line.pinned && object["lib"] == lib
        };
        self.objects.iter().find(is_it).map(Standing)
    }

    fn table(&self, least: Shown) -> String {
        let mut table = format!(
            "Measured on {}. In brackets: the median of our figure divided by theirs, turn by turn.\n\n\
             | | dspinlock | plain commands, or by hand | best peer |\n| --- | --- | --- | --- |\n",
            self.place
        );
        for line in LINES.iter().filter(|line| line.shown >= least) {
            let ours = self.standing(line, line.lib);
            let figure = ours.map_or_else(|| "–".to_owned(), |ours| shown(ours.figure(line), line.unit));
            let [plain, peer] = self.others(line);
            let _ = writeln!(table, "| {} | {figure} | {plain} | {peer} |", line.label);
        }
        table
    }

    /// The cells of the yardstick and of the best peer.
    fn others(&self, line: &Line) -> [String; 2] {
        [("yardstick", "to_yardstick"), ("peer", "to_peer")].map(|(other, ratio)| {
            let Some(ours) = self.standing(line, line.lib) else { return "–".to_owned() };
            let Some(name) = ours.0[other].as_str() else { return "–".to_owned() };
            let theirs = self.standing(line, name).and_then(|theirs| theirs.figure(line));
            if theirs.is_none() {
                return "–".to_owned();
            }
            let ratio = ours.0[ratio].as_f64().filter(|_| line.figure.is_none());
            let ratio =
                ratio.map_or_else(String::new, |ratio| format!(" ({} ×)", super::table::figure(ratio)));
            let name = if matches!(name, "plain" | "by-hand") { "" } else { name };
            format!("{name} {}{ratio}", shown(theirs, line.unit)).trim().to_owned()
        })
    }

    fn reached(&self) -> String {
        let mut table = format!(
            "# What was to be reached\n\n{}.\n\nOurs are the median, the least and the greatest of the repeats, the others the \
             median and, in brackets, our figure\ndivided by theirs. Made by `scripts/bench` from `figures.jsonl`.\n\n\
             | row | dspinlock | plain commands, or by hand | best peer | to reach | reached |\n\
             | --- | --- | --- | --- | --- | --- |\n",
            self.place
        );
        for line in LINES {
            let ours = self.standing(line, line.lib);
            let figure = match ours {
                None => "–".to_owned(),
                Some(ours) if line.figure.is_some() => shown(ours.figure(line), line.unit),
                Some(ours) => {
                    let of = |name: &str| shown(ours.0[name].as_f64(), line.unit);
                    format!("{}, {} to {}", of("median"), of("min"), of("max"))
                }
            };
            let [plain, peer] = self.others(line);
            let goal: Vec<String> = line.targets.iter().map(Target::text).collect();
            let reached =
                line.targets.iter().map(|target| ours.is_some_and(|ours| ours.reaches(line, target)));
            let reached = match (line.targets, reached.min()) {
                ([], _) | (_, None) => "",
                (_, Some(true)) => "yes",
                (_, Some(false)) => "**no**",
            };
            let _ = writeln!(
                table,
                "| {} | {figure} | {plain} | {peer} | {} | {reached} |",
                line.label,
                goal.join(", ")
            );
        }
        table
    }
}

/// One object of the JSON.
#[derive(Clone, Copy)]
struct Standing<'a>(&'a Value);

impl Standing<'_> {
    fn figure(self, line: &Line) -> Option<f64> {
        self.0[line.figure.unwrap_or("median")].as_f64()
    }

    fn reaches(self, line: &Line, target: &Target) -> bool {
        let figure = match target.of {
            Of::Figure => self.figure(line),
            Of::Yardstick => self.0["to_yardstick"].as_f64(),
            Of::Peer => self.0["to_peer"].as_f64(),
        };
        figure.is_some_and(
            |figure| if target.at_least { figure >= target.bound } else { figure <= target.bound },
        )
    }
}

/// A figure with its unit, for people.
fn shown(figure: Option<f64>, unit: &str) -> String {
    let Some(figure) = figure else { return "–".to_owned() };
    let (figure, unit) = match unit {
        "ns" if figure >= 10_000.0 => (figure / 1e3, "µs"),
        "µs" if figure >= 10_000.0 => (figure / 1e3, "ms"),
        _ => (figure, unit),
    };
    let number = if figure.abs() >= 10_000.0 {
        format!("{} k", super::table::figure(figure / 1e3))
    } else if figure == 0.0 {
        "0".to_owned()
    } else {
        super::table::figure(figure)
    };
    format!("{number} {unit}").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    #[test]
    fn the_tables_follow_the_figures() {
        let run = Run::read(&root().join("docs/bench")).unwrap();
        for (file, least) in [("README.md", Shown::Readme), ("docs/performance.md", Shown::Page)] {
            let text = std::fs::read_to_string(root().join(file)).unwrap();
            assert!(text == with_table(&text, &run.table(least)).unwrap(), "run scripts/bench --tables");
        }
        let reached = std::fs::read_to_string(root().join("docs/bench/reached.md")).unwrap();
        assert!(reached == run.reached(), "run scripts/bench --tables");
    }

    #[test]
    fn every_line_has_its_row() {
        for line in LINES {
            let row = crate::rows::ALL.iter().find(|row| row.name == line.row);
            assert!(row.is_some_and(|row| row.software || !line.pinned), "{}", line.label);
        }
    }

    #[test]
    fn a_line_shows_also_what_is_worse() {
        let object = |text: &str| serde_json::from_str(text).unwrap();
        let objects = vec![
            object(r#"{"row":"uncontended_async","pinned":false,"lib":"plain","median":20.0}"#),
            object(r#"{"row":"uncontended_async","pinned":false,"lib":"rslock","median":25.04}"#),
            object(
                r#"{"row":"uncontended_async","pinned":false,"lib":"dspinlock","min":90.0,"median":100.4,
                    "max":20000.0,"yardstick":"plain","to_yardstick":5.0,"peer":"rslock","to_peer":4.0}"#,
            ),
        ];
        let run = Run { place: "a machine".to_owned(), objects };
        let line = LINES.iter().find(|line| line.row == "uncontended_async" && !line.pinned).unwrap();
        let row = format!("| {} | 100 µs | 20.0 µs (5.00 ×) | rslock 25.0 µs (4.00 ×) |", line.label);
        assert!(run.table(Shown::Page).contains(&row), "{}", run.table(Shown::Page));
        let row = format!("| {} | 100 µs, 90.0 µs to 20.0 ms | 20.0 µs (5.00 ×) |", line.label);
        assert!(run.reached().contains(&row), "{}", run.reached());
        assert!(run.reached().contains("**no**"));
    }
}
