//! Where an annotated function stands, and the namespace that follows from it.

use crate::error::{Error, ErrorKind, Result};
use once_cell::sync::{Lazy, OnceCell};
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{PoisonError, RwLock};

/// One annotated function. The generated code has a `static` of it, and its address tells functions apart.
#[derive(Debug)]
pub struct Site {
    path: &'static str,
    file: &'static str,
    line: u32,
    /// Whether this stands beside the function, whose namespace it has.
    companion: bool,
    /// Set once the namespace without qualifiers is known to be nobody else's.
    alone: OnceCell<()>,
}

/// The default namespaces in use in this process.
static SITES: Lazy<RwLock<HashMap<String, &'static Site>>> = Lazy::new(RwLock::default);

impl Site {
    /// `path` is the function's module path and name.
    pub const fn new(path: &'static str, file: &'static str, line: u32) -> Self {
        Self { path, file, line, companion: false, alone: OnceCell::new() }
    }

    /// The site of a function's companion: `path` is the function's own.
    pub const fn companion(path: &'static str, file: &'static str, line: u32) -> Self {
        Self { path, file, line, companion: true, alone: OnceCell::new() }
    }

    pub(super) fn path(&self) -> &'static str {
        self.path
    }

    /// The default namespace: the path, and the types and constants that tell instances of one function apart.
    pub(super) fn namespace(&'static self, qualifiers: &[String], separator: &str) -> Result<String> {
        let mut namespace = escape(self.path, separator);
        if qualifiers.is_empty() {
            self.alone.get_or_try_init(|| self.claim(&namespace))?;
        } else {
            let qualifiers: Vec<String> = qualifiers.iter().map(|part| escape(part, separator)).collect();
            namespace = format!("{namespace}<{}>", qualifiers.join(";"));
            self.claim(&namespace)?;
        }
        Ok(namespace)
    }

    /// Makes the namespace this function's own.
    fn claim(&'static self, namespace: &str) -> Result<()> {
        if self.companion {
            return Ok(());
        }
        let known = SITES.read().unwrap_or_else(PoisonError::into_inner).get(namespace).copied();
        let owner = known.unwrap_or_else(|| {
            *SITES.write().unwrap_or_else(PoisonError::into_inner).entry(namespace.to_owned()).or_insert(self)
        });
        if std::ptr::eq(owner, self) {
            return Ok(());
        }
        let message = format!(
            "two functions have the default namespace `{namespace}`, {}:{} and {}:{}, and would lock each other out; \
             write `namespace = \"…\"` at one of them",
            owner.file, owner.line, self.file, self.line
        );
        Err(Error::new(ErrorKind::Misuse, message))
    }
}

/// The `impl` or trait that a generic function stands in, with its own parameters filled in, by the name of a closure in
/// the function: `app::Table<u8>` from `app::Table<u8>::load::{{closure}}`. Nothing where there are no parameters, or
/// where `this`, the function's `Self`, tells all of them.
pub(super) fn holder(closure: &str, this: Option<&str>) -> Option<String> {
    if !closure.contains('<') {
        return None;
    }
    // The function is the last part that is not in braces, as closures and the bodies of async functions are.
    let ends = part_ends(closure);
    let function =
        ends.iter().zip(&ends[1..]).rposition(|(&start, _)| !closure[start..].starts_with("::{"))?;
    let holder = without_lifetimes(&closure[..ends[function]]);
    let rest = match this {
        Some(this) => holder.replacen(&without_lifetimes(this), "", 1),
        None => holder.clone(),
    };
    // `<Self as Trait>` and `module::<impl Trait for Self>` have a bracket of their own.
    let told = usize::from(this.is_some() && (holder.starts_with('<') || holder.contains("::<impl ")));
    (rest.matches('<').count() > told).then_some(holder)
}

/// Where the parts of a path end: the places of its `::` outside of angle brackets, after its start and before its end.
fn part_ends(path: &str) -> Vec<usize> {
    let bytes = path.as_bytes();
    let (mut ends, mut depth, mut at) = (vec![0], 0_usize, 0);
    while at < bytes.len() {
        match bytes[at..] {
            // A `char` parameter may be a bracket.
            [b'\'', _, b'\'', ..] => at += 2,
            [b'-', b'>', ..] => at += 1,
            [b'<', ..] => depth += 1,
            [b'>', ..] => depth = depth.saturating_sub(1),
            [b':', b':', ..] if depth == 0 => {
                ends.push(at);
                at += 1;
            }
            _ => {}
        }
        at += 1;
    }
    ends.push(path.len());
    ends
}

