//! Values, the notes of failures, and the mark of the caller that refreshes ahead.

use super::*;
use crate::format::envelope::{Label, Payload};
use crate::format::note::Failure;

/// Both ways of a plain read.
const EXTENTS: [Extent; 2] = [Extent::Whole(1), Extent::Beginning];

impl Rig {
    /// A whole turn of `tag`, which stores this value.
    fn computes(&self, tag: &Tag, value: &[u8], expire: Duration) -> u64 {
        let fence = self.granted(tag);
        assert_eq!(self.publish(tag, value, expire), Released::Done { others: 0 });
        fence
    }

    fn publish(&self, tag: &Tag, value: &[u8], expire: Duration) -> Released {
        self.call(&publish(&self.names, tag, &sent(value), expire))
    }

    /// The reply to a caller that wants the value.
    fn fetch(&self, tag: &Tag, fetch: Fetch<'_>) -> Acquired {
        self.call(&Acquire { relock: false, fetch: Some(fetch), ..acquire(&self.names, tag) })
    }

    fn fail(&self, tag: &Tag, till: ServerTime, life: Duration) -> bool {
        self.call(&Fail { names: &self.names, tag, note: &note(tag, till), life })
    }

    fn value(&self) -> Option<Vec<u8>> {
        self.call(&ReadValue(&self.names)).map(bytes)
    }

    /// Takes the mark of the caller that refreshes ahead.
    fn mark(&self, tag: &Tag) -> Option<u64> {
        match self.call(&acquire(&self.names.of_the_mark(), tag)) {
            Acquired::Granted { fence, .. } => Some(fence),
            Acquired::Held { .. } => None,
            other => panic!("{other:?}"),
        }
    }

    /// Replaces the value of `seen` with one of `new`.
    fn refresh(&self, new: &Tag, seen: &Tag, value: &[u8], expire: Duration) -> Released {
        let value = sent(value);
        let release = publish(&self.names, new, &value, expire);
        self.call(&Refresh { release, seen: computed(seen).as_bytes() })
    }
}

fn sent(value: &[u8]) -> Sent {
    Sent::With(Bytes::copy_from_slice(value))
}

fn note(tag: &Tag, till: ServerTime) -> Vec<u8> {
    Failure::new("no luck", None).note(tag, till, "")
}

fn computed(tag: &Tag) -> String {
    tag.record(State::Computed)
}

/// The request of a caller that has seen this BLOCKED record, and waited for its turn.
fn waited_for(record: &str) -> Fetch<'_> {
    Fetch { waited_for: Some(record.as_bytes()), ..Fetch::default() }
}

/// The record that holds the key, and its value.
fn held(reply: Acquired) -> (String, Option<Vec<u8>>) {
    match reply {
        Acquired::Held { raw, value, .. } => (String::from_utf8(raw).unwrap(), value.map(bytes)),
        other => panic!("{other:?}"),
    }
}

fn a_value_comes_with_its_record_if_it_is_wanted(rig: &Rig) {
    rig.computes(&tag(1), b"one", 30 * S);
    assert_eq!(held(rig.fetch(&tag(2), Fetch::default())), (computed(&tag(1)), Some(b"one".to_vec())));
    // A caller that wants only the lock is not sent the value.
    let reply = rig.call(&Acquire { relock: false, ..acquire(&rig.names, &tag(3)) });
    assert_eq!(held(reply), (computed(&tag(1)), None));
    assert_eq!(rig.publish(&tag(1), b"again", 30 * S), Released::AlreadyComputed);
    assert_eq!(rig.value().unwrap(), b"one", "a repeat changes nothing");
}

fn a_value_is_not_shown_beside_blocked_and_outlives_it(rig: &Rig) {
    rig.computes(&tag(1), b"one", 30 * S);
    rig.granted(&tag(2));
    assert_eq!(held(rig.fetch(&tag(3), Fetch::default())), (tag(2).record(State::Blocked), None));
    let (found, peeked) = rig.call(&Peek(&rig.names));
    assert!(matches!(found, Found::Held { .. }) && peeked.is_none(), "{found:?}");
    // It stays readable for `stale_if_error`.
    assert_eq!(rig.value().unwrap(), b"one");
    assert!(rig.abandon(&tag(2)));
    assert_eq!(rig.value().unwrap(), b"one");
    assert_eq!(rig.call(&Peek(&rig.names)), (Found::Free, None));
}

