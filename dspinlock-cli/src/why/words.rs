//! The reason in sentences. Without I/O.

use super::Observed;
use super::chain::{Chain, Wait};
use crate::details::{Details, note_text};
use crate::lock::{Lock, Process, State};
use crate::say;

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
        None => "until it is removed".to_owned(),
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
            "Within {} its lease was not renewed, and {} are left. A process renews when a third of the lease has passed: \
             look for longer, or it is gone or stopped.",
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

pub(super) fn chained(chain: &Chain, lock: &Lock) -> Vec<String> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::details::tests::details;

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
