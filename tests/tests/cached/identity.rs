//! Whose value a call is given: that of its own place in its own package, in whatever process it was computed.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU32, Ordering};

use dspinlock::{Client, Error, ErrorKind, dspinlock, testing};
use dspinlock_testkit::{Reply, Server};
use dspinlock_tests::in_a_process;

use crate::support::rigs;

type Value = Result<String, Error>;
type Function = fn() -> Value;

/// Says which place a process calls.
const PLACE: &str = "DSPINLOCK_TESTS_PLACE";

/// How often a body has run in this process.
static RUNS: AtomicU32 = AtomicU32::new(0);

#[expect(clippy::unnecessary_wraps, reason = "it is what the bodies return")]
fn computed(value: &str) -> Value {
    RUNS.fetch_add(1, Ordering::SeqCst);
    Ok(value.to_owned())
}

fn eu() -> Value {
    #[dspinlock(cached)]
    fn rates() -> Value {
        computed("eu()")
    }
    rates()
}

fn us() -> Value {
    #[dspinlock(cached)]
    fn rates() -> Value {
        computed("us()")
    }
    rates()
}

mod eu {
    use super::{Value, computed, dspinlock};

    #[dspinlock(cached)]
    pub(super) fn rates() -> Value {
        computed("mod eu")
    }
}

fn blocks(first: bool) -> Value {
    if first {
        #[dspinlock(cached)]
        fn rates() -> Value {
            computed("first block")
        }
        rates()
    } else {
        #[dspinlock(cached)]
        fn rates() -> Value {
            computed("second block")
        }
        rates()
    }
}

macro_rules! in_two_blocks {
    ($first:expr) => {
        if $first {
            #[dspinlock(cached)]
            fn rates() -> Value {
                computed("first block of a macro")
            }
            rates()
        } else {
            #[dspinlock(cached)]
            fn rates() -> Value {
                computed("second block of a macro")
            }
            rates()
        }
    };
}

fn of_a_macro(first: bool) -> Value {
    in_two_blocks!(first)
}

macro_rules! one {
    ($value:literal) => {{
        #[dspinlock(cached)]
        fn rates() -> Value {
            computed($value)
        }
        rates()
    }};
}

fn by_two_macros(first: bool) -> Value {
    if first { one!("first macro") } else { one!("second macro") }
}

fn blocks_with_types(first: bool) -> Value {
    if first {
        struct Local;
        impl Local {
            #[dspinlock(cached)]
            fn rates() -> Value {
                computed("type in the first block")
            }
        }
        Local::rates()
    } else {
        struct Local;
        impl Local {
            #[dspinlock(cached)]
            fn rates() -> Value {
                computed("type in the second block")
            }
        }
        Local::rates()
    }
}

trait Rated {
    fn rates(&self) -> Value;
}

fn blocks_with_implementations(first: bool) -> Value {
    if first {
        struct Local;
        impl Rated for Local {
            #[dspinlock(key = (), cached)]
            fn rates(&self) -> Value {
                computed("implementation in the first block")
            }
        }
        Local.rates()
    } else {
        struct Local;
        impl Rated for Local {
            #[dspinlock(key = (), cached)]
            fn rates(&self) -> Value {
                computed("implementation in the second block")
            }
        }
        Local.rates()
    }
}

fn blocks_with_traits(first: bool) -> Value {
    if first {
        trait Local {
            fn rates(&self) -> Value;
        }
        impl Local for u8 {
            #[dspinlock(key = (), cached)]
            fn rates(&self) -> Value {
                computed("trait in the first block")
            }
        }
        1_u8.rates()
    } else {
        trait Local {
            fn rates(&self) -> Value;
        }
        impl Local for u8 {
            #[dspinlock(key = (), cached)]
            fn rates(&self) -> Value {
                computed("trait in the second block")
            }
        }
        1_u8.rates()
    }
}

async fn in_async_blocks(first: bool) -> Value {
    if first {
        #[dspinlock(cached)]
        async fn rates() -> Value {
            computed("first async block")
        }
        rates().await
    } else {
        #[dspinlock(cached)]
        async fn rates() -> Value {
            computed("second async block")
        }
        rates().await
    }
}

static TABLE: [Function; 2] = [
    {
        #[dspinlock(cached)]
        fn run() -> Value {
            computed("first of a table")
        }
        run
    },
    {
        #[dspinlock(cached)]
        fn run() -> Value {
            computed("second of a table")
        }
        run
    },
];

struct A;
struct B;

impl A {
    #[dspinlock(cached)]
    fn load() -> Value {
        computed("A::load")
    }
}

impl B {
    #[dspinlock(cached)]
    fn load() -> Value {
        computed("B::load")
    }
}

trait Named {
    const NAME: &'static str;

    #[dspinlock(cached)]
    fn by_default() -> Value {
        computed(Self::NAME)
    }