fn a_plain_read_shows_record_and_value(rig: &Rig) {
    let shows = |record: Option<String>, value: Option<&[u8]>| {
        for extent in EXTENTS {
            let Seen { record: raw, value: part } = rig.call(&Hit { names: &rig.names, extent });
            let raw = raw.map(|raw| String::from_utf8(raw).unwrap());
            assert_eq!(
                (raw, part),
                (record.clone(), value.map(|value| Excerpt::whole(value.to_vec()))),
                "{extent:?}"
            );
        }
    };
    shows(None, None);
    rig.granted(&tag(1));
    shows(Some(tag(1).record(State::Blocked)), None);
    rig.publish(&tag(1), b"one", 30 * S);
    shows(Some(computed(&tag(1))), Some(b"one"));
    rig.granted(&tag(2));
    // The envelope tells the caller whose value it is.
    shows(Some(tag(2).record(State::Blocked)), Some(b"one"));
}

fn a_plain_read_shows_no_record_in_what_is_none(rig: &Rig) {
    rig.computes(&tag(1), b"one", 30 * S);
    for (strange, is_shown) in
        [("", false), ("hello", true), (&*"x".repeat(1_024), true), (&*"x".repeat(1_025), false)]
    {
        rig.put_at(&rig.names.record, strange.as_bytes(), Some(30 * S));
        for extent in EXTENTS {
            let seen = rig.call(&Hit { names: &rig.names, extent });
            let record = is_shown.then(|| strange.as_bytes().to_vec());
            assert_eq!((seen.record, seen.value.map(bytes)), (record, Some(b"one".to_vec())), "{extent:?}");
        }
    }
}

fn a_large_value_is_sent_ahead_and_read_on(rig: &Rig) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let value: Vec<u8> = (0..3_500_000_u32).map(|i| (i % 251) as u8).collect();
    // The sizes of pieces, and of all pieces up to one, are among these.
    let lengths =
        [300_000, 16 << 10, (16 << 10) + 1, 65_536, 65_537, 262_144, 262_145, 327_681, 851_969, 3_500_000];
    for (round, length) in lengths.into_iter().enumerate() {
        let tag = tag(u8::try_from(round).unwrap());
        rig.granted(&tag);
        let sent = Bytes::copy_from_slice(&value[..length]);
        let sent = runtime.block_on(rig.store.send_ahead(&rig.names, sent)).unwrap();
        assert_eq!(rig.call(&publish(&rig.names, &tag, &sent, 30 * S)), Released::Done { others: 0 });
        let [whole, beginning] =
            EXTENTS.map(|extent| rig.call(&Hit { names: &rig.names, extent }).value.unwrap());
        assert!(whole == Excerpt::whole(value[..length].to_vec()), "{length}");
        if beginning.whole {
            assert!(whole == beginning, "{length}");
            continue;
        }
        let read_on = |part: &Excerpt, limit| {
            let reading = rig.store.backend().read_on(&rig.names, part.bytes.clone(), 100, limit);
            runtime.block_on(reading.wait()).unwrap()
        };
        assert!(read_on(&beginning, length) == Some(whole.bytes), "{length}");
        assert_eq!(read_on(&beginning, length - 1), None, "too long");
        let mut other = beginning;
        other.bytes[99] = 0;
        assert_eq!(read_on(&other, length), None, "another value by now");
    }
}

