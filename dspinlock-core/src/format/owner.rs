//! Who we are, as others see it in a record: `host/pid` or `host/pid/function`.

use once_cell::sync::Lazy;

const HOST_LENGTH: usize = 48;
const LENGTH: usize = 128;

/// Names this process, and the function where it is known, in printable ASCII without commas, 128 characters at most.
pub(crate) fn owner(function: Option<&str>) -> String {
    static HOST: Lazy<String> =
        Lazy::new(|| clean(&gethostname::gethostname().to_string_lossy(), HOST_LENGTH));
    // The process id is asked for each time: it changes in a fork.
    let pid = std::process::id();
    match function {
        Some(function) => clean(&format!("{}/{pid}/{function}", *HOST), LENGTH),
        None => format!("{}/{pid}", *HOST),
    }
}

fn clean(text: &str, length: usize) -> String {
    let printable = |c: char| if c.is_ascii_graphic() && c != ',' { c } else { '_' };
    text.chars().map(printable).take(length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_short_and_has_no_separator() {
        let owner = owner(Some(&"löng, näme ".repeat(40)));
        assert_eq!(owner.len(), LENGTH);
        assert!(owner.is_ascii() && !owner.contains([',', ' ']), "{owner}");
        assert!(owner.contains(&std::process::id().to_string()));
    }
}
