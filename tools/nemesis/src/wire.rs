//! Faults of single requests. The proxies recognise the library's scripts by their digests.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dspinlock_testkit::Verdict;

use crate::clock::{micros, now};
use crate::faults::{Entry, Fault, FaultLog, Loss};

/// A script of the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Script {
    Acquire,
    Release,
    Abandon,
    Renew,
    Fail,
    Time,
}

const SCRIPTS: [(Script, &str); 6] = [
    (Script::Acquire, include_str!("../../../dspinlock-core/src/store/redis/scripts/acquire.lua")),
    (Script::Release, include_str!("../../../dspinlock-core/src/store/redis/scripts/release.lua")),
    (Script::Abandon, include_str!("../../../dspinlock-core/src/store/redis/scripts/abandon.lua")),
    (Script::Renew, include_str!("../../../dspinlock-core/src/store/redis/scripts/renew.lua")),
    (Script::Fail, include_str!("../../../dspinlock-core/src/store/redis/scripts/fail.lua")),
    (Script::Time, include_str!("../../../dspinlock-core/src/store/redis/scripts/time.lua")),
];

/// A part of the protocol that a control leaves out. The proxy replaces the scripts; the library is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// Scripts do not compare tags.
    Tags,
    /// A request is never too late.
    NotAfter,
    /// The next fencing token is the last one plus one.
    BareCounter,
}

/// What a script becomes.
fn edited(script: Script, source: &str, sabotage: Option<Sabotage>, skew: i64) -> String {
    let mut source = source.to_owned();
    let mut replace = |from: &str, to: &str| {
        assert!(source.contains(from), "{script:?} has changed; it has no {from:?} to replace");
        source = source.replace(from, to);
    };
    match (sabotage, script) {
        (Some(Sabotage::Tags), Script::Release | Script::Abandon | Script::Fail) => {
            replace("if record == ARGV[1] .. '0' then", "if record ~= '' then");
        }
        (Some(Sabotage::Tags), Script::Renew) => {
            replace("== tag .. '0' then", "~= '' then");
        }
        (Some(Sabotage::NotAfter), Script::Acquire) => {
            replace("now - ARGV[3] > 0", "false");
        }
        (Some(Sabotage::BareCounter), Script::Acquire) => replace("local token = now", "local token = '1'"),
        _ => {}
    }
    match script {
        Script::Acquire if skew != 0 => {
            replace("time[1] .. micros", &format!("string.format('%.0f', time[1] + {skew}) .. micros"));
        }
        Script::Time if skew != 0 => replace(
            "return redis.call('TIME')",
            &format!("local time = redis.call('TIME') return {{tostring(time[1] + {skew}), time[2]}}"),
        ),
        _ => {}
    }
    source
}

#[derive(Default)]
struct State {
    armed: Option<(Script, Verdict)>,
    /// How many seconds the server's clock is ahead, as clients see it.
    skew: i64,
}

/// The next fault on one worker's wire.
pub(crate) struct Wire {
    slot: u32,
    log: FaultLog,
    sabotage: Option<Sabotage>,
    digests: Vec<(Script, &'static str, String)>,
    state: Mutex<State>,
}

impl Wire {
    pub(crate) fn new(slot: u32, log: FaultLog, sabotage: Option<Sabotage>) -> Self {
        let digest = |source: &str| redis::Script::new(source).get_hash().to_owned();
        let digests = SCRIPTS.iter().map(|(script, source)| (*script, *source, digest(source))).collect();
        Self { slot, log, sabotage, digests, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies a verdict to the next call of this script.
    pub(crate) fn arm(&self, script: Script, verdict: Verdict) {
        self.state().armed = Some((script, verdict));
    }

    pub(crate) fn set_skew(&self, seconds: i64) {
        self.state().skew = seconds;
    }

    /// Edits a request on its way to the server.
    pub(crate) fn edit(&self, words: &mut [Vec<u8>]) -> Verdict {
        let mut state = self.state();
        let called = self.digests.iter().find(|(_, source, digest)| match words.get(..2) {
            Some([name, script]) if name == b"EVALSHA" => script == digest.as_bytes(),
            Some([name, script]) if name == b"EVAL" => script == source.as_bytes(),
            _ => false,
        });
        let Some((script, source, _)) = called else { return Verdict::Pass };
        if self.sabotage.is_some() || state.skew != 0 {
            words[0] = b"EVAL".to_vec();
            words[1] = edited(*script, source, self.sabotage, state.skew).into_bytes();
        }
        match state.armed {
            Some((armed, verdict)) if armed == *script => {
                state.armed = None;
                self.note(*script, verdict);
                verdict
            }
            _ => Verdict::Pass,
        }
    }

    fn note(&self, script: Script, verdict: Verdict) {
        let (what, late) = match verdict {
            Verdict::CutReply => ("cut", Duration::ZERO),
            Verdict::Twice => ("twice", Duration::ZERO),
            Verdict::Late(late) => ("late", late),
            Verdict::Pass => return,
        };
        let (from, name) = (now(), format!("{what} {script:?}").to_lowercase());
        let to = from + micros(late);
        let fault = Fault { name, from, to, slot: Some(self.slot), loses: Loss::Nothing, away: true };
        self.log.write(&Entry::Fault(fault));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sabotage_finds_what_it_leaves_out() {
        let touched = |sabotage, skew| {
            let changes =
                |(script, source): &&(Script, &str)| edited(*script, source, sabotage, skew) != *source;
            SCRIPTS.iter().filter(changes).map(|(script, _)| *script).collect::<Vec<_>>()
        };
        assert_eq!(touched(None, 0), []);
        let ends = [Script::Release, Script::Abandon, Script::Renew, Script::Fail];
        assert_eq!(touched(Some(Sabotage::Tags), 0), ends);
        for acquire in [touched(Some(Sabotage::NotAfter), 0), touched(Some(Sabotage::BareCounter), 0)] {
            assert_eq!(acquire, [Script::Acquire]);
        }
        assert_eq!(touched(None, -9), [Script::Acquire, Script::Time]);
    }
}