fn the_envelope_tells_another_turns_value_apart(rig: &Rig) {
    let label = Label::new("json", "u32", &Key::new("example"));
    let seal = |turn, value: &[u8]| label.seal(&tag(turn), ",", ServerTime(0), &Payload::new(value.to_vec()));
    let open =
        |(record, value): (String, Option<Vec<u8>>)| label.open(value.unwrap(), record.as_bytes(), ",");
    rig.computes(&tag(1), &seal(1, b"1"), 30 * S);
    assert_eq!(open(held(rig.fetch(&tag(9), Fetch::default()))).unwrap().content(), Some(&b"1"[..]));
    // COMPUTED without a value, as Python leaves it.
    rig.granted(&tag(2));
    rig.release(&tag(2), Some(30 * S));
    let reply = held(rig.fetch(&tag(9), Fetch::default()));
    assert_eq!(reply.0, computed(&tag(2)));
    assert_eq!(open(reply), Err("another turn's value"));
    rig.computes(&tag(3), &seal(3, b"3"), 30 * S);
    assert_eq!(open(held(rig.fetch(&tag(9), Fetch::default()))).unwrap().content(), Some(&b"3"[..]));
}

fn a_turn_that_lost_the_lock_stores_nothing(rig: &Rig) {
    rig.granted(&tag(1));
    assert_eq!(rig.call(&Forget(&rig.names)), Forgotten::Done(true));
    assert_eq!(rig.publish(&tag(1), b"old", 30 * S), Released::Gone);
    assert_eq!(rig.value(), None);
    rig.granted(&tag(2));
    assert_eq!(
        rig.publish(&tag(1), b"old", 30 * S),
        Released::Held(tag(2).record(State::Blocked).into_bytes())
    );
    rig.publish(&tag(2), b"new", 30 * S);
    assert_eq!(rig.publish(&tag(1), b"old", 30 * S), Released::Held(computed(&tag(2)).into_bytes()));
    assert!(!rig.fail(&tag(1), FAR, 30 * S), "nor a note");
    assert_eq!(held(rig.fetch(&tag(3), Fetch::default())), (computed(&tag(2)), Some(b"new".to_vec())));
}

fn a_failure_is_the_answer_to_its_waiters(rig: &Rig) {
    rig.granted(&tag(1));
    let (awaited, other) = (tag(1).record(State::Blocked), tag(8).record(State::Blocked));
    assert_eq!(held(rig.fetch(&tag(9), waited_for(&awaited))).0, awaited);
    assert!(rig.fail(&tag(1), ServerTime(0), 30 * S));
    assert!(!rig.fail(&tag(1), ServerTime(0), 30 * S), "it has ended");
    assert_eq!(rig.raw(), None);
    let failed =
        |reply| matches!(reply, Acquired::Failed { note: seen, .. } if seen == note(&tag(1), ServerTime(0)));
    for _ in 0..2 {
        assert!(failed(rig.fetch(&tag(9), waited_for(&awaited))), "every waiter gets it");
    }
    // A caller that waited for another turn computes. The waiters of the failed turn still get its failure.
    assert!(is_granted(&rig.fetch(&tag(2), waited_for(&other))));
    assert!(failed(rig.fetch(&tag(9), waited_for(&awaited))));
    assert_eq!(held(rig.fetch(&tag(9), Fetch::default())).0, tag(2).record(State::Blocked));
    rig.publish(&tag(2), b"two", 30 * S);
    assert_eq!(
        held(rig.fetch(&tag(9), waited_for(&awaited))).1.unwrap(),
        b"two",
        "a value replaces the failure"
    );
    rig.granted(&tag(3));
    assert_eq!(
        held(rig.fetch(&tag(9), waited_for(&awaited))).0,
        tag(3).record(State::Blocked),
        "the note has gone"
    );
}

fn a_failure_can_be_cached_for_all_callers(rig: &Rig) {
    rig.granted(&tag(1));
    assert!(rig.fail(&tag(1), FAR, 30 * S));
    let is_failed = |reply: &Acquired| matches!(reply, Acquired::Failed { .. });
    assert!(is_failed(&rig.fetch(&tag(9), Fetch::default())));
    // A caller that wants only the lock gets it, and the others wait for its turn.
    rig.granted(&tag(2));
    assert_eq!(held(rig.fetch(&tag(9), Fetch::default())).0, tag(2).record(State::Blocked));
    assert!(rig.abandon(&tag(2)));
    assert!(is_failed(&rig.fetch(&tag(9), Fetch::default())));
    assert_eq!(rig.call(&Forget(&rig.names)), Forgotten::Done(false));
    assert!(is_granted(&rig.fetch(&tag(3), Fetch::default())), "the note is forgotten too");
    assert!(rig.fail(&tag(3), ServerTime(1), 30 * S));
    assert!(is_granted(&rig.fetch(&tag(4), Fetch::default())), "the failure is not cached any more");
}

