//! The future of an annotated async function holds what the body holds, once. Beside the future of the plain function it has a
//! constant, the arguments once more, and room for the return value.

use std::hint::black_box;
use std::mem::size_of_val;

use dspinlock::{Error, dspinlock};

/// The most that the attribute adds, in bytes: what a call needs while it waits for the lock.
const CONSTANT: usize = 4608;

fn pause() -> impl Future<Output = ()> {
    std::future::ready(())
}

macro_rules! functions {
    ($name:ident $(, $attribute:meta)?) => {
        mod $name {
            use super::*;

            $(#[$attribute])?
            pub(super) async fn state<const N: usize>() -> Result<u8, Error> {
                let state = black_box([1; N]);
                pause().await;
                Ok(black_box(&state)[0])
            }

            $(#[$attribute])?
            pub(super) async fn argument<const N: usize>(argument: [u8; N]) -> Result<u8, Error> {
                pause().await;
                Ok(black_box(&argument)[0])
            }
        }
    };
}

functions!(plain);
functions!(locked, dspinlock(key = ()));
functions!(cancelled, dspinlock(key = (), on_lost = "cancel"));
functions!(cached, dspinlock(key = (), cached));
functions!(copied, dspinlock(key = (), cached(local)));

/// The sizes of the five futures, the plain one first.
macro_rules! sizes {
    ($function:ident::<$bytes:literal>($($argument:expr)?)) => {
        [
            size_of_val(&plain::$function::<$bytes>($($argument)?)),
            size_of_val(&locked::$function::<$bytes>($($argument)?)),
            size_of_val(&cancelled::$function::<$bytes>($($argument)?)),
            size_of_val(&cached::$function::<$bytes>($($argument)?)),
            size_of_val(&copied::$function::<$bytes>($($argument)?)),
        ]
    };
}

/// Checks that the attribute adds at most the constant and this many bytes, and prints the sizes for the page on costs.
fn check(what: &str, sizes: [usize; 5], more: usize) {
    println!("{what}: {sizes:?}");
    let [plain, annotated @ ..] = sizes;
    for size in annotated {
        assert!(size <= plain + more + CONSTANT, "{what}: {plain} bytes became {size}");
    }
}

#[test]
fn a_body_is_held_once() {
    check("16 B of state", sizes!(state::<16>()), 0);
    check("1 KiB of state", sizes!(state::<1024>()), 0);
    check("16 KiB of state", sizes!(state::<16_384>()), 0);
    check("64 KiB of state", sizes!(state::<65_536>()), 0);
}

#[test]
fn arguments_are_held_once_more() {
    check("16 B of arguments", sizes!(argument::<16>([0; 16])), 16);
    check("1 KiB of arguments", sizes!(argument::<1024>([0; 1024])), 1024);
    check("16 KiB of arguments", sizes!(argument::<16_384>([0; 16_384])), 16_384);
}
