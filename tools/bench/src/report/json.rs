//! One object a line.

use crate::Fallible;
use crate::measure::{Measured, Spread};
use serde_json::{Map, Value, json};
use std::io::Write;

pub(super) fn write(results: &[Measured], mut to: impl Write) -> Fallible<()> {
    for line in results.iter().flat_map(lines) {
        writeln!(to, "{}", Value::Object(line))?;
    }
    Ok(())
}

/// The lines of a row. Whoever could not take part has one with `missing` in place of the figures.
fn lines(row: &Measured) -> Vec<Map<String, Value>> {
    let line = |standing: &crate::measure::Standing| {
        let mut line = Map::new();
        line.insert("row".into(), row.row.into());
        line.insert("lib".into(), standing.name.as_str().into());
        line.insert("unit".into(), row.unit.into());
        match &standing.samples {
            Ok(_) => {
                let Spread { min, median, max } = Spread::of(standing.values());
                line.insert("min".into(), json!(min));
                line.insert("median".into(), json!(median));
                line.insert("max".into(), json!(max));
                line.insert("ratio".into(), json!(row.ratio(standing).map(|ratio| ratio.median)));
                line.extend(standing.more().into_iter().map(|(name, value)| (name, json!(value))));
            }
            Err(why) => drop(line.insert("missing".into(), why.as_str().into())),
        }
        line
    };
    row.standings.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Sample, Standing};

    #[test]
    fn a_line_has_the_agreed_fields() {
        let samples = vec![Sample::new(2.0).with("commands", 2.0), Sample::new(4.0).with("commands", 2.0)];
        let standings = vec![
            Standing { name: "bare".into(), samples: Ok(samples) },
            Standing { name: "x".into(), samples: Err("not there yet".into()) },
        ];
        let row = Measured { row: "handover", what: "", unit: "us", standings };
        let mut text = Vec::new();
        write(&[row], &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(
            lines[0],
            json!({"row": "handover", "lib": "bare", "unit": "us", "min": 2.0, "median": 3.0, "max": 4.0,
                   "ratio": 1.0, "commands": 2.0})
        );
        assert_eq!(lines[1]["missing"], "not there yet");
    }
}
