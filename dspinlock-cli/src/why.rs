//! `why`: who waits for whom, since when, and what would free the lock. It says what is known, and what that leaves open.

use crate::args::Why as WhyArgs;
use crate::details::{Details, code, look, note_text};
use crate::exit::{Code, Result};
use crate::lock::{Lock, Process, State, as_millis};
use crate::say;
use crate::server::{Access, Scan, ask};
use schemars::JsonSchema;
use serde::Serialize;
use std::time::Duration;

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

/// Who waits for whom, from the holder on.
#[derive(Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Chain {
    pub(crate) waits: Vec<Wait>,
    /// Whether it comes back to a process that is in it already.
    pub(crate) is_cycle: bool,
    /// Other locks that the holder holds.
    pub(crate) holder_also_holds: Vec<String>,
    /// Whether all locks were looked at.
    pub(crate) complete: bool,
}

/// A process that is noted as waiting for a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Wait {
    /// `host/pid`.
    pub(crate) process: String,
    pub(crate) key: String,
    pub(crate) holder: Option<Process>,
}

/// A held lock, and the processes that are noted as waiting for it.
pub(crate) struct Waited {
    pub(crate) lock: Lock,
    pub(crate) waiters: Vec<Process>,
}

/// Follows the holder of `key` from lock to lock.
pub(crate) fn chain(key: &str, holder: &Process, held: &[Waited], complete: bool) -> Chain {
    let mut chain = Chain { complete, ..Chain::default() };
    let holds =
        |it: &&Waited, process: &Process| it.lock.holder.as_ref().is_some_and(|by| by.is_same(process));
    let others = held.iter().filter(|it| it.lock.key != key && holds(it, holder));
    chain.holder_also_holds = others.map(|it| it.lock.key.clone()).collect();
    let mut process = holder.clone();
    let mut seen = vec![holder.place()];
    // A process may wait for several locks, one of each thread. Each is listed, and the first one is followed.
    loop {
        let waits: Vec<_> =
            held.iter().filter(|it| it.waiters.iter().any(|waiter| waiter.is_same(&process))).collect();
        chain.waits.extend(waits.iter().map(|it| Wait {
            process: process.place(),
            key: it.lock.key.clone(),
            holder: it.lock.holder.clone(),
        }));
        let Some(next) = waits.first().and_then(|it| it.lock.holder.clone()) else { return chain };
        if seen.contains(&next.place()) {
            chain.is_cycle = true;
            return chain;
        }
        seen.push(next.place());
        process = next;
    }
}

/// The reason in sentences.
pub(crate) fn sentences(it: &Details, observed: Option<Observed>, chain: Option<&Chain>) -> Vec<String> {
    let lock = &it.lock;
    let mut all = match lock.state {
        State::Free => vec!["Nobody holds it. The next caller gets it.".to_owned()],
        State::Foreign => vec![format!(
            "The key holds {}. No caller gets the lock, and the library changes nothing there. Remove it by redis-cli if nobody \
             needs it, or give the lock another namespace.",
            lock.foreign.as_deref().unwrap_or("something else")
        )],
        State::Computed => vec![computed(lock)],
        State::Held => held(it, observed),
    };
    if lock.state != State::Foreign {
        all.push(waiters(it));
    }
    if let Some(chain) = chain {
        all.extend(chained(chain, lock));
    }
    if let Some(note) = &it.note {
        all.push(capital(&note_text(note)) + ".");
    }
    if lock.state == State::Held {
        all.push(frees(lock));
    }
    all
}

fn computed(lock: &Lock) -> String {
    let ends = match lock.life_ms {
        Some(life) => format!("for {} more", say::millis(life)),
        None => "for ever".to_owned(),
    };
    format!(
        "It is not held: {} did the work {} ago, which is remembered {ends}. Callers with `cached`, `skip` or `once` do not run \
         again until then; others take the lock at once. `dspinlock forget` lets the next caller run.",
        lock.holder_text(),
        lock.age_ms.map_or_else(String::new, say::millis),
    )
}

fn held(it: &Details, observed: Option<Observed>) -> Vec<String> {
    let lock = &it.lock;
    let age = lock.age_ms.unwrap_or_default();
    let since = lock.since.as_deref().unwrap_or_default();
    let mut all = vec![format!("{} holds it since {since}, for {}.", who(lock), say::millis(age))];
    match (observed, lock.life_ms) {
        (Some(Observed { same_turn: false, after_ms, .. }), _) => {
            all.push(format!("{} later another turn has it: it moves on.", say::millis(after_ms)));
        }
        (Some(Observed { renewed: true, after_ms, .. }), _) => all.push(format!(
            "Within {} its lease was renewed: the process lives, and its work has not come to an end.",
            say::millis(after_ms)
        )),
        (Some(Observed { after_ms, .. }), Some(life)) => all.push(format!(
            "Within {} its lease was not renewed, and {} are left. A process renews when a third of the lease has passed: look for longer, or \
             it is gone or stopped.",
            say::millis(after_ms),
            say::millis(life)
        )),
        // A lease that began with the turn would have to be longer than this.
        (None, Some(life)) if age > 20 * life.max(10_000) => all.push(format!(
            "Its lease ends in {}, much less than it has been held: so it is renewed, and the process lived a moment ago.",
            say::millis(life)
        )),
        _ => {}
    }
    all
}

fn who(lock: &Lock) -> String {
    let Some(holder) = &lock.holder else { return "Somebody".to_owned() };
    match (&holder.host, holder.pid, &holder.function) {
        (Some(host), Some(pid), Some(function)) => format!("Process {pid} on {host}, in {function},"),
        (Some(host), Some(pid), None) => format!("Process {pid} on {host}"),
        _ => capital(&holder.text),
    }
}

