//! Lints check the user's code as without the attribute.
#![deny(unused, unreachable_code)]
use dspinlock::{Error, dspinlock};

fn fallible() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(key = used, guard = lock)]
pub fn blocking(used: u32, unused: u32) -> Result<u32, Error> {
    let mut never_changed = 1;
    fallible();
    return Ok(never_changed);
    Ok(2)
}

#[dspinlock(key = used)]
pub async fn asynchronous(mut used: u32, unused: u32) -> Result<u32, Error> {
    let forgotten = 1;
    fallible();
    return Ok(used);
    Ok(2)
}

#[dspinlock]
fn dead() -> Result<(), Error> {
    Ok(())
}

#[dspinlock]
async fn dead_too() -> Result<(), Error> {
    Ok(())
}

#[dspinlock]
#[must_use]
pub fn important() -> Result<(), Error> {
    Ok(())
}

fn main() {
    important();
}
