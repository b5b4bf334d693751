//! The programs that count.

use crate::Fallible;
use crate::child::WORKER;
use dspinlock_testkit::Child;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Under valgrind everything takes fifty times as long.
const PATIENCE: Duration = Duration::from_secs(300);

#[derive(Clone, Copy, Debug)]
pub(super) enum Tool {
    Callgrind,
    Dhat,
    Perf,
    Strace,
}

/// Which wake-ups count: of the worker's own threads by its own threads. The server's reply is no such, and the server itself is
/// woken by each request.
const OWN_THREADS: &str = r#"comm ~ "dspinlock*" || comm ~ "tokio*""#;

impl Tool {
    pub(super) const ALL: [Self; 4] = [Self::Callgrind, Self::Dhat, Self::Perf, Self::Strace];

    /// What it counts.
    pub(super) const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Callgrind => &["instructions"],
            Self::Dhat => &["allocations", "bytes"],
            Self::Perf => &["wake-ups", "context switches"],
            Self::Strace => &["system calls", "eventfd writes", "futex wakes"],
        }
    }

    /// Runs a worker with this order under the tool.
    pub(super) fn counts(self, worker: &[String], order: &str) -> Fallible<Vec<f64>> {
        let dir = std::env::temp_dir().join(format!("dspinlock-profile-{}", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        let report = dir.join("report");
        let ran = self.run(&dir, worker, order);
        let text = ran.and_then(|()| Ok(std::fs::read_to_string(&report)?));
        std::fs::remove_dir_all(&dir)?;
        let text = text.map_err(|error| format!("{self:?}: {error}"))?;
        self.read(&text).ok_or_else(|| format!("{self:?} said {text}").into())
    }

    fn run(self, dir: &Path, worker: &[String], order: &str) -> Fallible<()> {
        let at = |name: &str| dir.join(name).display().to_string();
        let report = at("report");
        let command: Vec<String> = match self {
            Self::Callgrind => vec![
                "valgrind".into(),
                "--tool=callgrind".into(),
                format!("--callgrind-out-file={}", at("out")),
                format!("--log-file={report}"),
                "--fair-sched=try".into(),
            ],
            Self::Dhat => vec![
                "valgrind".into(),
                "--tool=dhat".into(),
                format!("--dhat-out-file={}", at("out")),
                format!("--log-file={report}"),
                "--fair-sched=try".into(),
            ],
            Self::Perf => {
                ["perf", "stat", "-x,", "-o", &report, "-e", "sched:sched_wakeup", "--filter", OWN_THREADS]
                    .iter()
                    .chain(&["-e", "context-switches", "--"])
                    .map(|&word| word.to_owned())
                    .collect()
            }
            Self::Strace => {
                ["strace", "-f", "-y", "-o", &report].iter().map(|&word| word.to_owned()).collect()
            }
        };
        let mut worker_under = Command::new(&command[0]);
        worker_under.args(&command[1..]).arg(std::env::current_exe()?).arg(WORKER).args(worker);
        let mut child = Child::start(&mut worker_under)?;
        for (say, hear) in [(None, "ready"), (Some(order), "done")] {
            if let Some(order) = say {
                child.say(order)?;
            }
            let line = child.hear(PATIENCE)?;
            if !line.starts_with(hear) {
                return Err(format!("the worker said {line:?}").into());
            }
        }
        drop(child.take_input());
        let ended = child.wait(PATIENCE)?;
        if ended.status.success() { Ok(()) } else { Err(ended.to_string().into()) }
    }

    /// The counts in its report, in the order of its columns.
    fn read(self, text: &str) -> Option<Vec<f64>> {
        match self {
            Self::Callgrind => Some(vec![after(text, "Collected :")?]),
            Self::Dhat => {
                let total = text.lines().find_map(|line| line.split_once("Total:"))?.1;
                let (bytes, blocks) = total.split_once(" bytes in ")?;
                Some(vec![number(blocks)?, number(bytes)?])
            }
            Self::Perf => ["sched:sched_wakeup", "context-switches"]
                .map(|event| number(text.lines().find(|line| line.contains(event))?))
                .into_iter()
                .collect(),
            Self::Strace => {
                let calls = || text.lines().filter(|line| !line.contains(" resumed>") && line.contains('('));
                let counts = [
                    calls().count(),
                    calls().filter(|line| line.contains(" write(") && line.contains("[eventfd]")).count(),
                    calls().filter(|line| line.contains("FUTEX_WAKE")).count(),
                ];
                counts.iter().map(|&count| Some(f64::from(u32::try_from(count).ok()?))).collect()
            }
        }
    }
}

fn after(text: &str, word: &str) -> Option<f64> {
    number(text.split_once(word)?.1)
}

/// The number that a text begins with, perhaps after spaces and with commas between thousands.
fn number(text: &str) -> Option<f64> {
    let text = text.trim_start();
    // perf separates its fields by commas; it groups no digits there.
    let end = text.find(|c: char| !c.is_ascii_digit() && c != ',').unwrap_or(text.len());
    let digits = text[..end].trim_end_matches(',').replace(',', "");
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_reports() {
        let read = |tool: Tool, text: &str| tool.read(text).unwrap();
        assert_eq!(read(Tool::Callgrind, "==1== Events    : Ir\n==1== Collected : 123456\n"), [123_456.0]);
        let dhat = "==1== Total:     1,234 bytes in 56 blocks\n==1== At t-gmax: 1 bytes in 1 blocks\n";
        assert_eq!(read(Tool::Dhat, dhat), [56.0, 1_234.0]);
        let perf = "# started\n\n17,,sched:sched_wakeup,42,100.00,,\n9,,context-switches,42,100.00,,\n";
        assert_eq!(read(Tool::Perf, perf), [17.0, 9.0]);
        let strace = "7 write(4<anon_inode:[eventfd]>, \"\\1\", 8) = 8\n\
                      7 futex(0x1, FUTEX_WAIT_PRIVATE, 1, NULL <unfinished ...>\n\
                      8 futex(0x1, FUTEX_WAKE_PRIVATE, 1) = 1\n\
                      7 <... futex resumed>) = 0\n\
                      7 +++ exited with 0 +++\n";
        assert_eq!(read(Tool::Strace, strace), [3.0, 1.0, 1.0]);
    }
}
