use super::limits::{MAX_DURATION, MIN_DURATION};
use super::*;
use crate::error::ErrorKind;

#[test]
fn the_defaults_are_py_dspinlocks() {
    let options = Options::new();
    assert_eq!(options.wait(), Duration::from_secs(5));
    assert_eq!((options.tries(), options.clone().with_wait(Duration::ZERO).tries()), (Some(10), None));
    options.validate(true).unwrap();
}

/// Each is refused by its own name, in words that say what to write.
#[test]
fn refuses_what_is_too_short_or_too_long_by_its_name() {
    type Set = fn(Options, Duration) -> Options;
    let durations: [(&str, Set); 5] = [
        ("`sleep`", Options::with_sleep),
        ("`expire`", |options, expire| options.with_expire(expire)),
        ("`max_block`", Options::with_max_block),
        ("`lease`", Options::with_lease),
        ("the time of `replicas`", |options, within| options.with_replicas(1, within)),
    ];
    let refusal = |options: &Options| {
        let refused = options.validate(false).expect_err(&format!("{options:?}"));
        assert_eq!(refused.kind(), ErrorKind::Config, "{refused}");
        refused.to_string()
    };
    for (name, set) in durations {
        for short in [Duration::ZERO, Duration::from_nanos(1), Duration::from_micros(999)] {
            let text = refusal(&set(Options::new(), short));
            assert!(text.starts_with(name) && text.contains("at least one millisecond"), "{text}");
        }
        for long in [MAX_DURATION + MIN_DURATION, Duration::MAX] {
            let text = refusal(&set(Options::new().with_tries(1), long));
            assert!(text.starts_with(name) && text.contains("365 days"), "{text}");
        }
        set(Options::new(), MIN_DURATION).validate(false).unwrap();
    }
    let numbers = [
        (Options::new().with_wait(Duration::MAX), "`wait` is"),
        (Options::new().with_tries(0), "`tries` is zero; write `wait`"),
        (Options::new().with_tries(u32::MAX), "`tries` is 4294967295 and `sleep` 500ms"),
        (Options::new().with_local_handoffs(u32::MAX), "`local_handoffs` is 4294967295"),
    ];
    for (options, starts) in numbers {
        let text = refusal(&options);
        assert!(text.starts_with(starts), "{text}");
    }
    for wait in [Duration::ZERO, Duration::from_nanos(1), MAX_DURATION] {
        Options::new().with_wait(wait).with_expire(None).validate(false).unwrap();
    }
    Options::new().with_tries(u32::MAX).with_sleep(MIN_DURATION).validate(false).unwrap();
}

#[test]
fn a_bare_key_is_not_held_longer_than_python_believes() {
    let long = Options::new().with_max_block(Duration::from_secs(31 * 60));
    long.validate(false).unwrap();
    assert!(long.validate(true).unwrap_err().to_string().contains("namespace"));
}
