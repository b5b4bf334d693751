//! The type of an `impl Trait` argument is part of the namespace, so the argument needs a name.
use dspinlock::{Error, dspinlock};

#[dspinlock(key = ())]
fn without_a_name(_: impl Clone) -> Result<(), Error> {
    Ok(())
}

#[dspinlock(key = (), namespace = "named")]
fn with_a_namespace(_: impl Clone) -> Result<(), Error> {
    Ok(())
}

fn main() {}
