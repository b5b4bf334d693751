//! `forget` and `break`: what removes records.

use crate::args::Removal as RemovalArgs;
use crate::exit::{Code, Failure, Result};
use crate::lock::{Lock, State};
use crate::say;
use crate::server::Access;
use dspinlock::__tools::{break_blocking, lock_of};
use schemars::JsonSchema;
use serde::Serialize;
use std::io::{BufRead as _, IsTerminal as _, Write as _};

/// What `forget` and `break` write.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Removed {
    pub(crate) removed: bool,
    /// What was there before.
    pub(crate) before: Lock,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Forget,
    Break,
}

/// What to do about a lock that was looked at.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Ask this first.
    Ask(String),
    /// Leave it, for this reason.
    Leave(Code, String),
}

/// Decides by what stands at the key. Nothing that is not a lock's is removed, and each way removes only what it is for.
pub(crate) fn decide(way: Way, lock: &Lock) -> Decision {
    let holder = lock.holder_text();
    let waiting = match lock.waiting {
        Some(0) => "nobody is noted as waiting".to_owned(),
        Some(number) => format!("{} waiting", say::count(number, "process is", "processes are")),
        None => "who waits is not known".to_owned(),
    };
    let age = lock.age_ms.map_or_else(String::new, say::millis);
    match (way, lock.state) {
        (_, State::Free) => {
            Decision::Leave(Code::No, format!("{} is free: there is nothing to remove", lock.key))
        }
        (_, State::Foreign) => Decision::Leave(
            Code::Foreign,
            format!(
                "{} holds {}: it is not removed",
                lock.key,
                lock.foreign.as_deref().unwrap_or("something that is no lock's")
            ),
        ),
        (Way::Forget, State::Held) => Decision::Leave(
            Code::Held,
            format!("{} is held by {holder} for {age}: `dspinlock break` would take it away", lock.key),
        ),
        (Way::Forget, State::Computed) => {
            Decision::Ask(format!("{} was done by {holder} {age} ago. The next caller runs again.", lock.key))
        }
        (Way::Break, State::Computed) => Decision::Leave(
            Code::No,
            format!(
                "{} is not held: it was done by {holder} {age} ago; `dspinlock forget` removes that",
                lock.key
            ),
        ),
        (Way::Break, State::Held) => Decision::Ask(format!(
            "{} is held by {holder} for {age}, and {waiting}. {holder} loses the lock: it learns so at its next renewal, may work \
             on until then beside the next holder, and its result is not stored.",
            lock.key
        )),
    }
}

pub(crate) fn run(access: &Access, way: Way, key: &str, args: &RemovalArgs, json: bool) -> Result<Code> {
    let before = access.lock(key)?;
    let question = match decide(way, &before) {
        Decision::Leave(code, why) => {
            if json {
                say::print_json(&Removed { removed: false, before })?;
            }
            return Err(Failure::new(code, why));
        }
        Decision::Ask(question) => say::plain(&question),
    };
    // What is remembered as done can be done again: `forget` asks nobody.
    if way == Way::Break && !args.yes && !confirmed(&question)? {
        return Err(Failure::new(Code::No, "nothing was removed"));
    }
    let removed = match way {
        Way::Forget => lock_of(&access.client, key).forget_blocking()?,
        Way::Break => break_blocking(&access.client, key, &before.raw)?,
    };
    if json {
        say::print_json(&Removed { removed, before: before.clone() })?;
    }
    if !removed {
        return Err(Failure::new(Code::No, format!("{key} has changed meanwhile: nothing was removed")));
    }
    if !json {
        let by = say::plain(before.holder_text());
        let done = match way {
            Way::Forget => format!("forgotten: {key}, done by {by}\n"),
            Way::Break => format!("broken: {key}, held by {by}\n"),
        };
        say::print(&done)?;
    }
    Ok(Code::Done)
}

/// Asks on standard error, and reads the answer from standard input.
fn confirmed(question: &str) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        let what = format!("{question}\nnobody can be asked here; write --yes to do it");
        return Err(Failure::new(Code::No, what));
    }
    let mut error = std::io::stderr();
    write!(error, "{question}\nTake it away? [y/N] ")?;
    error.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(&*answer.trim().to_lowercase(), "y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::tests::{held, lock};

    #[test]
    fn each_way_removes_only_what_it_is_for() {
        let turn = held("k", "web-1/77", 2);
        let done = lock("k", "0b8e@web-1/77,2026-01-31T23:59:59.000000+00:00,1", 5, 0);
        let (free, foreign) = (lock("k", "", -2, 0), lock("k", "hello", -1, 0));
        let code = |way, lock: &Lock| match decide(way, lock) {
            Decision::Ask(_) => Code::Done,
            Decision::Leave(code, _) => code,
        };
        let codes = |way| [&turn, &done, &free, &foreign].map(|lock| code(way, lock));
        assert_eq!(codes(Way::Break), [Code::Done, Code::No, Code::No, Code::Foreign]);
        assert_eq!(codes(Way::Forget), [Code::Held, Code::Done, Code::No, Code::Foreign]);
        let Decision::Ask(question) = decide(Way::Break, &turn) else { panic!("it is held") };
        assert!(
            question.contains("web-1/77 loses the lock") && question.contains("2 processes"),
            "{question}"
        );
    }
}
