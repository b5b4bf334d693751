//! On an `impl` block
use dspinlock::dspinlock;

pub struct Reports;

#[dspinlock]
impl Reports {
    pub fn sweep(&self) -> Result<(), dspinlock::Error> {
        Ok(())
    }
}

fn main() {
    let _ = Reports.sweep();
}
