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
    let ratio = |base| json!(Measured::ratio(standing, base).map(|ratio| ratio.median));
    let mut fields: Vec<(&str, Value)> = vec![
        ("row", row.row.into()),
        ("pinned", row.pinned.into()),
        ("lib", standing.name.as_str().into()),
        ("part", json!(format!("{:?}", standing.part).to_lowercase())),
        ("unit", row.unit.into()),
        ("min", json!(spread.map(|spread| spread.min))),
        ("median", json!(spread.map(|spread| spread.median))),
        ("max", json!(spread.map(|spread| spread.max))),
        ("yardstick", json!(row.yardstick().map(|base| &base.name))),
        ("to_yardstick", ratio(row.yardstick())),
        ("peer", json!(row.best_peer().map(|base| &base.name))),
        ("to_peer", ratio(row.best_peer())),
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
    use crate::contestants::Part;
    use crate::measure::Sample;

    #[test]
    fn a_line_has_the_agreed_fields() {
        let samples = vec![Sample::new(2.0).with("commands", 2.0), Sample::new(4.0).with("commands", 2.0)];
        let missing = Err("it is \"not\" there".into());
        let standings = vec![
            Standing { name: "plain".into(), part: Part::Yardstick, samples: Ok(samples) },
            Standing { name: "x".into(), part: Part::Ours, samples: missing },
        ];
        let row = Measured { row: "handover", what: "", unit: "us", pinned: true, standings };
        let mut text = Vec::new();
        write(&[row], &mut text).unwrap();
        let expected = concat!(
            r#"{"row":"handover","pinned":true,"lib":"plain","part":"yardstick","unit":"us","min":2.0,"#,
            r#""median":3.0,"max":4.0,"yardstick":"plain","to_yardstick":1.0,"peer":null,"to_peer":null,"#,
            r#""repeats":2,"commands":2.0}"#,
            "\n",
            r#"{"row":"handover","pinned":true,"lib":"x","part":"ours","unit":"us","min":null,"#,
            r#""median":null,"max":null,"yardstick":"plain","to_yardstick":null,"peer":null,"to_peer":null,"#,
            r#""repeats":0,"missing":"it is \"not\" there"}"#,
            "\n",
        );
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
}
