//! The site of an annotated function in the source, and the unique name in the fleet that follows from it.

use crate::attribute::enclosing::{Enclosing, is_ambiguous, without_lifetimes};
use crate::sync::lock;
use once_cell::sync::{Lazy, OnceCell};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex};

/// One annotated function. It is a `static` in the generated code, and its address identifies the function.
#[derive(Debug)]
pub struct Site {
    /// The function's module path and name.
    path: &'static str,
    file: &'static str,
    line: u32,
    package: Option<&'static str>,
    is_binary: bool,
    /// The position in the file. It distinguishes functions that a macro writes on one line.
    position: &'static str,
    is_method: bool,
    /// Whether this is the site of a companion, which shares the name of its function.
    is_companion: bool,
    /// The name, if it is the same for all calls.
    name: OnceCell<Arc<str>>,
}

/// The owners of the names that are in use in this process.
static OWNERS: Lazy<Mutex<HashMap<Arc<str>, &'static Site>>> = Lazy::new(Mutex::default);

impl Site {
    /// `path` is the function's module path and name.
    pub const fn new(path: &'static str, file: &'static str, line: u32) -> Self {
        Self {
            path,
            file,
            line,
            package: None,
            is_binary: false,
            position: "",
            is_method: false,
            is_companion: false,
            name: OnceCell::new(),
        }
    }

    /// The package of the function, and its binary, if it is in one: a library and a binary may have the same name.
    #[must_use]
    pub const fn package(mut self, package: Option<&'static str>, binary: Option<&'static str>) -> Self {
        self.package = package;
        self.is_binary = binary.is_some();
        self
    }

    /// The function's position in its file.
    #[must_use]
    pub const fn position(mut self, position: &'static str) -> Self {
        self.position = position;
        self
    }

    /// Says that the function has a receiver.
    #[must_use]
    pub const fn method(mut self) -> Self {
        self.is_method = true;
        self
    }

    /// Says that this is the site of the function's companion. Everything else is the function's.
    #[must_use]
    pub const fn companion(mut self) -> Self {
        self.is_companion = true;
        self
    }

