//! The command line.

use crate::{Fallible, rows};
use std::path::PathBuf;
use std::time::Duration;

pub(crate) const HELP: &str = "\
Measures dspinlock beside plain commands and other libraries.

usage: dspinlock-bench [OPTION]...

  --quick          short samples: all rows in a few minutes
  --rows A,B       only these rows
  --libs A,B       only contestants whose name starts with one of these, and the yardsticks
  --repeats N      how many turns each contestant has (5; at least 5 without --quick)
  --rtt DURATION   puts this round trip, such as 0.5ms, between clients and server
  --pin            the rows about the cost of the software only with server and clients on one core
  --no-pin         these rows only with all cores; without both flags they are measured both ways
  --json FILE      writes one object a line
  --svg DIR        draws a chart for each row
  --list           the rows, and what they measure
  --help           this text

  --tables DIR README PAGE
                        measures nothing; makes the tables from the figures in DIR, for scripts/bench

The Python contestants run where DSPINLOCK_PYTHON, or else .venv/bin/python, names an interpreter that has them.
";

/// The first argument of a call that makes the tables.
pub(crate) const TABLES: &str = "--tables";

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) quick: bool,
    pin: Option<bool>,
    rows: Vec<String>,
    libs: Vec<String>,
    repeats: Option<usize>,
    pub(crate) rtt: Option<Duration>,
    pub(crate) json: Option<PathBuf>,
    pub(crate) svg: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments; `None` if they only ask for help or for the list, which is then printed.
    pub(crate) fn parse(arguments: &[String]) -> Fallible<Option<Self>> {
        let mut options = Self::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value; see --help"));
            match argument.as_str() {
                "--quick" => options.quick = true,
                "--pin" => options.pin = Some(true),
                "--no-pin" => options.pin = Some(false),
                "--rows" => options.rows = list(value()?),
                "--libs" => options.libs = list(value()?),
                "--repeats" => options.repeats = Some(value()?.parse()?),
                "--rtt" => options.rtt = Some(duration(value()?)?),
                "--json" => options.json = Some(value()?.into()),
                "--svg" => options.svg = Some(value()?.into()),
                "--help" | "-h" => return Ok(None),
                "--list" => {
                    for row in rows::ALL {
                        println!("{:<22}{}", row.name, row.what);
                    }
                    std::process::exit(0);
                }
                other => return Err(format!("unknown argument {other:?}; see --help").into()),
            }
        }
        options.validate()?;
        Ok(Some(options))
    }

    fn validate(&self) -> Fallible<()> {
        for name in &self.rows {
            if !rows::ALL.iter().any(|row| row.name == name) {
                let known: Vec<&str> = rows::ALL.iter().map(|row| row.name).collect();
                return Err(format!("no row {name:?}; there are {}", known.join(", ")).into());
            }
        }
        if self.repeats.is_some_and(|repeats| repeats == 0 || repeats < 5 && !self.quick) {
            return Err("fewer than 5 repeats say nothing about the spread; with --quick 1 will do".into());
        }
        Ok(())
    }

    pub(crate) fn wants(&self, row: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|name| name == row)
    }

    pub(crate) fn wants_lib(&self, lib: &str) -> bool {
        self.libs.is_empty() || self.libs.iter().any(|name| lib.starts_with(name.as_str()))
    }

    /// How many turns each contestant has. In a quick run `slow` rows, whose turns take seconds, have fewer.
    pub(crate) fn repeats(&self, slow: bool) -> usize {
        self.repeats.unwrap_or(if slow && self.quick { 3 } else { 5 })
    }

    /// Whether rows about the cost of the software are measured on one core, on all, or first on all and then on one.
    pub(crate) fn pinned(&self) -> &'static [bool] {
        match self.pin {
            None => &[false, true],
            Some(false) => &[false],
            Some(true) => &[true],
        }
    }

    /// The length of one sample.
    pub(crate) fn sample(&self) -> Duration {
        Duration::from_millis(if self.quick { 100 } else { 500 })
    }
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// Reads `0.5ms`, `500us` or `1s`.
fn duration(text: &str) -> Fallible<Duration> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let scale = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        _ => return Err(format!("{text:?} has no unit; write \"0.5ms\"").into()),
    };
    Ok(Duration::try_from_secs_f64(number.parse::<f64>()? * scale)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations_with_their_unit() {
        assert_eq!(duration("0.5ms").unwrap(), Duration::from_micros(500));
        assert_eq!(duration("2s").unwrap(), Duration::from_secs(2));
        assert!(duration("5").is_err() && duration("-1s").is_err());
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        let parse =
            |words: &[&str]| Options::parse(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>());
        assert!(parse(&["--rows", "handovr"]).unwrap_err().to_string().contains("handover"));
        assert!(parse(&["--repeats", "2"]).is_err() && parse(&["--rows"]).is_err());
        let options = parse(&["--quick", "--rows", "handover, idle_100", "--libs", "rs"]).unwrap().unwrap();
        assert!(options.wants("idle_100") && !options.wants("contended_32"));
        assert!(options.wants_lib("rslock") && !options.wants_lib("redlock"));
        assert_eq!(options.pinned(), [false, true]);
        assert_eq!(parse(&["--pin"]).unwrap().unwrap().pinned(), [true]);
    }
}
