//! A sync function that returns a future would release the lock before the future runs.
use std::future::Future;
use std::pin::Pin;

use dspinlock::{Error, dspinlock};

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

async fn work() -> Result<(), Error> {
    Ok(())
}

#[dspinlock]
fn opaque() -> impl Future<Output = Result<(), Error>> {
    async { Ok(()) }
}

#[dspinlock]
fn boxed() -> Pin<Box<dyn Future<Output = Result<(), Error>>>> {
    println!("this would run without the lock");
    Box::pin(async move { Ok(()) })
}

#[dspinlock]
fn not_written_here() -> BoxFuture<'static, Result<(), Error>> {
    Box::pin(work())
}

#[dspinlock]
fn inside() -> Result<Vec<BoxFuture<'static, ()>>, Error> {
    Ok(vec![])
}

fn main() {}
