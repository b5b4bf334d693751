//! Return types that can't hold the error of the lock, or a call that did not run, as only the type checker finds out.
use dspinlock::{Error, dspinlock};

struct Report;

#[derive(Debug)]
struct AppError;

type Alias = Report;

#[dspinlock]
fn struct_type() -> Alias {
    Report
}

#[dspinlock]
async fn no_conversion() -> Result<(), AppError> {
    Err(AppError)
}

#[dspinlock(skip)]
fn turned_away() -> Result<Report, Error> {
    Ok(Report)
}

#[dspinlock(once, on_error = |error| error)]
fn wrong_value() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(once, otherwise = 5)]
fn wrong_otherwise() -> Result<String, Error> {
    Ok(String::new())
}

#[dspinlock(once, otherwise = 5)]
async fn wrong_otherwise_later() -> Result<String, Error> {
    Ok(String::new())
}

fn main() {}