/// Some compilers write lifetimes, all of them as `'_`, and some don't.
fn without_lifetimes(name: &str) -> String {
    name.replace("'_, ", "").replace("<'_>", "").replace("'_ ", "")
}

/// Writes what a namespace can't have, the separator and braces, and what is not printable, as `%` and two digits.
fn escape(text: &str, separator: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_graphic() && !matches!(c, '{' | '}' | '%' | ';') && !separator.contains(c) {
            escaped.push(c);
        } else {
            let mut utf8 = [0; 4];
            for byte in c.encode_utf8(&mut utf8).bytes() {
                // Writing to a string does not fail.
                let _ = write!(escaped, "%{byte:02x}");
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_a_namespace_cannot_have() {
        assert_eq!(escape("app::load", ","), "app::load");
        assert_eq!(escape("Map<u8, {3}>", ","), "Map<u8%2c%20%7b3%7d>");
        assert_eq!(escape("a::b", ":"), "a%3a%3ab");
        assert_ne!(escape("a%2c", ","), escape("a,", ","));
    }

    #[test]
    fn the_holder_of_a_generic_function() {
        let of = |closure: &str, this| holder(closure, this);
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(of("t::load::{{closure}}", None), None);
        assert_eq!(of("t::load<u8>::{{closure}}", None), None);
        assert_eq!(of("t::outer::load<t::S<u8>>::{{closure}}", None), None);
        assert_eq!(of("t::S<'_>::load::{{closure}}", None), None);
        assert_eq!(of("t::S<u8>::load<fn() -> u8>::{{closure}}", None), some("t::S<u8>"));
        assert_eq!(of("t::S<'_, u8>::load::{{closure}}::{{closure}}", None), some("t::S<u8>"));
        assert_eq!(of("t::S<'<', 3>::load::{{closure}}", None), some("t::S<'<', 3>"));
        assert_eq!(of("<u8 as t::K>::load::{{closure}}", None), some("<u8 as t::K>"));
        let elsewhere = "t::<impl t::K<u16> for t::S>";
        assert_eq!(of(&format!("{elsewhere}::load::{{{{closure}}}}"), None), some(elsewhere));
    }

    #[test]
    fn what_self_tells_is_not_told_twice() {
        let of = |closure: &str, this| holder(closure, Some(this));
        assert_eq!(of("t::S<u8>::load::{{closure}}", "t::S<u8>"), None);
        assert_eq!(of("t::S<'_, u8>::load::{{closure}}", "t::S<'_, u8>"), None);
        assert_eq!(of("<t::S<u8> as t::K>::load::{{closure}}", "t::S<u8>"), None);
        assert_eq!(of("t::<impl t::K for t::S<u8>>::load::{{closure}}", "t::S<u8>"), None);
        let told = of("<t::S as t::K<u8>>::load::{{closure}}", "t::S");
        assert_eq!(told.as_deref(), Some("<t::S as t::K<u8>>"));
    }

    #[test]
    fn qualifiers_tell_instances_apart() {
        static SITE: Site = Site::new("site::tests::load", "site.rs", 1);
        let namespace = |parts: &[&str]| {
            let parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
            SITE.namespace(&parts, ",").unwrap()
        };
        assert_eq!(namespace(&[]), "site::tests::load");
        assert_ne!(namespace(&["u8"]), namespace(&["u16"]));
        assert_ne!(namespace(&["a", "b"]), namespace(&["a;b"]));
    }

    #[test]
    fn two_functions_of_one_namespace_are_told_both_lines() {
        static FIRST: Site = Site::new("site::tests::twice", "site.rs", 10);
        static SECOND: Site = Site::new("site::tests::twice", "site.rs", 20);
        FIRST.namespace(&[], ",").unwrap();
        FIRST.namespace(&[], ",").unwrap();
        let error = SECOND.namespace(&[], ",").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misuse);
        assert!(error.to_string().contains("site.rs:10 and site.rs:20"), "{error}");
    }
}