    pub(super) fn path(&self) -> &'static str {
        self.path
    }

    /// The unique name of one instance of the function: its package, its path, and the types and constants that fill in its
    /// parameters. `closure` is the type name of a closure in the function.
    ///
    /// # Errors
    ///
    /// The reason why the compiler's names do not distinguish it from another.
    pub(super) fn name(
        &'static self,
        closure: Option<&'static str>,
        qualifiers: &[Cow<'static, str>],
    ) -> Result<Arc<str>, String> {
        // Without parameters, there is one instance.
        if qualifiers.is_empty() && closure.is_none_or(|closure| !closure.contains('<')) {
            return self.name.get_or_try_init(|| self.claim(self.instance(closure, &[])?)).cloned();
        }
        self.claim(self.instance(closure, qualifiers)?)
    }

    fn instance(&self, closure: Option<&str>, qualifiers: &[Cow<'static, str>]) -> Result<String, String> {
        let (module, function) = self.path.rsplit_once("::").unwrap_or(("", self.path));
        let enclosing = match closure {
            Some(closure) => Enclosing::read(closure, module, self.is_method),
            None => Enclosing { path: module.to_owned(), is_unique: true },
        };
        let ambiguous = qualifiers.iter().map(|part| &**part).find(|part| is_ambiguous(part));
        if let Some(ambiguous) = ambiguous.or_else(|| enclosing.ambiguous()) {
            return Err(format!(
                "instances of `{}` can't be told apart: `{ambiguous}` may stand for several types or functions",
                self.path
            ));
        }
        let package = escape(self.package.or_else(|| self.path.split("::").next()).unwrap_or_default());
        let target = if self.is_binary { "bin/" } else { "" };
        let (path, function) = (escape(&enclosing.path), escape(function));
        let position =
            if enclosing.is_unique { String::new() } else { format!("@{}", escape(self.position)) };
        let parameters: Vec<_> = qualifiers.iter().map(|part| escape(&without_lifetimes(part))).collect();
        let parameters =
            if parameters.is_empty() { String::new() } else { format!("<{}>", parameters.join(";")) };
        Ok(format!("{package}/{target}{path}::{function}{position}{parameters}"))
    }

    /// Claims the name for this function. Two functions can still have the same name, since a macro can write both at one
    /// position.
    fn claim(&'static self, name: String) -> Result<Arc<str>, String> {
        let name = Arc::from(name);
        if self.is_companion {
            return Ok(name);
        }
        let owner = *lock(&OWNERS).entry(Arc::clone(&name)).or_insert(self);
        if std::ptr::eq(owner, self) {
            return Ok(name);
        }
        Err(format!(
            "two functions are called `{name}`, {}:{} and {}:{}",
            owner.file, owner.line, self.file, self.line
        ))
    }
}

/// Escapes what a namespace can't have, which is braces and unprintable characters, as `%` and two digits.
fn escape(text: &str) -> String {
    escape_if(text, |c| !c.is_ascii_graphic() || matches!(c, '{' | '}' | '%' | ';'))
}

/// Makes a namespace of a function's name, and escapes the separator. The name has no escaped separator yet.
pub(super) fn namespace(name: &str, separator: &str) -> String {
    escape_if(name, |c| separator.contains(c))
}

fn escape_if(text: &str, is_special: impl Fn(char) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if is_special(c) {
            let mut utf8 = [0; 4];
            for byte in c.encode_utf8(&mut utf8).bytes() {
                // Writing to a string does not fail.
                let _ = write!(escaped, "%{byte:02x}");
            }
        } else {
            escaped.push(c);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(site: &'static Site, closure: &'static str, qualifiers: &[&'static str]) -> String {
        let qualifiers: Vec<_> = qualifiers.iter().map(|&part| Cow::Borrowed(part)).collect();
        site.name(Some(closure), &qualifiers).unwrap().to_string()
    }

    #[test]
    fn escapes_what_a_namespace_can_not_have() {
        assert_eq!(namespace(&escape("app::load"), ","), "app::load");
        assert_eq!(namespace(&escape("Map<u8, {3}>"), ","), "Map<u8%2c%20%7b3%7d>");
        assert_eq!(namespace(&escape("a::b"), ":"), "a%3a%3ab");
        assert_ne!(namespace(&escape("a%2c"), ","), namespace(&escape("a,"), ","));
    }

    #[test]
    fn instances_with_different_qualifiers_have_different_names() {
        static SITE: Site = Site::new("site::tests::load", "site.rs", 1);
        let name = |parts: &[&'static str]| name(&SITE, "site::tests::load::{{closure}}", parts);
        assert_eq!(name(&[]), "site/site::tests::load");
        assert_ne!(name(&["u8"]), name(&["u16"]));
        assert_ne!(name(&["a", "b"]), name(&["a;b"]));
    }

    #[test]
    fn services_with_different_packages_have_different_names() {
        const fn load(package: &'static str, binary: Option<&'static str>) -> Site {
            Site::new("server::config::load", "config.rs", 1).package(Some(package), binary)
        }
        static BILLING: Site = load("billing", Some("server"));
        static ACCOUNTS: Site = load("accounts", Some("server"));
        static LIBRARY: Site = load("billing", None);
        let name = |site| name(site, "server::config::load::{{closure}}", &[]);
        assert_eq!(name(&BILLING), "billing/bin/server::config::load");
        assert_eq!(name(&ACCOUNTS), "accounts/bin/server::config::load");
        assert_eq!(name(&LIBRARY), "billing/server::config::load");
    }

    #[test]
    fn a_function_in_a_function_has_its_position_in_its_name() {
        static FIRST: Site = Site::new("app::rates", "app.rs", 10).position("10:5");
        static SECOND: Site = Site::new("app::rates", "app.rs", 20).position("20:5");
        static IN_A_MODULE: Site = Site::new("app::eu::rates", "app.rs", 1);
        let name = |site| name(site, "app::eu::rates::{{closure}}", &[]);
        assert_eq!(name(&FIRST), "app/app::eu::rates@10:5");
        assert_eq!(name(&SECOND), "app/app::eu::rates@20:5");
        assert_eq!(name(&IN_A_MODULE), "app/app::eu::rates");
    }

    #[test]
    fn a_companion_has_the_name_of_its_function() {
        static FUNCTION: Site = Site::new("app::load", "app.rs", 1).package(Some("pairs"), None);
        static COMPANION: Site = Site::new("app::load", "app.rs", 1).package(Some("pairs"), None).companion();
        let function = name(&FUNCTION, "app::Table<u8>::load::{{closure}}", &["u8"]);
        assert_eq!(name(&COMPANION, "app::Table<u8>::load_entry::{{closure}}", &["u8"]), function);
        assert_eq!(function, "pairs/app::Table<u8>::load<u8>");
    }

    #[test]
    fn closures_are_refused() {
        static SITE: Site = Site::new("site::tests::load_with", "site.rs", 1);
        let refused = |closure, parts: &[&'static str]| {
            let parts: Vec<_> = parts.iter().map(|&part| Cow::Borrowed(part)).collect();
            SITE.name(Some(closure), &parts).unwrap_err()
        };
        let parameter = refused("site::tests::load_with::{{closure}}", &["u8", "app::main::{{closure}}"]);
        assert!(parameter.contains("`app::main::{{closure}}`"), "{parameter}");
        let around = refused("site::tests::Table<app::main::{{closure}}>::load_with::{{closure}}", &[]);
        assert!(around.contains("`Table<app::main::{{closure}}>`"), "{around}");
    }

    #[test]
    fn an_error_names_the_lines_of_two_functions_of_one_name() {
        static FIRST: Site = Site::new("site::tests::twice", "site.rs", 10);
        static SECOND: Site = Site::new("site::tests::twice", "site.rs", 20);
        let closure = "site::tests::outer::twice::{{closure}}";
        FIRST.name(Some(closure), &[]).unwrap();
        FIRST.name(Some(closure), &[]).unwrap();
        let why = SECOND.name(Some(closure), &[]).unwrap_err();
        assert!(why.contains("site.rs:10 and site.rs:20"), "{why}");
    }
}
