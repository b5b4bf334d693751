//! One object on each line.

use crate::Fallible;
use crate::measure::{Measured, Spread, Standing};
use serde_json::{Value, json};
use std::io::Write;

pub(super) fn write(results: &[Measured], mut to: impl Write) -> Fallible<()> {
    for row in results {
        for standing in &row.standings {
            writeln!(to, "{}", line(row, standing))?;
        }
    }
    Ok(())
}

/// One object with its fields in a fixed order, unlike those of serde's maps. A contestant that could not take part has nulls,
/// and `missing` says why.
fn line(row: &Measured, standing: &Standing) -> String {
    let spread = standing.samples.as_ref().ok().map(|_| Spread::of(standing.values()));
    let repeats = standing.values().len();
    let mut fields: Vec<(&str, Value)> = vec![
        ("row", row.row.into()),
        ("lib", standing.name.as_str().into()),
        ("unit", row.unit.into()),
        ("min", json!(spread.map(|spread| spread.min))),
        ("median", json!(spread.map(|spread| spread.median))),
        ("max", json!(spread.map(|spread| spread.max))),
        ("ratio", json!(row.ratio(standing).map(|ratio| ratio.median))),
        ("repeats", repeats.into()),
    ];
    let more = standing.more();
    fields.extend(more.iter().map(|(name, value)| (name.as_str(), json!(value))));
    if let Err(why) = &standing.samples {
        fields.push(("missing", why.as_str().into()));
    }
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{}:{value}", json!(name))).collect();
    format!("{{{}}}", fields.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Sample;

    #[test]
    fn a_line_has_the_agreed_fields() {
        let samples = vec![Sample::new(2.0).with("commands", 2.0), Sample::new(4.0).with("commands", 2.0)];
        let standings = vec![
            Standing { name: "bare".into(), samples: Ok(samples) },
            Standing { name: "x".into(), samples: Err("it is \"not\" there".into()) },
        ];
        let row = Measured { row: "handover", what: "", unit: "us", standings };
        let mut text = Vec::new();
        write(&[row], &mut text).unwrap();
        let expected = concat!(
            r#"{"row":"handover","lib":"bare","unit":"us","min":2.0,"median":3.0,"max":4.0,"ratio":1.0,"#,
            r#""repeats":2,"commands":2.0}"#,
            "\n",
            r#"{"row":"handover","lib":"x","unit":"us","min":null,"median":null,"max":null,"ratio":null,"#,
            r#""repeats":0,"missing":"it is \"not\" there"}"#,
            "\n",
        );
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
}
