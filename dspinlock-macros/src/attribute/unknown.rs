//! The message for an unknown argument, with what may have been meant.

use super::argument::Argument;
use super::mode::MODES;
use super::table::Place;

/// The names of the same things in other libraries: py-dspinlock first, then common ones.
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

/// What to say of a name that is no argument.
pub(crate) struct Message {
    pub(crate) text: String,
    /// Whether the name may be the key, written without its own name.
    pub(crate) may_be_the_key: bool,
}

/// The message for a name that is no argument in this place; `alone` if it has no value.
pub(crate) fn message(name: &str, place: Place, alone: bool) -> Message {
    let may_be_the_key =
        alone && place == Place::Attribute && Place::Cached.find(name).is_none() && closest(name).is_none();
    Message { text: text(name, place, may_be_the_key), may_be_the_key }
}

fn text(name: &str, place: Place, may_be_the_key: bool) -> String {
    match place {
        Place::Attribute => {
            if let Some(option) = Place::Cached.find(name) {
                return format!(
                    "`{name}` is an option of `cached`: write `{}`",
                    Place::Cached.example(option)
                );
            }
            let meant = match closest(name) {
                Some(known) => format!(", did you mean `{known}`?"),
                None if may_be_the_key => format!("; if it is the key, write `key = {name}`"),
                None => String::new(),
            };
            let (arguments, modes) = (names(place.rows()), MODES.map(|(name, _)| name).join("`, `"));
            format!("unknown argument `{name}`{meant} (arguments: `{arguments}`; modes: `{modes}`)")
        }
        Place::Cached => {
            if let Some(argument) = Place::Attribute.find(name) {
                return format!(
                    "`{name}` is not an option of `cached` but an argument of the attribute: write `cached, {}`",
                    argument.example()
                );
            }
            let meant = nearest(name, place.rows().iter().map(|option| option.name))
                .map_or_else(String::new, |known| format!(", did you mean `{known}`?"));
            format!("unknown option `{name}` of `cached`{meant} (options: `{}`)", names(place.rows()))
        }
    }
}

fn names(rows: &[Argument]) -> String {
    rows.iter().map(|argument| argument.name).collect::<Vec<_>>().join("`, `")
}

fn closest(name: &str) -> Option<&'static str> {
    if let Some((_, known)) = ALIASES.iter().find(|(alias, _)| *alias == name) {
        return Some(known);
    }
    let arguments = Place::Attribute.rows().iter().map(|argument| argument.name);
    nearest(name, arguments.chain(MODES.map(|(name, _)| name)))
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
