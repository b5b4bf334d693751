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
