//! The lines of the tables.

/// A line: one figure of one row.
pub(super) struct Line {
    pub(super) label: &'static str,
    pub(super) row: &'static str,
    pub(super) pinned: bool,
    /// Which of our contestants it shows.
    pub(super) lib: &'static str,
    /// One of the further figures; without it the median of the row.
    pub(super) figure: Option<&'static str>,
    pub(super) unit: &'static str,
    pub(super) shown: Shown,
    pub(super) targets: &'static [Target],
}

/// Where a line is shown, besides the table of what was to be reached. What the README shows, the page on speed shows as well.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shown {
    Aside,
    Page,
    Readme,
}

/// What a line is to reach.
pub(super) struct Target {
    pub(super) of: Of,
    pub(super) at_least: bool,
    pub(super) bound: f64,
}

/// The figure itself, or its ratio.
pub(super) enum Of {
    Figure,
    Yardstick,
    Peer,
}

impl Target {
    pub(super) fn text(&self) -> String {
        let sign = if self.at_least { "≥" } else { "≤" };
        match self.of {
            Of::Figure if self.bound == 0.0 => "none".to_owned(),
            Of::Figure => format!("{sign} {}", self.bound),
            Of::Yardstick => format!("{sign} {} × plain", self.bound),
            Of::Peer => format!("{sign} {} × peer", self.bound),
        }
    }
}

const fn at_most(of: Of, bound: f64) -> Target {
    Target { of, at_least: false, bound }
}

const fn at_least(of: Of, bound: f64) -> Target {
    Target { of, at_least: true, bound }
}

const fn line(label: &'static str, row: &'static str, unit: &'static str) -> Line {
    Line { label, row, pinned: false, lib: "dspinlock", figure: None, unit, shown: Shown::Page, targets: &[] }
}

impl Line {
    const fn one_core(mut self) -> Self {
        self.pinned = true;
        self
    }

    const fn of(mut self, figure: &'static str) -> Self {
        self.figure = Some(figure);
        self
    }

    const fn threads(mut self) -> Self {
        self.lib = "dspinlock-threads";
        self
    }

    /// Shown among what was to be reached only.
    const fn aside(mut self) -> Self {
        self.shown = Shown::Aside;
        self
    }

    /// One of the few that the README shows, too.
    const fn first(mut self) -> Self {
        self.shown = Shown::Readme;
        self
    }

    const fn to(mut self, targets: &'static [Target]) -> Self {
        self.targets = targets;
        self
    }
}