/// Functions that share a namespace share the lock, but neither values nor failures.
fn a_failure_is_no_answer_to_callers_of_another_value(rig: &Rig) {
    let note = |tag: &Tag| Failure::new("no luck", None).note(tag, FAR, "mine");
    let wants = |label| Fetch { label, ..Fetch::default() };
    rig.granted(&tag(1));
    assert!(rig.call(&Fail { names: &rig.names, tag: &tag(1), note: &note(&tag(1)), life: 30 * S }));
    assert!(matches!(rig.fetch(&tag(9), wants("mine")), Acquired::Failed { .. }));
    let awaited = tag(1).record(State::Blocked);
    assert!(is_granted(&rig.fetch(&tag(2), Fetch { label: "other", ..waited_for(&awaited) })));
    let mine = rig.fetch(&tag(9), Fetch { label: "mine", ..waited_for(&awaited) });
    assert!(matches!(mine, Acquired::Failed { .. }));
}

fn anything_but_a_note_is_ignored(rig: &Rig) {
    for (id, foreign) in
        [(1, &b"hello"[..]), (2, b"0b8e@host\n9999999999999999"), (3, b"a\n+9999999999999999\n\nb")]
    {
        rig.put_at(&rig.names.error(), foreign, Some(30 * S));
        assert!(is_granted(&rig.fetch(&tag(id), Fetch::default())));
        assert!(rig.abandon(&tag(id)));
    }
}

