//! What the nodes of a cluster say of its slots: which primary has which.

use crate::host::Host;
use redis::Value;
use std::ops::RangeInclusive;

/// The slots of a cluster, each range with its primary.
pub(super) type Ranges = Vec<(RangeInclusive<u16>, Host)>;

/// Reads `host:port`, as a node that was `asked` writes it. Without a host it is that of the node itself.
pub(super) fn host(text: &str, asked: &Host) -> Option<Host> {
    let (name, port) = text.rsplit_once(':')?;
    Some(Host::new(or_asked(name, asked), port.parse().ok()?))
}

/// Reads the reply to `CLUSTER SLOTS` of the node that was `asked`; `None` for anything else.
pub(super) fn ranges(reply: &Value, asked: &Host) -> Option<Ranges> {
    array(reply)?.iter().map(|range| self::range(array(range)?, asked)).collect()
}

/// A range: its first and last slot, its primary, and the replicas, which have no locks for us.
fn range(fields: &[Value], asked: &Host) -> Option<(RangeInclusive<u16>, Host)> {
    let [first, last, primary, ..] = fields else { return None };
    Some((number(first)?..=number(last)?, address(array(primary)?, asked)?))
}

/// A node: its preferred address, its port, its id, and what else is known of it.
fn address(fields: &[Value], asked: &Host) -> Option<Host> {
    let [preferred, port, rest @ ..] = fields else { return None };
    let host = match text(preferred) {
        // A cluster that prefers host names, and a node that has none.
        Some("?") => rest.get(1).and_then(ip).unwrap_or_default(),
        preferred => preferred.unwrap_or_default(),
    };
    Some(Host::new(or_asked(host, asked), number(port)?))
}

/// The address of a node by number, among what else is known of it.
fn ip(known: &Value) -> Option<&str> {
    match known {
        Value::Map(pairs) => {
            pairs.iter().find(|(name, _)| text(name) == Some("ip")).and_then(|(_, ip)| text(ip))
        }
        Value::Array(words) => {
            let at = words.iter().step_by(2).position(|name| text(name) == Some("ip"))?;
            words.get(2 * at + 1).and_then(text)
        }
        _ => None,
    }
}

/// A node that leaves out its host means the one at which it was reached.
fn or_asked(host: &str, asked: &Host) -> String {
    if host.is_empty() { asked.name.clone() } else { host.to_owned() }
}

fn array(value: &Value) -> Option<&[Value]> {
    if let Value::Array(values) = value { Some(values) } else { None }
}

fn number(value: &Value) -> Option<u16> {
    if let Value::Int(number) = value { (*number).try_into().ok() } else { None }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(text) => str::from_utf8(text).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: &str, port: u16) -> Host {
        Host::new(host, port)
    }

    fn word(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn slots(host: Value, known: &Value) -> Value {
        let node = |host, port| Value::Array(vec![host, Value::Int(port), word("id"), known.clone()]);
        let replica = node(word("10.0.0.9"), 7009);
        Value::Array(vec![Value::Array(vec![Value::Int(0), Value::Int(5460), node(host, 7001), replica])])
    }

    #[test]
    fn the_first_node_of_a_range_is_its_primary() {
        let asked = at("seed", 7000);
        let none = Value::Array(Vec::new());
        let pairs = vec![(word("hostname"), word("h")), (word("ip"), word("10.0.0.1"))];
        let words = vec![word("hostname"), word("h"), word("ip"), word("10.0.0.1")];
        for (host, known, expected) in [
            (word("10.0.0.1"), none.clone(), "10.0.0.1"),
            (word("node-1.internal"), none.clone(), "node-1.internal"),
            (word(""), none.clone(), "seed"),
            (Value::Nil, none.clone(), "seed"),
            (word("?"), none, "seed"),
            (word("?"), Value::Map(pairs), "10.0.0.1"),
            (word("?"), Value::Array(words), "10.0.0.1"),
        ] {
            let ranges = ranges(&slots(host, &known), &asked).unwrap();
            assert_eq!(ranges, [(0..=5460, at(expected, 7001))]);
        }
        assert_eq!(ranges(&Value::Array(Vec::new()), &asked), Some(Vec::new()), "a node on its own");
        for strange in
            [Value::Okay, Value::Array(vec![Value::Int(0)]), Value::Array(vec![Value::Array(Vec::new())])]
        {
            assert_eq!(ranges(&strange, &asked), None);
        }
    }

    #[test]
    fn an_address_in_a_redirection_may_have_no_host() {
        let asked = at("seed", 7000);
        for (text, expected) in [
            ("10.0.0.1:7001", Some(at("10.0.0.1", 7001))),
            (":7001", Some(at("seed", 7001))),
            ("::1:7001", Some(at("::1", 7001))),
            ("node", None),
            ("node:x", None),
        ] {
            assert_eq!(host(text, &asked), expected);
        }
        assert_eq!(at("::1", 7001).to_string(), "[::1]:7001");
    }
}
