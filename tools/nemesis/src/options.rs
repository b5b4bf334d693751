//! The command line.

use std::path::PathBuf;

use lexopt::prelude::*;

use crate::Fallible;

pub(crate) const HELP: &str = "\
Tries to break dspinlock: worker processes, faults, one history, and a checker of the properties P1 to P9.

Usage: cargo run --release -p dspinlock-nemesis -- [options]

  --seeds N        how many seeds, from 1 on (1)
  --seed S         this seed only: its plan of faults and of calls again
  --scenario NAME  this scenario or control only, by its name or its number (may be repeated)
  --seconds N      how long a scenario goes on for each seed (18); with too few grants or faults it is run again, by
                   seeds derived from it (S + 1000000, ...), ten times at the most
  --quick          all scenarios and controls in about 80 seconds
  --no-python      leaves out the control that needs Python with py-dspinlock
  --keep DIR       where the history of a run that failed is kept (target/nemesis)
  --list           the scenarios and controls
  --help           this text

The last line of the output is a JSON object with the figures. The exit code is 1 if a property was violated, a control
was not caught, or there were too few grants or faults to prove anything.
";

#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) seeds: Vec<u64>,
    pub(crate) seconds: u64,
    pub(crate) control_seconds: u64,
    pub(crate) python: bool,
    pub(crate) keep: PathBuf,
    only: Vec<String>,
}

pub(crate) enum Asked {
    Run(Options),
    Help,
    List,
}

impl Options {
    /// # Errors
    /// If an argument is none of these.
    pub(crate) fn parse(arguments: &[String]) -> Fallible<Asked> {
        let (mut seeds, mut seed, mut seconds, mut quick) = (1, None, None, false);
        let mut options = Self {
            seeds: Vec::new(),
            seconds: 18,
            control_seconds: 6,
            python: true,
            keep: PathBuf::from("target/nemesis"),
            only: Vec::new(),
        };
        let mut parser = lexopt::Parser::from_args(arguments);
        while let Some(argument) = parser.next()? {
            match argument {
                Long("seeds") => seeds = parser.value()?.parse()?,
                Long("seed") => seed = Some(parser.value()?.parse()?),
                Long("scenario") => options.only.push(parser.value()?.string()?),
                Long("seconds") => seconds = Some(parser.value()?.parse()?),
                Long("quick") => quick = true,
                Long("no-python") => options.python = false,
                Long("keep") => options.keep = parser.value()?.into(),
                Long("list") => return Ok(Asked::List),
                Short('h') | Long("help") => return Ok(Asked::Help),
                other => return Err(other.unexpected().into()),
            }
        }
        if quick {
            (options.seconds, options.control_seconds) = (4, 3);
        }
        options.seconds = seconds.unwrap_or(options.seconds);
        options.seeds = seed.map_or_else(|| (1..=seeds).collect(), |seed| vec![seed]);
        if options.seeds.is_empty() || options.seconds == 0 {
            return Err("--seeds and --seconds are at least 1".into());
        }
        Ok(Asked::Run(options))
    }

    /// Whether a scenario or control is to run.
    pub(crate) fn wants(&self, name: &str, number: Option<u32>) -> bool {
        let number = number.map(|number| number.to_string());
        self.only.is_empty() || self.only.iter().any(|only| only == name || Some(only) == number.as_ref())
    }
}