fn a_note_expires(rig: &Rig) {
    rig.granted(&tag(1));
    let awaited = tag(1).record(State::Blocked);
    assert!(rig.fail(&tag(1), FAR, Duration::from_millis(30)));
    // Expiry is no event that could be awaited.
    while matches!(rig.fetch(&tag(9), waited_for(&awaited)), Acquired::Failed { .. }) {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(rig.raw().unwrap(), tag(9).record(State::Blocked).as_bytes());
}

fn only_one_caller_refreshes_ahead(rig: &Rig) {
    let first = rig.computes(&tag(1), b"one", 5 * S);
    let fence = rig.mark(&tag(2)).expect("the first caller refreshes");
    assert!(fence > first, "{fence} after {first}");
    assert_eq!(rig.mark(&tag(3)), None);
    assert_eq!(held(rig.fetch(&tag(3), Fetch::default())), (computed(&tag(1)), Some(b"one".to_vec())));
    assert_eq!(rig.refresh(&tag(2), &tag(1), b"two", 5 * S), Released::Done { others: 0 });
    assert_eq!(rig.refresh(&tag(2), &tag(1), b"two", 5 * S), Released::AlreadyComputed);
    assert_eq!(rig.refresh(&tag(2), &tag(2), b"late", 5 * S), Released::AlreadyComputed);
    assert_eq!(rig.value().unwrap(), b"two");
    assert!(rig.mark(&tag(3)).expect("the refresh has removed the mark") > fence);
    // It is held and given back like a lock.
    assert!(rig.call(&Abandon { names: &rig.names.of_the_mark(), tag: &tag(3) }));
    assert!(rig.mark(&tag(4)).is_some());
}

fn a_refresh_replaces_only_what_was_seen(rig: &Rig) {
    rig.computes(&tag(1), b"one", 5 * S);
    rig.mark(&tag(2)).unwrap();
    rig.computes(&tag(3), b"three", 5 * S);
    assert_eq!(
        rig.refresh(&tag(2), &tag(1), b"late", 5 * S),
        Released::Held(computed(&tag(3)).into_bytes()),
        "somebody has computed in between"
    );
    assert_eq!(rig.value().unwrap(), b"three");
    rig.mark(&tag(4)).expect("the mark is removed all the same");
    // Only its holder removes a mark.
    assert_eq!(rig.refresh(&tag(2), &tag(1), b"late", 5 * S), Released::Held(computed(&tag(3)).into_bytes()));
    assert_eq!(rig.mark(&tag(5)), None);
    assert_eq!(rig.call(&Forget(&rig.names)), Forgotten::Done(true));
    assert_eq!(rig.refresh(&tag(4), &tag(3), b"late", 5 * S), Released::Gone);
    assert_eq!((rig.raw(), rig.value()), (None, None), "a refresh does not bring it back");
}

fn forgetting_removes_the_value_and_the_note(rig: &Rig) {
    rig.computes(&tag(1), b"one", 30 * S);
    assert_eq!(rig.call(&Forget(&rig.names)), Forgotten::Done(true));
    assert_eq!(rig.value(), None);
    rig.granted(&tag(2));
    assert!(rig.fail(&tag(2), FAR, 30 * S));
    assert_eq!(rig.call(&Forget(&rig.names)), Forgotten::Done(false));
    assert!(is_granted(&rig.fetch(&tag(3), waited_for(&tag(2).record(State::Blocked)))));
}

fn reserved_tokens_are_granted_to_nobody_else(rig: &Rig) {
    let reserving = |id: u8, reserve| match rig.call(&Acquire { reserve, ..acquire(&rig.names, &tag(id)) }) {
        Acquired::Granted { fence, .. } => fence,
        other => panic!("{other:?}"),
    };
    // More than an hour ahead of the clock, which would raise the tokens by itself.
    let first = reserving(1, u32::MAX);
    let again = reserving(1, u32::MAX);
    assert_eq!(again, first + u64::from(u32::MAX) + 1, "a repeat has tokens of its own");
    let mut next = again + u64::from(u32::MAX) + 1;
    for (id, reserve) in [(2, 5), (3, 0), (4, 64)] {
        assert!(rig.abandon(&tag(id - 1)));
        let fence = reserving(id, reserve);
        assert!(fence >= next, "{fence} is below {next}");
        next = fence + u64::from(reserve) + 1;
    }
    // The mark's token is of the same sequence.
    assert_eq!(rig.publish(&tag(4), b"four", 5 * S), Released::Done { others: 0 });
    assert!(rig.mark(&tag(5)).is_some_and(|fence| fence >= next));
}

fn waiting_processes_are_reported_once(rig: &Rig) {
    // All callers of the memory store belong to one process.
    let one = u64::from(!rig.store.is_memory());
    let wait = |id: u8, process| {
        let waiter = tag(id);
        let waits = Acquire { waiting: Some(process), relock: false, ..acquire(&rig.names, &waiter) };
        assert!(!is_granted(&rig.call(&waits)));
    };
    for (id, by, others) in
        [(1, &["me"][..], 0), (2, &["you", "her"], 2 * one), (3, &["me", "you"], one), (4, &[], 0)]
    {
        rig.granted(&tag(id));
        for process in by {
            wait(9, process);
        }
        let done =
            if id % 2 == 0 { rig.publish(&tag(id), b"v", 30 * S) } else { rig.release(&tag(id), None) };
        assert_eq!(done, Released::Done { others }, "{by:?}");
    }
}

conformance! {
    a_value_comes_with_its_record_if_it_is_wanted,
    a_value_is_not_shown_beside_blocked_and_outlives_it,
    the_envelope_tells_another_turns_value_apart,
    a_plain_read_shows_record_and_value,
    a_plain_read_shows_no_record_in_what_is_none,
    a_large_value_is_sent_ahead_and_read_on,
    a_turn_that_lost_the_lock_stores_nothing,
    a_failure_is_the_answer_to_its_waiters,
    a_failure_can_be_cached_for_all_callers,
    a_failure_is_no_answer_to_callers_of_another_value,
    anything_but_a_note_is_ignored,
    a_note_expires,
    only_one_caller_refreshes_ahead,
    a_refresh_replaces_only_what_was_seen,
    forgetting_removes_the_value_and_the_note,
    reserved_tokens_are_granted_to_nobody_else,
    waiting_processes_are_reported_once,
}
