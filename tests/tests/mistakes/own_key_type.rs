//! A key of an own type without `LockKey`
use dspinlock::dspinlock;

pub struct Tenant(u64);

#[dspinlock(key = tenant)]
async fn bill(tenant: &Tenant) -> Result<u64, dspinlock::Error> {
    Ok(tenant.0)
}

fn main() {}
