//! Each place in the code has a value of its own, and the same one in every process.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU32, Ordering};

use dspinlock::{Client, Error, dspinlock, testing};
use dspinlock_testkit::{Reply, Server};
use dspinlock_tests::{block_on, in_a_process};

type Value = Result<String, Error>;
type Function = fn() -> Value;

/// Tells a child process which place to call.
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

/// Each place with the value that only it computes.
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
    ("first async block", || block_on(in_async_blocks(true))),
    ("second async block", || block_on(in_async_blocks(false))),
    ("first of a table", || TABLE[0]()),
    ("second of a table", || TABLE[1]()),
    ("A::load", A::load),
    ("B::load", B::load),
    ("A", A::by_default),
    ("B", B::by_default),
    ("A", || block_on(A.by_default_later())),
    ("B", || block_on(B.by_default_later())),
    ("u8", Table::<u8>::load),
    ("u16", Table::<u16>::load),
    ("u8", by_type::<u8>),
    ("u16", by_type::<u16>),
    ("1", by_constant::<1>),
    ("2", by_constant::<2>),
    ("7", || by_argument(7_u8)),
    ("8", || by_argument(8_u16)),
];

/// The value of this place in a process of its own, and how often it was computed there.
fn value_of(place: usize, server: &Server) -> String {
    let name = "places::different_places_share_nothing";
    let place = (PLACE, Some(place.to_string().into()));
    let ended = in_a_process(name, &[place, ("DSPINLOCK_URL", Some(server.url().into()))]);
    let value =
        ended.output.lines().find_map(|line| line.split_once("it is ").map(|(_, value)| value.to_owned()));
    value.unwrap_or_else(|| panic!("{ended}"))
}

#[test]
fn different_places_share_nothing() {
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
            // The second process gets the value that the first one computed: a place has one name in both.
            assert_eq!(value_of(number, &server), format!("{value}, runs: {runs}"), "place {number}");
        }
    }
    let records = server.command(&["KEYS", "dspinlock,dspinlock-tests/*cached::places::*"]);
    let Reply::List(records) = records else { panic!("{records:?}") };
    assert_eq!(records.len(), PLACES.len(), "{records:?}");
}
