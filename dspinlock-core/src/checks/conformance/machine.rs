//! Random sequences of operations, done to every store and to the [model](super::model), which must agree on each reply and on
//! the keys afterwards. Times are compared by their order of magnitude, tokens with those that the same store granted before in
//! their sequence. In every other case the two locks share one.
//!
//! `PROPTEST_CASES=20000 cargo test -p dspinlock-core --lib machine` does so at length.

use super::model::{
    Answer, Ask, End, HOUR, KNOWN, Life, Model, NO_NOTES, Nature, Op, Part, STRANGERS, WantedValue, What,
};
use super::{model, *};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

prop_state_machine! {
    #[test]
    fn every_store_does_what_the_model_does(sequential 1..32 => Stores);
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Op;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self::default()).boxed()
    }

    fn transitions(model: &Self) -> BoxedStrategy<Op> {
        let on = |lock: usize| operations(model, lock).prop_map(move |what| Op { lock, what });
        prop_oneof![3 => on(0), 1 => on(1)].boxed()
    }

    fn apply(mut model: Self, op: &Op) -> Self {
        model.apply(op);
        model
    }
}

/// Operations on a lock, mostly those that fit its state.
fn operations(model: &Model, lock: usize) -> BoxedStrategy<What> {
    let (turn, other) = (turns(model, lock), turns(model, 1 - lock));
    let seen = seen(model, lock);
    let renewal = |id: &BoxedStrategy<u8>| option::of((id.clone(), lives()));
    let in_order = if lock == 0 { [&turn, &other] } else { [&other, &turn] };
    let renewals = in_order.map(renewal);
    prop_oneof![
        8 => asks(model, lock).prop_map(What::Acquire),
        4 => (turn.clone(), option::weighted(0.8, ends()), any::<bool>())
            .prop_map(|(tag, end, value)| What::Release { tag, end, value }),
        2 => (turn.clone(), seen, ends()).prop_map(|(tag, seen, end)| What::Refresh { tag, seen, end }),
        1 => turn.clone().prop_map(What::Abandon),
        2 => (turn, any::<bool>(), lives())
            .prop_map(|(tag, everybody, life)| What::Fail { tag, everybody, life }),
        2 => renewals.prop_map(What::Renew),
        3 => select(vec![What::Read, What::Peek, What::ReadValue, What::Hit(Extent::Whole(1)), What::Hit(Extent::Beginning), What::Forget]),
        3 => strangers(),
    ]
    .boxed()
}

/// The turn that holds the lock or the mark, or any turn.
fn turns(model: &Model, lock: usize) -> BoxedStrategy<u8> {
    let Model { locks, .. } = model;
    let holds = |id: &u8| {
        let own = model::record(*id, State::Blocked);
        [&locks[lock].record, &locks[lock].mark].into_iter().flatten().any(|(raw, _)| *raw == own)
    };
    let holders: Vec<u8> = (1..=4).filter(holds).collect();
    if holders.is_empty() { (1..=4_u8).boxed() } else { prop_oneof![select(holders), 1..=4_u8].boxed() }
}

/// A record that a caller may have seen at the key.
fn seen(model: &Model, lock: usize) -> BoxedStrategy<Vec<u8>> {
    let state = select(vec![State::Blocked, State::Computed]);
    let any = (1..=4_u8, state).prop_map(|(id, state)| model::record(id, state));
    match model.locks[lock].raw().filter(|raw| model::nature(raw) != Nature::Foreign) {
        Some(raw) => prop_oneof![3 => Just(raw.to_vec()), 1 => any].boxed(),
        None => any.boxed(),
    }
}

