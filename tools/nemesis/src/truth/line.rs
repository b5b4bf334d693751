//! Parses lines of `MONITOR`.

use super::{Act, Fact};

/// The sender of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Client,
    Script,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Microseconds of the wall clock.
    pub(super) wall: u64,
    pub(super) source: Source,
    pub(super) words: Vec<String>,
}

/// `1339518083.107412 [0 127.0.0.1:60866] "SET" "key" "va\"lue"`.
pub(super) fn parse(line: &str) -> Option<Line> {
    let (time, rest) = line.split_once(" [")?;
    let (seconds, micros) = time.split_once('.')?;
    let wall = seconds.parse::<u64>().ok()? * 1_000_000 + micros.parse::<u64>().ok()?;
    let (source, rest) = rest.split_once(']')?;
    let source = if source.ends_with(" lua") { Source::Script } else { Source::Client };
    Some(Line { wall, source, words: words(rest) })
}

/// The quoted words. Escapes other than `\\` and `\"` are kept, since no name or tag has them.
fn words(mut rest: &str) -> Vec<String> {
    let mut words = Vec::new();
    while let Some(at) = rest.find('"') {
        rest = &rest[at + 1..];
        let (mut word, mut escaped, mut end) = (String::new(), false, rest.len());
        for (at, c) in rest.char_indices() {
            match c {
                _ if escaped => {
                    word.push(c);
                    escaped = false;
                }
                '\\' => escaped = true,
                '"' => {
                    end = at;
                    break;
                }
                _ => word.push(c),
            }
        }
        rest = rest.get(end + 1..).unwrap_or_default();
        words.push(word);
    }
    words
}

/// A call of a script.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Call {
    /// The key of the record that it is for.
    pub(super) key: Option<u64>,
    /// The tags among its arguments.
    pub(super) tags: Vec<String>,
}

/// Reads a call of a script.
pub(super) fn call(words: &[String]) -> Option<Call> {
    let name = words.first()?;
    if !(name.eq_ignore_ascii_case("EVALSHA") || name.eq_ignore_ascii_case("EVAL")) {
        return None;
    }
    let keys: usize = words.get(2)?.parse().ok()?;
    let mut arguments = words.get(3 + keys..)?.iter().map(String::as_str);
    // The first one may be the record that an acquire writes. Later ones are records of others.
    let first = arguments.next().map(|word| word.strip_suffix('0').unwrap_or(word));
    let tags = first.into_iter().chain(arguments).filter(|word| word.contains('@') && word.ends_with(','));
    let key = words.get(3).filter(|_| keys > 0).and_then(|name| record(name));
    Some(Call { key, tags: tags.map(ToOwned::to_owned).collect() })
}

/// Whether a command takes a record only if it is free. Then a script goes on with the token if it was, and only then.
pub(super) fn asks(words: &[String]) -> bool {
    let [name, _, _, options @ ..] = words else { return false };
    name.eq_ignore_ascii_case("SET") && options.iter().any(|option| option.eq_ignore_ascii_case("NX"))
}

/// The key of which a script asks whether it is there at all. It does so only after it found nothing.
pub(super) fn looked_for(words: &[String]) -> Option<&str> {
    let [name, key] = words else { return None };
    name.eq_ignore_ascii_case("EXISTS").then_some(key)
}

/// Whether a command is for a key that is missing, so that only a replica minds it.
pub(super) fn changes_nothing(words: &[String], missing: Option<&str>) -> bool {
    let [name, key, ..] = words else { return false };
    let is_for_replicas = name.eq_ignore_ascii_case("DEL") || name.eq_ignore_ascii_case("PEXPIRE");
    is_for_replicas && missing == Some(key)
}

/// The changes that a command makes to records and fences. A fence is that of the record that the script is for.
pub(super) fn acts(words: &[String], wall: u64, script: &Call) -> Vec<(u64, Act)> {
    let Some(name) = words.first().map(|name| name.to_ascii_uppercase()) else { return Vec::new() };
    let one = |act: Option<Act>| {
        words.get(1).and_then(|name| record(name)).zip(act).into_iter().collect::<Vec<_>>()
    };
    match name.as_str() {
        "SET" => one(set(words, wall)),
        "GETSET" => {
            let top = words.get(2).and_then(|top| top.parse().ok());
            script.key.zip(top.map(|top| Act::Fence { top })).into_iter().collect()
        }
        "PEXPIRE" => one(words.get(2).and_then(|life| life.parse::<u64>().ok()).map(|life| Act::Renew {
            // A life of zero or less deletes the key.
            life: life * 1_000,
        })),
        "DEL" | "UNLINK" => {
            words[1..].iter().filter_map(|name| record(name)).map(|key| (key, Act::Delete)).collect()
        }
        "FLUSHALL" | "FLUSHDB" => vec![(0, Act::Flushed)],
        _ => Vec::new(),
    }
}