    #[dspinlock(key = (), cached)]
    async fn by_default_later(&self) -> Value {
        computed(Self::NAME)
    }
}

impl Named for A {
    const NAME: &'static str = "A";
}

impl Named for B {
    const NAME: &'static str = "B";
}

impl Named for u8 {
    const NAME: &'static str = "u8";
}

impl Named for u16 {
    const NAME: &'static str = "u16";
}

struct Table<T>(PhantomData<T>);

impl<T: Named> Table<T> {
    #[dspinlock(cached)]
    fn load() -> Value {
        computed(T::NAME)
    }
}

#[dspinlock(cached)]
fn by_type<T: Named>() -> Value {
    computed(T::NAME)
}

#[dspinlock(cached)]
fn by_constant<const N: usize>() -> Value {
    computed(&N.to_string())
}

#[dspinlock(key = (), cached)]
fn by_argument(value: impl Into<u64>) -> Value {
    computed(&value.into().to_string())
}

/// Each place with what only it computes.
const PLACES: [(&str, Function); 33] = [
    ("eu()", eu),
    ("us()", us),
    ("mod eu", eu::rates),
    ("first block", || blocks(true)),
    ("second block", || blocks(false)),
    ("first block of a macro", || of_a_macro(true)),
    ("second block of a macro", || of_a_macro(false)),
    ("first macro", || by_two_macros(true)),
    ("second macro", || by_two_macros(false)),
    ("type in the first block", || blocks_with_types(true)),
    ("type in the second block", || blocks_with_types(false)),
    ("implementation in the first block", || blocks_with_implementations(true)),
    ("implementation in the second block", || blocks_with_implementations(false)),
    ("trait in the first block", || blocks_with_traits(true)),
    ("trait in the second block", || blocks_with_traits(false)),
    ("first async block", || dspinlock_tests::block_on(in_async_blocks(true))),
    ("second async block", || dspinlock_tests::block_on(in_async_blocks(false))),
    ("first of a table", || TABLE[0]()),
    ("second of a table", || TABLE[1]()),
    ("A::load", A::load),
    ("B::load", B::load),
    ("A", A::by_default),
    ("B", B::by_default),
    ("A", || dspinlock_tests::block_on(A.by_default_later())),
    ("B", || dspinlock_tests::block_on(B.by_default_later())),
    ("u8", Table::<u8>::load),
    ("u16", Table::<u16>::load),
    ("u8", by_type::<u8>),
    ("u16", by_type::<u16>),
    ("1", by_constant::<1>),
    ("2", by_constant::<2>),
    ("7", || by_argument(7_u8)),
    ("8", || by_argument(8_u16)),
];

/// The value that the place of this number gives in a process of its own, and how often it was computed there.
fn value_of(place: usize, server: &Server) -> String {
    let name = "identity::processes_that_call_different_places_share_nothing";
    let place = (PLACE, Some(place.to_string().into()));
    let ended = in_a_process(name, &[place, ("DSPINLOCK_URL", Some(server.url().into()))]);
    let value =
        ended.output.lines().find_map(|line| line.split_once("it is ").map(|(_, value)| value.to_owned()));
    value.unwrap_or_else(|| panic!("{ended}"))
}

#[test]
fn processes_that_call_different_places_share_nothing() {
    if let Some(place) = std::env::var_os(PLACE) {
        let place: usize = place.into_string().unwrap().parse().unwrap();
        let client = Client::from_env().unwrap();
        let value = testing::scope(&client, PLACES[place].1).unwrap();
        println!("\nit is {value}, runs: {}", RUNS.load(Ordering::SeqCst));
        return;
    }
    let server = Server::start();
    for runs in [1, 0] {
        for (number, (value, _)) in PLACES.iter().enumerate() {
            // The second process takes what the first has computed: a place has one name in both.
            assert_eq!(value_of(number, &server), format!("{value}, runs: {runs}"), "place {number}");
        }
    }
    let records = server.command(&["KEYS", "dspinlock,dspinlock-tests/*cached::identity::*"]);
    let Reply::List(records) = records else { panic!("{records:?}") };
    assert_eq!(records.len(), PLACES.len(), "{records:?}");
}

/// Two packages whose crates are both called `server`, as the binaries of two services may be.
#[test]
fn packages_keep_services_apart() {
    for rig in rigs() {
        let load = |client, service: fn(u64) -> Value| testing::scope(client, || service(7)).unwrap();
        for client in [&rig.ours, &rig.theirs] {
            assert_eq!(load(client, billing::config::load), "billing 7");
            assert_eq!(load(client, accounts::config::load), "accounts 7");
        }
    }
}

#[dspinlock(key = id, cached)]
fn load_with<F: Fn(u64) -> String>(id: u64, compute: F) -> Value {
    computed(&compute(id))
}

#[dspinlock(key = (), once)]
fn run_with(compute: impl Fn()) -> Result<(), Error> {
    compute();
    Ok(())
}

