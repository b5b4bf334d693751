//! Errors in a body are reported there, as without the attribute.
#![deny(unused, unreachable_code)]
use dspinlock::{Error, dspinlock};

#[dspinlock]
fn blocking() -> Result<u32, Error> {
    "text"
}

#[dspinlock]
async fn asynchronous() -> Result<u32, Error> {
    if true {
        return "text";
    }
    'c'
}

#[dspinlock]
fn no_value() -> Result<u32, Error> {
    let number = 1;
}

fn main() {
    let _ = blocking();
    let _ = asynchronous();
    let _ = no_value();
}
