//! Samples, taken in turn, and their statistics.

use crate::Fallible;
use crate::child::{Figures, availability};
use crate::contestants::{Contestant, Part};
use crate::options::Options;

/// The result of one turn of one contestant.
pub(crate) struct Sample {
    pub(crate) value: f64,
    /// Further figures, for the table's last column and for the JSON.
    pub(crate) more: Figures,
}

impl Sample {
    pub(crate) fn new(value: f64) -> Self {
        Self { value, more: Figures::new() }
    }

    pub(crate) fn with(mut self, name: &str, value: f64) -> Self {
        self.more.insert(name.to_owned(), value);
        self
    }
}

/// The results of a contestant in a row.
pub(crate) struct Standing {
    pub(crate) name: String,
    pub(crate) part: Part,
    /// The samples in the order in which they were taken, or why there are none.
    pub(crate) samples: Result<Vec<Sample>, String>,
}

/// A row that was measured.
pub(crate) struct Measured {
    pub(crate) row: &'static str,
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    /// Whether server and clients shared one core.
    pub(crate) pinned: bool,
    pub(crate) standings: Vec<Standing>,
}

impl Standing {
    pub(crate) fn values(&self) -> Vec<f64> {
        self.samples.iter().flatten().map(|sample| sample.value).collect()
    }

    /// The medians of the further figures.
    pub(crate) fn more(&self) -> Figures {
        let samples: Vec<&Sample> = self.samples.iter().flatten().collect();
        let names = samples.first().map(|sample| sample.more.keys().cloned().collect::<Vec<_>>());
        let median_of = |name: &String| {
            Spread::of(samples.iter().filter_map(|sample| sample.more.get(name)).copied().collect()).median
        };
        names.unwrap_or_default().into_iter().map(|name| (name.clone(), median_of(&name))).collect()
    }
}

impl Measured {
    /// How many turns each contestant had.
    pub(crate) fn repeats(&self) -> usize {
        self.standings.iter().map(|standing| standing.values().len()).max().unwrap_or(0)
    }

    /// Its name, and that of its place.
    pub(crate) fn title(&self) -> String {
        format!("{}{}", self.row, if self.pinned { ", one core" } else { "" })
    }

    /// Whether a greater figure is the better one.
    pub(crate) fn more_is_better(&self) -> bool {
        matches!(self.unit, "ops/s" | "sections/s" | "share")
    }

    /// The plain commands, or what is written by hand.
    pub(crate) fn yardstick(&self) -> Option<&Standing> {
        self.standings.iter().find(|standing| standing.part == Part::Yardstick && standing.samples.is_ok())
    }

    /// The peer with the best median.
    pub(crate) fn best_peer(&self) -> Option<&Standing> {
        let median = |standing: &Standing| {
            let median = Spread::of(standing.values()).median;
            if self.more_is_better() { -median } else { median }
        };
        let peers = self.standings.iter().filter(|standing| standing.part == Part::Peer);
        peers.filter(|peer| peer.samples.is_ok()).min_by(|a, b| median(a).total_cmp(&median(b)))
    }

    /// The ratios of a contestant's samples to those of another one next to them in time.
    pub(crate) fn ratio(standing: &Standing, base: Option<&Standing>) -> Option<Spread> {
        let (values, base) = (standing.values(), base?.values());
        // A ratio to zero has no meaning.
        let pairs = values.iter().zip(&base).filter(|(_, base)| **base != 0.0);
        let ratios: Vec<f64> = pairs.map(|(value, base)| value / base).collect();
        (!ratios.is_empty()).then(|| Spread::of(ratios))
    }
}

/// The least, the middle and the greatest of some figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// All zero without figures.
    pub(crate) fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let at = |index: usize| figures.get(index).copied().unwrap_or_default();
        let (half, last) = (figures.len() / 2, figures.len().saturating_sub(1));
        let median = if figures.len() % 2 == 1 {
            at(half)
        } else {
            f64::midpoint(at(half.saturating_sub(1)), at(half))
        };
        Self { min: at(0), median, max: at(last) }
    }
}

/// A contestant's preparation and its samples so far, or why it is out.
type State<T> = Result<(T, Vec<Sample>), String>;

/// Prepares all contestants, and gives each its turns.
///
/// A contestant that can't take part, or fails, is out of the row, and its standing says why.
pub(crate) fn in_turns<T>(
    options: &Options,
    slow: bool,
    contestants: &[Contestant],
    mut prepare: impl FnMut(&Contestant) -> Fallible<T>,
    mut turn: impl FnMut(&Contestant, &mut T) -> Fallible<Sample>,
) -> Vec<Standing> {
    let mut field: Vec<(&Contestant, State<T>)> = contestants
        .iter()
        .filter(|contestant| contestant.part == Part::Yardstick || options.wants_lib(&contestant.name))
        .map(|contestant| {
            let ready = availability(contestant.engine)
                .and_then(|()| prepare(contestant).map_err(|error| error.to_string()));
            (contestant, ready.map(|prepared| (prepared, Vec::new())))
        })
        .collect();
    for _ in 0..options.repeats(slow) {
        for (contestant, state) in &mut field {
            let Ok((prepared, samples)) = state else { continue };
            match turn(contestant, prepared) {
                Ok(sample) => samples.push(sample),
                Err(error) => *state = Err(error.to_string()),
            }
        }
    }
    let standing = |(contestant, state): (&Contestant, State<T>)| Standing {
        name: contestant.name.clone(),
        part: contestant.part,
        samples: state.map(|(_, samples)| samples),
    };
    field.into_iter().map(standing).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_least_middle_and_greatest() {
        assert_eq!(Spread::of(vec![3.0, 1.0, 2.0]), Spread { min: 1.0, median: 2.0, max: 3.0 });
        assert!((Spread::of(vec![4.0, 1.0]).median - 2.5).abs() < 1e-9);
        assert!(Spread::of(Vec::new()).max.abs() < 1e-9);
    }

    #[test]
    fn ratios_are_of_neighbours_in_time() {
        let standing = |name: &str, part, values: [f64; 3]| Standing {
            name: name.to_owned(),
            part,
            samples: Ok(values.into_iter().map(Sample::new).collect()),
        };
        let standings = vec![
            standing("plain", Part::Yardstick, [1.0, 10.0, 2.0]),
            standing("x", Part::Ours, [2.0, 20.0, 6.0]),
            standing("slow", Part::Peer, [4.0, 40.0, 9.0]),
            standing("fast", Part::Peer, [1.0, 20.0, 3.0]),
            standing("less", Part::Aside, [0.1, 0.1, 0.1]),
        ];
        let mut row = Measured { row: "r", what: "", unit: "us", pinned: false, standings };
        let ratio = |base| Measured::ratio(&row.standings[1], base);
        assert_eq!(ratio(row.yardstick()), Some(Spread { min: 2.0, median: 2.0, max: 3.0 }));
        assert_eq!(ratio(row.best_peer()), Some(Spread { min: 1.0, median: 2.0, max: 2.0 }));
        assert_eq!(row.best_peer().unwrap().name, "fast");
        row.unit = "ops/s";
        assert_eq!(row.best_peer().unwrap().name, "slow");
    }
}
