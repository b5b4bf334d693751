//! Samples, taken in turn, and their statistics.

use crate::Fallible;
use crate::child::{Figures, availability};
use crate::contestants::Contestant;
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
    /// The samples in the order in which they were taken, or why there are none.
    pub(crate) samples: Result<Vec<Sample>, String>,
}

/// A row that was measured.
pub(crate) struct Measured {
    pub(crate) row: &'static str,
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
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

    /// The ratios of a contestant's samples to those of the bare commands next to them in time.
    pub(crate) fn ratio(&self, standing: &Standing) -> Option<Spread> {
        let base = self.standings.iter().find(|standing| standing.name == "bare")?.values();
        let values = standing.values();
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
        .filter(|contestant| options.wants_lib(&contestant.name))
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
        let standing = |name: &str, values: [f64; 3]| Standing {
            name: name.to_owned(),
            samples: Ok(values.into_iter().map(Sample::new).collect()),
        };
        let standings = vec![standing("bare", [1.0, 10.0, 2.0]), standing("x", [2.0, 20.0, 6.0])];
        let row = Measured { row: "r", what: "", unit: "us", standings };
        assert_eq!(row.ratio(&row.standings[1]), Some(Spread { min: 2.0, median: 2.0, max: 3.0 }));
    }
}
