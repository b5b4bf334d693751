//! Parses lines of `MONITOR`.

use super::{Act, Fact};

/// Who sent a command.
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

/// The tags among the arguments of a call of a script.
pub(super) fn tags(words: &[String]) -> Option<Vec<String>> {
    let name = words.first()?;
    if !(name.eq_ignore_ascii_case("EVALSHA") || name.eq_ignore_ascii_case("EVAL")) {
        return None;
    }
    let keys: usize = words.get(2)?.parse().ok()?;
    let arguments = words.get(3 + keys..)?;
    Some(arguments.iter().filter(|word| word.contains('@') && word.ends_with(',')).cloned().collect())
}

/// The changes that a command makes to records and fences.
pub(super) fn acts(words: &[String], wall: u64) -> Vec<(u64, Act)> {
    let Some(name) = words.first().map(|name| name.to_ascii_uppercase()) else { return Vec::new() };
    let one = |act: Option<Act>| {
        words.get(1).and_then(|name| record(name)).zip(act).into_iter().collect::<Vec<_>>()
    };
    match name.as_str() {
        "SET" => match words.get(1).and_then(|name| fence(name)) {
            Some(key) => {
                let top = words.get(2).and_then(|top| top.parse().ok());
                top.map(|top| (key, Act::Fence { top })).into_iter().collect()
            }
            None => one(set(words, wall)),
        },
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

fn fence(name: &str) -> Option<u64> {
    record(name.strip_prefix('{')?.strip_suffix("}:fence")?)
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
    fn knows_records_fences_and_tags() {
        let words = |text: &str| text.split(' ').map(ToOwned::to_owned).collect::<Vec<_>>();
        let call = words("EVALSHA 0f 2 k f u@h/op1-1,T, 300");
        assert_eq!(tags(&call), Some(vec!["u@h/op1-1,T,".to_owned()]));
        assert_eq!(tags(&words("GET k")), None);
        let set = Act::Set { tag: "u@h,T,".to_owned(), computed: false, life: 300_000 };
        assert_eq!(acts(&words("SET dspinlock,nemesis,7 u@h,T,0 PX 300"), 0), [(7, set)]);
        assert_eq!(acts(&words("SET {dspinlock,nemesis,7}:fence 99 PX 1"), 0), [(7, Act::Fence { top: 99 })]);
        assert_eq!(acts(&words("DEL {dspinlock,nemesis,7}:value dspinlock,7"), 0), [(7, Act::Delete)]);
        assert_eq!(acts(&words("SADD {dspinlock,nemesis,7}:wait x"), 0), []);
    }
}