/// The record of a turn that a caller may have waited for: a record of this key, or the turn that left a note.
fn awaited(model: &Model, lock: usize) -> BoxedStrategy<Vec<u8>> {
    let note = model.locks[lock].note.as_ref();
    let turn = note.and_then(|(note, _)| note.split(|&byte| byte == b'\n').next()).map(<[u8]>::to_vec);
    match turn.filter(|turn| !turn.is_empty()) {
        Some(turn) => prop_oneof![Just(turn), seen(model, lock)].boxed(),
        None => seen(model, lock),
    }
}

fn lives() -> impl Strategy<Value = Life> + Clone {
    prop_oneof![1 => Just(Life::Moment), 3 => Just(Life::Minutes), 3 => Just(Life::Hours)]
}

fn limits() -> impl Strategy<Value = Option<Duration>> + Clone {
    select(vec![None, Some(S), Some(HOUR), Some(24 * HOUR)])
}

fn asks(model: &Model, lock: usize) -> impl Strategy<Value = Ask> + use<> {
    let (turn, seen, awaited) = (turns(model, lock), seen(model, lock), awaited(model, lock));
    let replace = (seen, limits()).prop_map(|(seen, life_at_most)| Replace { seen, life_at_most });
    let wanted = option::of(awaited).prop_map(|waited_for| WantedValue { waited_for });
    let late = prop::bool::weighted(0.1);
    let (replace, wanted, mark) =
        (option::weighted(0.2, replace), option::of(wanted), prop::bool::weighted(0.2));
    (turn, lives(), late, any::<bool>(), replace, wanted, mark).prop_map(
        |(tag, lease, late, relock, replace, wanted, mark)| {
            // A caller that takes the mark wants no value by it.
            let wanted = wanted.filter(|_| !mark);
            Ask { tag, lease, late, relock, replace, wanted, mark }
        },
    )
}

fn ends() -> impl Strategy<Value = End> + Clone {
    (lives(), vec(any::<u8>(), 1..4), lives()).prop_map(|(expire, value, value_life)| End {
        expire,
        value,
        value_life,
    })
}

fn strangers() -> impl Strategy<Value = What> + Clone {
    let ours = (1..=4_u8, select(vec![State::Blocked, State::Computed]));
    let record = prop_oneof![
        2 => select(STRANGERS.map(|(content, _)| content.to_vec()).to_vec()),
        1 => ours.prop_map(|(id, state)| model::record(id, state)),
    ];
    let put = |part, content: BoxedStrategy<Vec<u8>>| {
        let life = prop_oneof![3 => lives(), 1 => Just(Life::Ever)];
        (content, life).prop_map(move |(content, life)| What::Put { part, content, life })
    };
    prop_oneof![
        6 => put(Part::Record, record.boxed()),
        1 => put(Part::Note, select(NO_NOTES.map(<[u8]>::to_vec).to_vec()).boxed()),
        1 => put(Part::Fence, select(FENCES.map(|text| text.as_bytes().to_vec()).to_vec()).boxed()),
    ]
}

/// What a stranger may put at the key of the last token: nothing of use, and a token.
const FENCES: [&str; 4] = ["no number", "", "9000000000000000", "4000000000000000"];

/// The stores under test, and two locks in each.
struct Stores {
    rigs: Rc<Vec<Rig>>,
    names: [Names; 2],
}

thread_local! {
    /// The highest token that each store has granted or reserved at a fence's key. Later cases may come upon the same one.
    static LAST: RefCell<BTreeMap<(usize, String), u64>> = RefCell::default();
    /// One server for all cases of a test; each case has keys of its own.
    static RIGS: Rc<Vec<Rig>> = Rc::new(vec![
        memory(),
        faulty::losing_requests(),
        #[cfg(feature = "redis")]
        redis_only::rig(false),
    ]);
    static CASE: Cell<u64> = const { Cell::new(0) };
}

impl StateMachineTest for Stores {
    type SystemUnderTest = Self;
    type Reference = Model;

