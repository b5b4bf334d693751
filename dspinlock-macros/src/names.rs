//! The names of the arguments, and what somebody may have meant by another one.

/// The modes: flags without a value, of which a function has one at most.
pub(crate) const MODES: [&str; 4] = ["skip", "once", "fail_if_key_exists", "cached"];

/// The arguments that take a value, each with an example of one.
pub(crate) const VALUES: [(&str, &str); 15] = [
    ("key", "key = customer_id"),
    ("namespace", "namespace = \"billing\""),
    ("sleep", "sleep = \"100ms\""),
    ("wait", "wait = \"5s\""),
    ("tries", "tries = 10"),
    ("expire", "expire = \"1h\""),
    ("max_block", "max_block = \"30m\""),
    ("lease", "lease = \"10s\""),
    ("on_error", "on_error = |error| MyError::Locked(error)"),
    ("on_lost", "on_lost = \"continue\""),
    ("on_outage", "on_outage = \"run_unlocked\""),
    ("otherwise", "otherwise = Report::empty()"),
    ("guard", "guard = lock"),
    ("client", "client = &self.locks"),
    ("crate", "crate = my_library::dspinlock"),
];

/// The options inside `cached(…)`, each with an example.
pub(crate) const OPTIONS: [(&str, &str); 9] = [
    ("refresh_ahead", "refresh_ahead = \"30s\""),
    ("stale_if_error", "stale_if_error = \"1h\""),
    ("err_expire", "err_expire = \"1s\""),
    ("max_value", "max_value = \"1MiB\""),
    ("schema", "schema = \"usage-2\""),
    ("codec", "codec = dspinlock::Json"),
    ("if", "if = |value| value.is_complete()"),
    ("entry", "entry = usage_entry"),
    ("local", "local = \"5s\""),
];

/// What other libraries call the same thing: py-dspinlock first, then common names.
const ALIASES: [(&str, &str); 14] = [
    ("max_spinlock_tries", "tries"),
    ("spinlock_sleep_thresh", "sleep"),
    ("expire_at_timedelta", "expire"),
    ("max_block_time", "max_block"),
    ("cached_if_computed", "cached"),
    ("obj", "key"),
    ("sess", "client"),
    ("redis", "client"),
    ("retries", "tries"),
    ("timeout", "wait"),
    ("interval", "sleep"),
    ("ttl", "expire"),
    ("name", "namespace"),
    ("prefix", "namespace"),
];

/// The example for an argument that takes a value, or nothing if there is no such argument.
pub(crate) fn example(name: &str) -> Option<&'static str> {
    VALUES.iter().find(|(known, _)| *known == name).map(|(_, example)| *example)
}

/// The whole message for a name that is no argument; `alone` if it stood without a value.
pub(crate) fn unknown(name: &str, alone: bool) -> String {
    if let Some(example) = option_example(name) {
        return format!("`{name}` is an option of `cached`, and stands inside it: `cached({example})`");
    }
    let meant = match closest(name) {
        Some(known) => format!(" did you mean `{known}`?"),
        None if alone => format!(" if it is the key, write `key = {name}`;"),
        None => String::new(),
    };
    let arguments = VALUES.map(|(name, _)| name).join("`, `");
    let modes = MODES.join("`, `");
    format!("there is no argument `{name}`;{meant} the arguments are `{arguments}`; the modes are `{modes}`")
}

/// The example for an option of `cached`, or nothing if there is no such option.
pub(crate) fn option_example(name: &str) -> Option<&'static str> {
    OPTIONS.iter().find(|(known, _)| *known == name).map(|(_, example)| *example)
}

/// The whole message for a name that is no option of `cached`.
pub(crate) fn unknown_option(name: &str) -> String {
    if let Some(example) = example(name) {
        return format!(
            "`{name}` is an argument of its own, and stands beside `cached`: `cached, {example}`"
        );
    }
    let meant = match nearest(name, OPTIONS.into_iter().map(|(known, _)| known)) {
        Some(known) => format!(" did you mean `{known}`?"),
        None => String::new(),
    };
    let options = OPTIONS.map(|(name, _)| name).join("`, `");
    format!("`cached` has no option `{name}`;{meant} its options are `{options}`")
}

fn closest(name: &str) -> Option<&'static str> {
    if let Some((_, known)) = ALIASES.iter().find(|(alias, _)| *alias == name) {
        return Some(known);
    }
    nearest(name, VALUES.into_iter().map(|(known, _)| known).chain(MODES))
}

fn nearest(name: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    known
        .map(|known| (distance(name, known), known))
        .filter(|(distance, known)| *distance <= known.len().div_ceil(3))
        .min()
        .map(|(_, known)| known)
}

/// How many letters must be inserted, removed or replaced to turn one word into the other.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.chars().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[row.len() - 1]
}

#[cfg(test)]
mod tests {
    use super::{closest, distance};

    #[test]
    fn a_slip_of_the_keyboard_finds_its_word() {
        assert_eq!(closest("slep"), Some("sleep"));
        assert_eq!(closest("max_blok"), Some("max_block"));
        assert_eq!(closest("onse"), Some("once"));
        assert_eq!(closest("customer_id"), None);
    }

    #[test]
    fn names_of_other_libraries_find_ours() {
        assert_eq!(closest("spinlock_sleep_thresh"), Some("sleep"));
        assert_eq!(closest("timeout"), Some("wait"));
    }

    #[test]
    fn distances() {
        assert_eq!(distance("", "key"), 3);
        assert_eq!(distance("key", "key"), 0);
        assert_eq!(distance("kye", "key"), 2);
        assert_eq!(distance("leese", "lease"), 1);
    }
}
