//! The return type carries the error of the lock, unless there is an `on_error`.
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