#[rustfmt::skip] // One line for each.
pub(super) const LINES: &[Line] = &[
    line("acquire and release, one task", "uncontended_async", "µs").first().to(&[at_most(Of::Peer, 1.11)]),
    line("the same, server and client on one core", "uncontended_async", "µs").one_core().to(&[at_most(Of::Peer, 1.3)]),
    line("the same, runtime on the current thread", "uncontended_current", "µs").aside(),
    line("the same, runtime on the current thread, one core", "uncontended_current", "µs").one_core().aside(),
    line("acquire and release, one thread", "uncontended_blocking", "µs"),
    line("the same, server and client on one core", "uncontended_blocking", "µs").one_core().to(&[at_most(Of::Yardstick, 1.4)]),
    line("the same, time of the server", "uncontended_blocking", "µs").one_core().of("server_us").aside(),
    line("64 tasks on 64 keys", "parallel_64", "pairs/s").first().to(&[at_least(Of::Peer, 0.8)]),
    line("the same, server and client on one core", "parallel_64", "pairs/s").one_core().to(&[at_least(Of::Peer, 0.8)]),
    line("the same, time of the server for a pair", "parallel_64", "µs").of("server_us").aside(),
    line("64 threads on 64 keys", "parallel_64_threads", "pairs/s").to(&[at_least(Of::Yardstick, 0.8)]),
    line("the same, server and client on one core", "parallel_64_threads", "pairs/s").one_core().aside().to(&[at_least(Of::Yardstick, 0.8)]),
    line("32 tasks of one process on one key", "contended_32", "sections/s").to(&[at_least(Of::Figure, 100_000.0)]),
    line("the same, processor time of a section", "contended_32", "µs").of("cpu_us").aside(),
    line("the same, rounds of the least served to the most served", "contended_32", "").of("evenness").to(&[at_least(Of::Figure, 0.5)]),
    line("4 processes with 8 tasks each on one key", "contended_4x8", "sections/s").first().to(&[at_least(Of::Figure, 45_000.0)]),
    line("the same, share of the least served process", "contended_4x8", "").of("least_share").to(&[at_least(Of::Figure, 0.8)]),
    line("8 processes with one task each, share of the least served", "fair_8", "").aside().to(&[at_least(Of::Figure, 0.9)]),
    line("from a release to the next process, after 200 ms", "handover", "µs").first().to(&[at_most(Of::Figure, 600.0), at_most(Of::Yardstick, 2.2)]),
    line("the same, the release by itself", "handover", "µs").of("release_us"),
    line("the same, threads", "handover", "µs").threads().aside(),
    line("100 waiters on one key", "idle_100", "commands/s").first().to(&[at_most(Of::Figure, 0.0)]),
    line("a crashed holder: after the end of its lease, beside 100,000 keys", "crash_takeover", "ms").of("after_lease_ms").to(&[at_most(Of::Figure, 12.0)]),
    line("a held lock of 100,000 in one process", "held_100000", "bytes").first().to(&[at_most(Of::Figure, 1_024.0)]),
    line("the same, commands that renew them once", "held_100000", "").of("commands_a_round"),
    line("the same, lost while they were held", "held_100000", "").of("lost").to(&[at_most(Of::Figure, 0.0)]),
    line("the same, refused", "held_100000", "").of("refused").to(&[at_most(Of::Figure, 0.0)]),
    line("the same, time of the server, of a core", "held_100000", "%").of("server_cpu_%").aside(),
    line("a lock beside 64 readers of 4 MB, the slowest", "lock_beside_hits", "ms"),
    line("the same, refused", "lock_beside_hits", "").of("refused").to(&[at_most(Of::Figure, 0.0)]),
    line("the same, the slowest to the 99th percentile alone", "lock_beside_hits", "×").of("times_p99_alone").aside().to(&[at_most(Of::Figure, 3.0)]),
    line("the same, hits a second", "lock_beside_hits", "").of("hits_a_second").aside(),
    line("4 × 50 callers, one computation of 500 ms", "dedupe_4x50", "ms").first().to(&[at_most(Of::Figure, 502.0)]),
    line("the same, commands", "dedupe_4x50", "").of("commands").to(&[at_most(Of::Figure, 12.0)]),
    line("10,000 callers, from the end of the computation", "dedupe_10000", "ms").to(&[at_most(Of::Figure, 15.0)]),
    line("a hit in the server, 1 KB", "hit_remote", "µs").first().to(&[at_most(Of::Yardstick, 1.15)]),
    line("the same, server and client on one core", "hit_remote", "µs").one_core().aside().to(&[at_most(Of::Yardstick, 1.15)]),
    line("1 MB", "hit_1mb", "µs").to(&[at_most(Of::Yardstick, 1.15)]),
    line("the same, server and client on one core", "hit_1mb", "µs").one_core().aside().to(&[at_most(Of::Yardstick, 1.15)]),
    line("32 MB", "hit_32mb", "ms").to(&[at_most(Of::Yardstick, 1.15)]),
    line("the same, server and client on one core", "hit_32mb", "ms").one_core().aside().to(&[at_most(Of::Yardstick, 1.15)]),
    line("a hit in the process, `Arc<T>`", "hit_local_arc", "ns").first().to(&[at_most(Of::Figure, 150.0)]),
    line("1 KB, `T: Clone`", "hit_local_clone", "ns").to(&[at_most(Of::Figure, 150.0)]),
    line("1 KB, any other `T`", "hit_local_decoded", "ns").to(&[at_most(Of::Figure, 400.0)]),
    line("a call that takes a lock in memory, async", "annotated_memory", "ns"),
    line("the same, blocking", "annotated_memory", "ns").threads(),
];
