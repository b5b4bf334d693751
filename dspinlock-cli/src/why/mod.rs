//! `why`: who waits for whom, since when, and what would free the lock. It says what is known, and what that leaves open.

mod chain;
mod words;

use crate::args::Why as WhyArgs;
use crate::details::{Details, code, look};
use crate::exit::{Code, Result};
use crate::lock::{Lock, Process, State, as_millis};
use crate::say;
use crate::server::{Access, Scan, ask};
use chain::{Chain, Waited, chain};
use schemars::JsonSchema;
use serde::Serialize;
use std::time::Duration;
use words::sentences;

/// What `why` writes.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Reason {
    #[serde(flatten)]
    pub(crate) details: Details,
    /// What a second look after `--observe` showed.
    pub(crate) observed: Option<Observed>,
    /// Which locks the holder waits for, who holds those, what they wait for, and so on. Null with `--no-scan`.
    pub(crate) chain: Option<Chain>,
    /// The same in sentences.
    pub(crate) sentences: Vec<String>,
}

/// A second look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Observed {
    pub(crate) after_ms: u64,
    /// Whether the same turn still holds the lock.
    pub(crate) same_turn: bool,
    /// Whether its lease was extended meanwhile.
    pub(crate) renewed: bool,
}

/// Looks a second time.
fn observe(access: &Access, first: &Lock, after: Duration) -> Result<Observed> {
    std::thread::sleep(after);
    let second = access.lock(&first.key)?;
    Ok(observed(first, &second, after))
}

fn observed(first: &Lock, second: &Lock, after: Duration) -> Observed {
    let same_turn = first.raw == second.raw;
    // Two looks are a moment further apart than `after`, never closer.
    let expected = first.life_ms.unwrap_or(u64::MAX).saturating_sub(as_millis(after));
    let renewed = same_turn && second.life_ms.is_some_and(|life| life > expected);
    Observed { after_ms: as_millis(after), same_turn, renewed }
}

/// All held locks that somebody waits for, or that this process holds.
fn others(access: &Access, holder: &Process, scan_limit: u64) -> Result<(Vec<Waited>, bool)> {
    let which = crate::args::Which { namespace: None, pattern: None, limit: u64::MAX, scan_limit };
    let mut scan = Scan::new(access, &which)?;
    let mut all = Vec::new();
    while let Some(batch) = scan.next()? {
        let locks = access.locks(&batch.server, &batch.keys)?.into_iter().flatten();
        let is_of_interest = |lock: &Lock| {
            lock.state == State::Held
                && (lock.waiting.is_some_and(|number| number > 0)
                    || lock.holder.as_ref().is_some_and(|by| by.is_same(holder)))
        };
        let locks: Vec<_> = locks.filter(is_of_interest).collect();
        let members = locks.iter().map(|lock| {
            let mut command = redis::cmd("SSCAN");
            command.arg(access.names(&lock.key).wait).arg(0).arg("COUNT").arg(1_000);
            command
        });
        let members: Vec<_> = members.collect();
        if members.is_empty() {
            continue;
        }
        for (lock, reply) in locks.into_iter().zip(ask(&batch.server, members)?) {
            let members = reply
                .ok()
                .as_ref()
                .and_then(crate::server::page)
                .map_or_else(Vec::new, |(_, members)| members);
            let waiters = members.iter().map(|member| Process::of_waiter(member)).collect();
            all.push(Waited { lock, waiters });
        }
    }
    Ok((all, scan.is_complete()))
}

pub(crate) fn run(access: &Access, args: &WhyArgs, key: &str, json: bool) -> Result<Code> {
    let mut details = look(access, key)?;
    let is_held = details.lock.state == State::Held;
    let observed = match args.observe.filter(|_| is_held) {
        Some(after) => {
            let observed = observe(access, &details.lock, after)?;
            details = look(access, key)?;
            Some(observed)
        }
        None => None,
    };
    let chain = match &details.lock.holder {
        Some(holder) if details.lock.state == State::Held && !args.no_scan => {
            let (held, complete) = others(access, holder, args.scan_limit)?;
            Some(chain(key, holder, &held, complete))
        }
        _ => None,
    };
    let sentences = sentences(&details, observed, chain.as_ref());
    let state = details.lock.state;
    if json {
        say::print_json(&Reason { details, observed, chain, sentences })?;
    } else {
        let mut text = say::styled(say::BOLD, &format!("{} is {}", say::plain(key), state.word())) + "\n";
        for sentence in sentences {
            text.push_str(&say::plain(&sentence));
            text.push('\n');
        }
        say::print(&text)?;
    }
    Ok(code(state))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::tests::lock;

    #[test]
    fn a_second_look_shows_renewals() {
        let turn = "0b8e@web-1/1,2026-01-31T23:59:59.000000+00:00,0";
        let at = |life| lock("k", turn, life, 0);
        let after = Duration::from_secs(4);
        let look = |second| observed(&at(9_000), &second, after);
        assert!(look(at(9_500)).renewed && look(at(5_001)).renewed);
        assert!(!look(at(5_000)).renewed && !look(at(4_990)).renewed);
        let other = lock("k", "77@web-1/1,2026-01-31T23:59:59.000000+00:00,0", 9_999, 0);
        assert_eq!((look(other.clone()).same_turn, look(other).renewed), (false, false));
    }
}
