//! An own error without `From<dspinlock::Error>`
use dspinlock::dspinlock;

#[derive(Debug)]
pub enum AppError {
    Full,
}

#[dspinlock(key = id)]
async fn book(id: u64) -> Result<u64, AppError> {
    if id > 9 { Err(AppError::Full) } else { Ok(id) }
}

fn main() {}

// Earlier: the trait bound `AppError: From<dspinlock::Error>` is not satisfied
