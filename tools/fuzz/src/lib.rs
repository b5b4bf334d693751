//! Properties of parsers, tested with random input: briefly in every `cargo test`, or for a given time.
//!
//! With `FUZZ_SECONDS=600` each property is tested for ten minutes with new input. See `docs/testing.md`.

use std::cell::Cell;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestRunner;

/// Tests a property, a function that panics if it does not hold, and returns whether the parser accepted the input.
///
/// # Panics
/// With the smallest failing input if the property does not hold, and if no input was accepted, which would test little.
pub fn fuzz<S: Strategy>(name: &str, input: &S, property: impl Fn(S::Value) -> bool) {
    let seconds = std::env::var("FUZZ_SECONDS").ok();
    let seconds = seconds.map_or(0, |text| text.parse().expect("FUZZ_SECONDS is a whole number"));
    let (time, started) = (Duration::from_secs(seconds), Instant::now());
    let (tried, accepted) = (Cell::new(0_u64), Cell::new(0_u64));
    loop {
        let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
        let result = TestRunner::new(config).run(input, |value| {
            tried.update(|tried| tried + 1);
            if property(value) {
                accepted.update(|accepted| accepted + 1);
            }
            Ok(())
        });
        if let Err(error) = result {
            panic!("{name}, after {} inputs: {error}", tried.get());
        }
        if started.elapsed() >= time {
            break;
        }
    }
    println!("{name}: {} inputs in {:?}, {} accepted", tried.get(), started.elapsed(), accepted.get());
    assert!(accepted.get() > 0, "{name}: nothing was accepted");
}

/// Bytes with a few mutations: bytes and words that are inserted, removed, changed or doubled.
pub fn with_slips(
    whole: impl Strategy<Value = Vec<u8>>,
    words: &'static [&'static str],
) -> impl Strategy<Value = Vec<u8>> {
    let slip = prop_oneof![
        any::<u8>().prop_map(Slip::Byte),
        select(words).prop_map(Slip::Word),
        (0..4_usize).prop_map(Slip::Lost),
        (1..8_usize).prop_map(Slip::Twice),
    ];
    (whole, vec((any::<Index>(), any::<bool>(), slip), 0..4)).prop_map(|(mut bytes, slips)| {
        for (at, over, slip) in slips {
            let at = at.index(bytes.len() + 1);
            let end = |length: usize| bytes.len().min(at + length);
            match slip {
                Slip::Byte(byte) => drop(bytes.splice(at..end(usize::from(over)), [byte])),
                Slip::Word(word) => {
                    let replaced = if over { word.len() } else { 0 };
                    drop(bytes.splice(at..end(replaced), word.bytes()));
                }
                Slip::Lost(length) => drop(bytes.drain(at..end(length))),
                Slip::Twice(length) => {
                    let part = bytes[at..end(length)].to_vec();
                    drop(bytes.splice(at..at, part));
                }
            }
        }
        bytes
    })
}

#[derive(Clone, Copy, Debug)]
enum Slip {
    Byte(u8),
    Word(&'static str),
    Lost(usize),
    Twice(usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_wrong_and_shows_the_smallest_input() {
        let found = std::panic::catch_unwind(|| {
            fuzz("too large", &(0..1_000_u32), |number| {
                assert!(number < 7);
                true
            });
        });
        let message = *found.unwrap_err().downcast::<String>().unwrap();
        assert!(
            message.starts_with("too large, after") && message.contains("minimal failing input: 7"),
            "{message}"
        );
    }

    #[test]
    #[should_panic(expected = "nothing was accepted")]
    fn input_that_is_never_accepted_is_no_test() {
        fuzz("refused", &(0..10_u32), |_| false);
    }

    #[test]
    fn slips_leave_some_as_it_was_and_change_the_rest() {
        let input = with_slips(Just(b"a record".to_vec()), &["word"]);
        let (same, other) = (Cell::new(0), Cell::new(0));
        fuzz("slips", &input, |bytes| {
            let count = if bytes == b"a record" { &same } else { &other };
            count.update(|count| count + 1);
            true
        });
        assert!(same.get() > 0 && other.get() > same.get());
    }
}