fn waiters(it: &Details) -> String {
    let named: Vec<_> = it.waiters.iter().filter(|waiter| waiter.pid.is_some()).map(Process::place).collect();
    let unnamed = it.waiters.len() - named.len();
    match it.lock.waiting {
        None => "Who waits for it can't be seen by this user.".to_owned(),
        Some(0) => "Nobody is noted as waiting for it.".to_owned(),
        Some(number) => {
            let mut text =
                format!("{} noted as waiting for it", say::count(number, "process is", "processes are"));
            if !named.is_empty() {
                text.push_str(": ");
                text.push_str(&named.join(", "));
            }
            if unnamed > 0 {
                text.extend([" (", &*unnamed.to_string(), " without a name)"]);
            }
            let by = it.lock.holder.as_ref();
            if by.is_some_and(|by| it.waiters.iter().any(|waiter| waiter.is_same(by))) {
                text.push_str(
                    " (the holder's own note is from before it got the lock, or of another thread)",
                );
            }
            text + ". Since when is not stored, and one that gave up stays noted until the record would have ended."
        }
    }
}

fn chained(chain: &Chain, lock: &Lock) -> Vec<String> {
    let mut all = Vec::new();
    if !chain.holder_also_holds.is_empty() {
        all.push(format!("Its holder also holds {}.", chain.holder_also_holds.join(", ")));
    }
    for Wait { process, key, holder } in &chain.waits {
        let by = holder.as_ref().map_or("somebody", |holder| &holder.text);
        all.push(format!("{process} is noted as waiting for {key}, which {by} holds."));
    }
    if chain.is_cycle {
        all.push(
            "They wait in a circle: none of these locks is given back before somebody gives up, or a wait ends. It may also be \
             different threads that wait and that hold."
                .to_owned(),
        );
    } else if !chain.waits.is_empty() {
        all.push(format!(
            "So {} may be free only after {}.",
            lock.key,
            chain.waits[chain.waits.len() - 1].key
        ));
    }
    if !chain.complete {
        all.push("Not all locks were looked at: there may be more.".to_owned());
    }
    all
}

fn frees(lock: &Lock) -> String {
    let crash = match lock.life_ms {
        Some(life) => format!("in {} if that process has crashed", say::millis(life)),
        None => "never by itself: the record has no life, so another program has changed it".to_owned(),
    };
    let python = lock.holder.as_ref().is_some_and(|holder| holder.text.starts_with("python "));
    let lease = if python { " (Python has no lease: that is how long its record lives)" } else { "" };
    format!(
        "It becomes free when its holder is done, or {crash}{lease}. `dspinlock break {}` takes it away now.",
        lock.key
    )
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
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
    use crate::details::tests::details;
    use crate::lock::tests::{held as held_lock, lock};

    fn waited(key: &str, by: &str, waiters: &[&str]) -> Waited {
        let waiters: Vec<_> = waiters.iter().map(|place| Process::of(place)).collect();
        Waited { lock: held_lock(key, by, 1), waiters }
    }

    #[test]
    fn follows_who_waits_for_whom() {
        let held = [
            waited("a", "web-1/1/f", &["web-9/9"]),
            waited("b", "web-2/2/g", &["web-1/1"]),
            waited("c", "web-3/3", &["web-2/2"]),
            waited("d", "web-1/1", &[]),
        ];
        let found = chain("a", &Process::of("web-1/1/f"), &held, true);
        let steps: Vec<_> = found.waits.iter().map(|wait| (&*wait.process, &*wait.key)).collect();
        assert_eq!(steps, [("web-1/1", "b"), ("web-2/2", "c")]);
        assert!(!found.is_cycle);
        assert_eq!(found.holder_also_holds, ["d"]);
        let all = chained(&found, &held[0].lock).join("\n");
        assert!(all.contains("web-1/1 is noted as waiting for b, which web-2/2/g holds."), "{all}");
        assert!(all.ends_with("So a may be free only after c."), "{all}");
    }

    #[test]
    fn sees_a_circle() {
        let held = [waited("a", "web-1/1", &["web-2/2"]), waited("b", "web-2/2", &["web-1/1"])];
        let found = chain("a", &Process::of("web-1/1"), &held, false);
        assert!(found.is_cycle && found.waits.len() == 2);
        let all = chained(&found, &held[0].lock).join("\n");
        assert!(all.contains("circle") && all.ends_with("there may be more."), "{all}");
    }

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

    #[test]
    fn says_who_and_what_would_free_it() {
        let it = details("0b8e@web-1/77/job,2026-01-31T23:59:59.000000+00:00,0", "");
        let all = sentences(&it, None, None).join("\n");
        assert!(
            all.starts_with("Process 77 on web-1, in job, holds it since 2026-01-31T23:59:59.000Z, for 1m."),
            "{all}"
        );
        assert!(all.contains("2 processes are noted as waiting for it: web-2/9 (1 without a name)"), "{all}");
        assert!(all.contains("in 9.0s if that process has crashed"), "{all}");
        assert!(!all.contains("own note"), "{all}");
        let own = details("0b8e@web-2/9/job,2026-01-31T23:59:59.000000+00:00,0", "");
        assert!(sentences(&own, None, None).join("\n").contains("the holder's own note"));
        let free = sentences(&details("", ""), None, None).join("\n");
        assert!(free.starts_with("Nobody holds it"), "{free}");
        let done =
            sentences(&details("0b8e@w/7,2026-01-31T23:59:59.000000+00:00,1", ""), None, None).join("\n");
        assert!(done.contains("w/7 did the work 1m ago, which is remembered for 9.0s more"), "{done}");
        let foreign = sentences(&details("hello", ""), None, None).join("\n");
        assert!(foreign.contains("redis-cli") && !foreign.contains("hello"), "{foreign}");
    }
}
