//! The date and the machine of the figures.

use std::time::SystemTime;

/// The date, the processor, the server, and how it was measured.
pub(crate) fn line(options: &crate::options::Options) -> String {
    let date = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let date = date.split('T').next().unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut parts = vec![date.to_owned(), format!("{} × {cores}", processor()), server()];
    parts.extend(options.rtt.map(|rtt| format!("round trip {rtt:?}")));
    parts.extend(options.quick.then(|| "quick".to_owned()));
    parts.join(", ")
}

fn processor() -> String {
    let about = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = about.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    model.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

/// The version of the server: `Redis server v=7.0.15 …`.
fn server() -> String {
    let said = dspinlock_testkit::Server::find()
        .and_then(|binary| std::process::Command::new(binary).arg("--version").output().ok());
    let said = said.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    said.split(" sha").next().unwrap_or_default().trim().to_owned()
}
