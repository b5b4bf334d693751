//! Names of the user that look like ours, and lints that must still check the user's code.

use dspinlock::dspinlock as locked;

use crate::support::{AppError, alone, alone_async};

/// The library under another name, as in a crate that re-exports it.
mod facade {
    pub(crate) mod locks {
        pub(crate) use dspinlock::*;
    }
}

/// Generated code without full paths would use these.
mod impostors {
    pub(super) mod core {
        pub(in crate::hygiene) const HERE: u8 = 0;
    }
    pub(super) mod std {
        pub(in crate::hygiene) const HERE: u8 = 0;
    }
    pub(super) mod dspinlock {
        pub(in crate::hygiene) const HERE: u8 = 0;
    }

    #[derive(Debug)]
    pub(super) struct Call;
    pub(super) const SITE: u8 = 1;
    pub(super) struct Probe;
    pub(super) struct Duration;
    #[derive(Debug)]
    pub(super) enum Option {
        None,
    }
    pub(super) use self::Option::None;

    pub(super) fn never() -> u8 {
        2
    }
    macro_rules! concat {
        () => {
            3
        };
    }
    macro_rules! line {
        () => {
            4
        };
    }
    pub(super) use {concat, line};
}

#[allow(clippy::no_effect_underscore_binding, reason = "the names are what is tested")]
mod among_impostors {
    use super::impostors::{
        Call, Duration, None, Option, Probe, SITE, concat, core, dspinlock, line, never, std,
    };
    use super::{AppError, locked};

    trait Failed {
        fn failed(&self) -> &'static str {
            "mine"
        }
    }
    impl<T> Failed for T {}

    #[locked(key = call, sleep = "10ms", guard = returned)]
    pub(super) fn blocking(call: u32, error: u32, body: u32) -> Result<(u32, Call, Option), AppError> {
        let (_, _) = (Probe, Duration);
        let sum = call
            + error
            + body
            + u32::from(SITE + never() + concat!() + line!())
            + u32::from(core::HERE + std::HERE + dspinlock::HERE);
        assert!(returned.is_held());
        assert_eq!("".failed(), "mine");
        Ok((sum, Call, None))
    }

    #[locked(key = (call, error), expire = "1m")]
    pub(super) async fn asynchronous(call: u32, error: u32, run: u32) -> Result<u32, AppError> {
        let key = call + error;
        let client = run + key;
        Ok(client)
    }
}

#[locked(crate = facade::locks, key = r#type, once)]
fn r#match(r#type: &str) -> Result<(), AppError> {
    assert_eq!(r#type, "a");
    Ok(())
}

#[locked(crate = crate::hygiene::facade::locks, key = id)]
async fn found_elsewhere(id: u8) -> Result<u8, AppError> {
    Ok(id)
}

macro_rules! two_functions {
    ($vis:vis $first:ident, $second:ident, $key:expr, $sleep:literal, $time:expr, $ty:ty, $body:block) => {
        #[locked(key = ($key, id), sleep = $sleep, wait = $time)]
        $vis fn $first(id: $ty) -> Result<$ty, AppError> {
            let id = id + 1;
            Ok(id)
        }

        #[locked(crate = $crate::hygiene::facade::locks, key = $key, tries = 3)]
        async fn $second(_: $ty) -> Result<bool, AppError> $body
    };
}

two_functions!(pub(crate) made_by_a_macro, made_later, "both", "5ms", std::time::Duration::from_secs(1), u8, {
    tokio::task::yield_now().await;
    Ok(true)
});

#[test]
fn names_of_the_user_stay_theirs() {
    alone(|| {
        let (sum, call, option) = among_impostors::blocking(10, 20, 30).unwrap();
        assert_eq!((sum, format!("{call:?} {option:?}")), (70, "Call None".into()));
    });
    assert_eq!(alone_async(among_impostors::asynchronous(1, 2, 3)).unwrap(), 6);
}

#[test]
fn the_library_can_be_re_exported() {
    alone(|| r#match("a").unwrap());
    assert_eq!(alone_async(found_elsewhere(3)).unwrap(), 3);
}

#[test]
fn functions_made_by_macros() {
    assert_eq!(alone(|| made_by_a_macro(1)).unwrap(), 2);
    assert!(alone_async(made_later(1)).unwrap());
}