#[dspinlock(key = id, cached, namespace = "closures")]
fn load_in_a_namespace<F: Fn(u64) -> String>(id: u64, compute: F) -> Value {
    computed(&compute(id))
}

#[dspinlock(key = id, cached(schema = "text", entry = text_entry), namespace = "closures")]
fn load_a_schema<F: Fn(u64) -> String>(id: u64, compute: F) -> Value {
    computed(&compute(id))
}

// Functions have names.
fn double(id: u64) -> String {
    (2 * id).to_string()
}

fn triple(id: u64) -> String {
    (3 * id).to_string()
}

/// The compiler gives all closures of one function one name.
#[test]
fn what_has_no_name_of_its_own_is_refused() {
    let client = Client::memory();
    testing::scope(&client, || {
        let closure = |id: u64| id.to_string();
        // Each may be any function of its form.
        for chosen_later in
            [load_with::<fn(u64) -> String>(1, double), load_with::<&dyn Fn(u64) -> String>(1, &double)]
        {
            assert_eq!(chosen_later.unwrap_err().kind(), ErrorKind::Misuse);
        }
        for (error, advice) in [
            (load_with(1, closure).unwrap_err(), "`namespace = \"…\"` and `cached(schema = \"…\")`"),
            (run_with(|| ()).unwrap_err(), "`namespace = \"…\"`,"),
            (load_in_a_namespace(1, closure).unwrap_err(), "write `cached(schema = \"…\")`"),
        ] {
            assert_eq!(error.kind(), ErrorKind::Misuse);
            let text = error.to_string();
            assert!(text.contains("{{closure}}") && text.contains(advice), "{text}");
        }
        assert_eq!(load_a_schema(1, closure).unwrap(), "1");
        assert_eq!(text_entry(1, closure).unwrap().peek_blocking().unwrap().as_deref(), Some("1"));
        assert_eq!((load_with(1, double).unwrap(), load_with(1, triple).unwrap()), ("2".into(), "3".into()));
    });
}

mod shared_namespace {
    use super::{Client, Error, dspinlock};

    #[dspinlock(client = client, key = id, namespace = "totals", cached(entry = orders_entry))]
    pub(super) fn orders(client: &Client, id: u64) -> Result<u64, Error> {
        Ok(id + 100)
    }

    #[dspinlock(client = client, key = id, namespace = "totals", cached(local = "1m", entry = returns_entry))]
    pub(super) async fn returns(client: &Client, id: u64) -> Result<u64, Error> {
        Ok(id + 200)
    }

    #[dspinlock(client = client, key = id, namespace = "totals", cached(schema = "sum"))]
    pub(super) fn first_sum(client: &Client, id: u64) -> Result<u64, Error> {
        Ok(id + 300)
    }

    #[dspinlock(client = client, key = id, namespace = "totals", cached(schema = "sum"))]
    pub(super) fn second_sum(client: &Client, _: (), id: u64) -> Result<u64, Error> {
        Ok(id + 400)
    }

    #[dspinlock(client = client, key = (), namespace = "totals", cached)]
    pub(super) fn width<T>(client: &Client) -> Result<usize, Error> {
        Ok(size_of::<T>())
    }
}

#[test]
fn a_shared_namespace_shares_the_lock_and_not_the_value() {
    use shared_namespace::{first_sum, orders, orders_entry, returns, returns_entry, second_sum, width};
    for rig in rigs() {
        let (ours, theirs) = (&rig.ours, &rig.theirs);
        for client in [ours, theirs, ours] {
            assert_eq!(orders(client, 1).unwrap(), 101);
            assert_eq!(orders_entry(ours, 1).unwrap().peek_blocking().unwrap(), Some(101));
            assert_eq!(returns_entry(theirs, 1).unwrap().peek_blocking().unwrap(), None);
            // Twice: the second time may be served from a copy.
            for _ in 0..2 {
                assert_eq!(dspinlock_tests::block_on(returns(client, 1)).unwrap(), 201);
            }
            assert_eq!(returns_entry(ours, 1).unwrap().peek_blocking().unwrap(), Some(201));
            assert_eq!(orders_entry(theirs, 1).unwrap().peek_blocking().unwrap(), None);
        }
        assert_eq!(first_sum(ours, 1).unwrap(), 301);
        assert_eq!(second_sum(theirs, (), 1).unwrap(), 301, "the schema says that both make the same");
        assert_eq!((width::<u8>(ours).unwrap(), width::<u16>(theirs).unwrap()), (1, 2));

        let lock = theirs.lock(1).namespace("totals");
        let held = lock.acquire_blocking().unwrap();
        let error = testing::scope(ours, || shared_namespace_waits(ours)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Contended);
        held.release_blocking().unwrap();
    }
}

#[dspinlock(client = client, key = 1, namespace = "totals", wait = "0s", cached)]
fn shared_namespace_waits(client: &Client) -> Value {
    computed("not while another holds it")
}
