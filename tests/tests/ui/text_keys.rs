//! A text in place of the arguments would be one key for all calls.
use dspinlock::{Error, dspinlock};

struct User {
    id: u64,
}

impl User {
    #[dspinlock(key = "self.id")]
    fn quoted_self(&self) -> Result<(), Error> {
        Ok(())
    }
}

#[dspinlock(key = "user:{id}")]
fn placeholder(id: u64) -> Result<u64, Error> {
    Ok(id)
}

#[dspinlock(key = r#"{tenant}/{day:?}"#)]
fn raw(tenant: &str, day: u64) -> Result<(), Error> {
    Ok(())
}

#[dspinlock(key = ("reports", "{}"))]
fn in_a_tuple(id: u64) -> Result<(), Error> {
    Ok(())
}

#[dspinlock(key = concat!("v1:", "user:{0}"))]
fn concatenated(id: u64) -> Result<(), Error> {
    Ok(())
}

#[dspinlock(key = "id", cached)]
fn quoted(id: u64) -> Result<u64, Error> {
    Ok(id)
}

#[dspinlock(key = "(tenant, id)")]
async fn quoted_tuple(tenant: &str, id: u64) -> Result<u64, Error> {
    Ok(id)
}

#[dspinlock(key = "nightly")]
fn text(id: u64) -> Result<u64, Error> {
    Ok(id)
}

#[dspinlock(key = ("id", id, "{{id}}", format!("{id}")))]
fn parts(id: u64) -> Result<u64, Error> {
    Ok(id)
}

fn main() {}
