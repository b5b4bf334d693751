//! The return type holds the error of the lock, or `on_error` converts it.
use dspinlock::{Error, dspinlock};

#[dspinlock]
fn nothing() {}

#[dspinlock]
async fn unit() -> () {}

#[dspinlock]
fn number() -> u32 {
    1
}

#[dspinlock(once)]
fn option() -> Option<Error> {
    None
}

#[dspinlock]
fn reference() -> &'static str {
    "a"
}

#[dspinlock]
fn never() -> ! {
    panic!()
}

fn main() {}
