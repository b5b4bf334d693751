//! An `on_error` with an argument that the body moves
use dspinlock::dspinlock;

#[dspinlock(key = name, on_error = |_| Err(name.clone()))]
fn rename(name: String) -> Result<(), String> {
    drop(name);
    Ok(())
}

fn main() {}