fn set(words: &[String], wall: u64) -> Option<Act> {
    let value = words.get(2)?;
    let (tag, state) = value.split_at_checked(value.len().checked_sub(1)?)?;
    let life = words.get(3..).unwrap_or_default().windows(2).find_map(|option| {
        let number: u64 = option[1].parse().ok()?;
        match option[0].to_ascii_uppercase().as_str() {
            "PX" => Some(number * 1_000),
            "EX" => Some(number * 1_000_000),
            "PXAT" => Some((number * 1_000).saturating_sub(wall)),
            _ => None,
        }
    });
    Some(Act::Set { tag: tag.to_owned(), computed: state == "1", life: life.unwrap_or(u64::MAX / 4) })
}

/// The number of the key whose record has this name: `dspinlock,nemesis,17`, or the bare `dspinlock,17`.
fn record(name: &str) -> Option<u64> {
    name.strip_prefix("dspinlock,")?.rsplit(',').next()?.parse().ok()
}

impl Fact {
    pub(super) fn new(at: u64, server: u32, by: &[String], (key, act): (u64, Act)) -> Self {
        Self { at, server, key, by: by.to_vec(), act }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_words_with_quotes() {
        let line = parse(r#"12.000345 [0 lua] "SET" "a\"b" "x\\y\nq""#).unwrap();
        assert_eq!((line.wall, line.source), (12_000_345, Source::Script));
        assert_eq!(line.words, ["SET", "a\"b", "x\\ynq"]);
        assert_eq!(parse("OK"), None);
    }

    #[test]
    fn knows_what_a_script_does_for_replicas_only() {
        let words = |text: &str| text.split(' ').map(ToOwned::to_owned).collect::<Vec<_>>();
        assert_eq!(looked_for(&words("EXISTS key")), Some("key"));
        assert_eq!(looked_for(&words("GET key")), None);
        for (command, missing, nothing) in [
            ("DEL key", Some("key"), true),
            ("PEXPIRE key 5", Some("key"), true),
            ("PEXPIRE other 5", Some("key"), false),
            ("SET key value", Some("key"), false),
            ("DEL key", None, false),
        ] {
            assert_eq!(changes_nothing(&words(command), missing), nothing, "{command} {missing:?}");
        }
    }

    #[test]
    fn knows_records_fences_and_tags() {
        let words = |text: &str| text.split(' ').map(ToOwned::to_owned).collect::<Vec<_>>();
        let script =
            call(&words("EVALSHA 0f 2 dspinlock,nemesis,7 f u@h/op1-1,T,0 300 o@h/op1-2,T,0")).unwrap();
        assert_eq!(script, Call { key: Some(7), tags: vec!["u@h/op1-1,T,".to_owned()] });
        let renewal =
            call(&words("EVALSHA 0f 1 {dspinlock,nemesis,7}:refresh u@h,T, 300 o@h,T, 300")).unwrap();
        assert_eq!(renewal, Call { key: None, tags: vec!["u@h,T,".to_owned(), "o@h,T,".to_owned()] });
        assert_eq!(call(&words("GET k")), None);
        let acts = |text: &str| acts(&words(text), 0, &script);
        let set = Act::Set { tag: "u@h,T,".to_owned(), computed: false, life: 300_000 };
        for (options, may_fail) in [("PX 300", false), ("NX PX 300", true)] {
            let text = format!("SET dspinlock,nemesis,7 u@h,T,0 {options}");
            assert_eq!((acts(&text), asks(&words(&text))), (vec![(7, set.clone())], may_fail));
        }
        assert_eq!(acts("GETSET dspinlock:fence:{9} 99"), [(7, Act::Fence { top: 99 })]);
        assert_eq!(acts("DEL {dspinlock,nemesis,7}:value dspinlock,7"), [(7, Act::Delete)]);
        assert_eq!(acts("SADD {dspinlock,nemesis,7}:wait x"), []);
    }
}
