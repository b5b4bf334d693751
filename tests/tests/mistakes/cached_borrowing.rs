//! `cached` on an own type that borrows
use dspinlock::dspinlock;

#[derive(serde::Serialize, serde::Deserialize)]
pub struct Colour {
    pub name: &'static str,
}

#[dspinlock(cached, key = id)]
fn colour(id: u64) -> Result<Colour, dspinlock::Error> {
    Ok(Colour { name: if id > 9 { "red" } else { "green" } })
}

fn main() {}