    fn init_test(_: &Model) -> Self {
        let (case, rigs) = (CASE.get(), RIGS.with(Rc::clone));
        CASE.set(case + 1);
        let names = match case % 2 {
            0 => [0, 1].map(|lock| names(&format!("{case}-{lock}"))),
            _ => neighbours(&case.to_string()),
        };
        Self { rigs, names }
    }

    fn apply(stores: Self, model: &Model, op: Op) -> Self {
        for rig in 0..stores.rigs.len() {
            let answer = stores.answer(rig, &op);
            assert_eq!(answer, model.answer, "{} at {op:?}", stores.rigs[rig].name);
        }
        for &(lock, part) in &model.over {
            for rig in stores.rigs.iter() {
                // Expiry is no event that could be awaited.
                let started = std::time::Instant::now();
                while rig.content(&stores.names[lock], part).is_some() {
                    assert!(started.elapsed() < 10 * S, "{} keeps {part:?} after {op:?}", rig.name);
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        }
        stores.check(op.lock, model);
        stores
    }

    fn teardown(stores: Self, model: Model) {
        for lock in 0..model.locks.len() {
            stores.check(lock, &model);
        }
    }
}

/// Some reserve more than an hour of the clock, which would raise the fences by itself.
fn reserve(id: u8) -> u32 {
    if id.is_multiple_of(2) { 0 } else { u32::MAX }
}

impl Stores {
    /// The keys hold what the model says.
    fn check(&self, lock: usize, model: &Model) {
        let mut expected = model.locks[lock].clone();
        for part in KNOWN {
            let expected = expected.part(part).and_then(Option::take);
            for rig in self.rigs.iter() {
                let content = rig.content(&self.names[lock], part);
                assert_eq!(content, expected, "{part:?} in {}", rig.name);
            }
        }
    }

    fn answer(&self, at: usize, op: &Op) -> Answer {
        let rigs = Rc::clone(&self.rigs);
        let (rig, names) = (&rigs[at], &self.names[op.lock]);
        match &op.what {
            What::Acquire(ask) => {
                let mark = names.of_the_mark();
                let reply = rig.ask(if ask.mark { &mark } else { names }, ask);
                check_fence(rig, at, names, &reply, reserve(ask.tag));
                acquired(reply)
            }
            What::Release { tag: id, end, value } => {
                let tag = tag(*id);
                let content = sent(end.as_ref());
                let mut release = release(names, &tag, end.as_ref(), &content);
                release.value = release.value.filter(|_| *value);
                Answer::Ended(rig.call(&release))
            }
            What::Refresh { tag: id, seen, end } => {
                let tag = tag(*id);
                let content = sent(Some(end));
                let release = release(names, &tag, Some(end), &content);
                Answer::Ended(rig.call(&Refresh { release, seen }))
            }
            What::Abandon(id) => Answer::Ours(vec![rig.call(&Abandon { names, tag: &tag(*id) })]),
            What::Fail { tag: id, everybody, life } => {
                let (note, life) = (model::note(*id, *everybody), time(*life));
                Answer::Ours(vec![rig.call(&Fail { names, tag: &tag(*id), note: &note, life })])
            }
            What::Renew(renewals) => {
                let tags = renewals.map(|one| one.map(|(id, life)| (tag(id), time(life))));
                let each = self.names.iter().zip(&tags);
                let each =
                    each.filter_map(|(names, one)| one.as_ref().map(|(tag, life)| (names, tag, *life)));
                let renew = |(names, tag, life)| RenewOne { names, tag, life };
                Answer::Ours(rig.call(&Renew(each.map(renew).collect())).into_iter().flatten().collect())
            }
            What::Read => shown((rig.call(&Read(names)), None)),
            What::Peek => shown(rig.call(&Peek(names))),
            What::ReadValue => Answer::Shown { record: None, value: rig.call(&ReadValue(names)).map(bytes) },
            What::Hit(extent) => {
                let Seen { record, value } = rig.call(&Hit { names, extent: *extent });
                Answer::Seen { record, value: value.map(bytes) }
            }
            What::Forget => Answer::Forgotten(rig.call(&Forget(names))),
            What::Put { part, content, life } => {
                rig.put_at(&key(names, *part), content, life.time());
                if *part == Part::Fence {
                    let is_token = *life != Life::Moment && content.starts_with(b"4");
                    let token = is_token.then_some(4_000_000_000_000_000);
                    LAST.with_borrow_mut(|last| match token {
                        Some(token) => last.insert((at, names.fence.clone()), token),
                        None => last.remove(&(at, names.fence.clone())),
                    });
                }
                Answer::Nothing
            }
        }
    }
}

/// A token is above all that were granted or reserved in its sequence, and not behind the clock.
fn check_fence(rig: &Rig, at: usize, names: &Names, reply: &Acquired, reserve: u32) {
    let Acquired::Granted { fence, now } = *reply else { return };
    let top = fence + u64::from(reserve);
    let last = LAST.with_borrow_mut(|last| last.insert((at, names.fence.clone()), top));
    assert_eq!(fence, now.0.max(last.map_or(0, |last| last + 1)));
    assert_eq!(rig.fence(names), top);
}

fn shown((found, value): (Found, Option<Excerpt>)) -> Answer {
    let record = match found {
        Found::Free => None,
        Found::Held { raw, remaining } => Some((raw, Life::of(remaining))),
        Found::WrongType(kind) => panic!("a {kind}"),
    };
    Answer::Shown { record, value: value.map(bytes) }
}

impl Rig {
    fn ask(&self, names: &Names, ask: &Ask) -> Acquired {
        let tag = tag(ask.tag);
        let fetch =
            ask.wanted.as_ref().map(|wanted| Fetch { waited_for: wanted.waited_for.as_deref(), label: "" });
        self.call(&Acquire {
            lease: time(ask.lease),
            not_after: if ask.late { ServerTime(0) } else { FAR },
            relock: ask.relock,
            replace: ask.replace.as_ref(),
            reserve: reserve(ask.tag),
            fetch,
            ..acquire(names, &tag)
        })
    }

    /// The content of one of the keys of a lock.
    fn content(&self, names: &Names, part: Part) -> Option<(Vec<u8>, Life)> {
        self.at(&key(names, part)).map(|(raw, remaining)| (raw, Life::of(remaining)))
    }
}

fn key(names: &Names, part: Part) -> String {
    match part {
        Part::Record => names.record.clone(),
        Part::Value => names.value(),
        Part::Note => names.error(),
        Part::Mark => names.refresh(),
        Part::Fence => names.fence.clone(),
    }
}

fn time(life: Life) -> Duration {
    life.time().expect("all that the library writes expires")
}

fn sent(end: Option<&End>) -> Sent {
    Sent::With(end.map(|end| Bytes::copy_from_slice(&end.value)).unwrap_or_default())
}

fn release<'a>(names: &'a Names, tag: &'a Tag, end: Option<&End>, value: &'a Sent) -> Release<'a> {
    let expire = end.map(|end| time(end.expire));
    let value = end.map(|end| (value, time(end.value_life)));
    Release { names, tag, expire, caller: Some("me"), value }
}

fn acquired(reply: Acquired) -> Answer {
    match reply {
        Acquired::Granted { .. } => Answer::Granted,
        Acquired::Held { raw, remaining, value, .. } => {
            Answer::Held { raw, life: Life::of(remaining), value: value.map(bytes) }
        }
        Acquired::Failed { note, .. } => Answer::Failed(note),
        Acquired::Late { .. } => Answer::Late,
        Acquired::Spent => Answer::Spent,
        Acquired::StrangeFence(_)
        | Acquired::WrongType(_)
        | Acquired::Repeated(_)
        | Acquired::Unconfirmed { .. } => {
            panic!("nothing here can cause {reply:?}")
        }
    }
}
