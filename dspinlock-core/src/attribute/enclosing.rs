//! What encloses a function, read from the compiler's name of a closure in it.
//!
//! That name has what `module_path!()` lacks: the enclosing functions, the type of an inherent `impl`, and the parameters of
//! an `impl` or trait, filled in. It does not have blocks, and every closure of a function is called `{{closure}}`.

/// The module, `impl` or function that encloses a function.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Enclosing {
    /// Its path: `app::Table<u8>` from `app::Table<u8>::load::{{closure}}`.
    pub(super) path: String,
    /// Whether it can have only one function of each name. A function can have several, each in a block of its own, which
    /// the compiler's names do not show.
    pub(super) is_unique: bool,
}

impl Enclosing {
    /// `module` is the function's `module_path!()`. A method is a function with a receiver: a type encloses it, not a function.
    pub(super) fn read(closure: &str, module: &str, is_method: bool) -> Self {
        // The function is the last part without braces. Closures and the bodies of async functions are in braces.
        let parts = parts(closure);
        let function = parts.iter().rposition(|part| !part.starts_with('{')).unwrap_or_default();
        let path = without_lifetimes(&parts[..function].join("::"));
        let inner = path.strip_prefix(module).and_then(|rest| rest.strip_prefix("::")).unwrap_or(&path);
        let is_unique = path == module
            || single_part(inner).is_some_and(|part| match part.strip_prefix('<') {
                Some(implementation) => !may_be_inner(implementation, module),
                None => is_method || is_type(part),
            });
        Self { path, is_unique }
    }

    /// The part of the path with an ambiguous type, such as a closure that fills in a parameter.
    pub(super) fn ambiguous(&self) -> Option<&str> {
        parts(&self.path)
            .into_iter()
            .find(|part| part.contains('<') && is_ambiguous(part.strip_prefix('<').unwrap_or(part)))
    }
}

/// Whether the compiler's name of a type may stand for several types or functions: a closure or an async block, or anything
/// in one, since all of one function share a name; a function pointer; or a trait object.
pub(super) fn is_ambiguous(name: &str) -> bool {
    const POINTERS: [&str; 6] =
        ["&mut ", "&", "alloc::boxed::Box<", "alloc::sync::Arc<", "alloc::rc::Rc<", "core::pin::Pin<"];
    let mut inner = name;
    while let Some(rest) = POINTERS.iter().find_map(|pointer| inner.strip_prefix(pointer)) {
        inner = rest;
    }
    let dynamic = ["dyn ", "fn(", "for<", "unsafe fn(", "unsafe extern ", "extern "];
    // A `char` parameter can be a brace.
    dynamic.iter().any(|start| inner.starts_with(start)) || name.replace("'{'", "").contains('{')
}

/// Removes lifetimes: some compilers write each of them as `'_`, and some write none.
pub(super) fn without_lifetimes(name: &str) -> String {
    name.replace("'_, ", "").replace("<'_>", "").replace("'_ ", "")
}

fn single_part(path: &str) -> Option<&str> {
    match parts(path)[..] {
        [part] => Some(part),
        _ => None,
    }
}

/// Whether a name looks like a type, and not like a function or a constant. If that is wrong, the cost is a namespace that
/// changes with the line.
fn is_type(part: &str) -> bool {
    let name = part.split('<').next().unwrap_or_default();
    name.starts_with(char::is_uppercase) && name.contains(char::is_lowercase)
}

/// Whether `S as K>` may be the `impl` of a type or trait within a function. It may also be in a module: the names do not
/// say, and the cost is again a namespace that changes with the line.
///
/// An `impl` in another module than its type and its trait starts with its own path: `app::<impl K for S>`.
fn may_be_inner(implementation: &str, module: &str) -> bool {
    let outside = outside(implementation).into_iter().filter(|(_, depth)| *depth == 0);
    let names: Vec<u8> = outside.map(|(at, _)| implementation.as_bytes()[at]).collect();
    let names = String::from_utf8_lossy(&names);
    let mut paths = names.split(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | ':' | '#'));
    let is_deeper =
        |path: &str| path.strip_prefix(module)?.strip_prefix("::").map(|inner| inner.contains("::"));
    paths.any(|path| is_deeper(path).unwrap_or_default())
}

/// Splits a path at each `::` outside of brackets.
fn parts(path: &str) -> Vec<&str> {
    let (mut parts, mut start) = (Vec::new(), 0);
    for (at, depth) in outside(path) {
        if depth == 0 && path.as_bytes()[at..].starts_with(b"::") {
            parts.push(&path[start..at]);
            start = at + 2;
        }
    }
    parts.push(&path[start..]);
    parts
}

/// The positions of a path's bytes, each with the depth of brackets after it. Arrows and `char` parameters, which may be
/// brackets, are left out.
fn outside(path: &str) -> Vec<(usize, usize)> {
    let bytes = path.as_bytes();
    let (mut found, mut depth, mut at) = (Vec::new(), 0_usize, 0);
    while at < bytes.len() {
        match bytes[at..] {
            [b'\'', _, b'\'', ..] => at += 2,
            [b'-', b'>', ..] => at += 1,
            [byte, ..] => {
                match byte {
                    b'<' => depth += 1,
                    b'>' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                found.push((at, depth));
            }
            [] => {}
        }
        at += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(closure: &str) -> (String, bool) {
        let Enclosing { path, is_unique } = Enclosing::read(closure, "app::jobs", false);
        (path, is_unique)
    }

    fn unique(path: &str) -> (String, bool) {
        (path.to_owned(), true)
    }

    fn one_of_several(path: &str) -> (String, bool) {
        (path.to_owned(), false)
    }

    #[test]
    fn a_module_or_a_type_has_one_function_of_each_name() {
        assert_eq!(read("app::jobs::load::{{closure}}"), unique("app::jobs"));
        assert_eq!(read("app::jobs::load<u8>::{{closure}}::{{closure}}"), unique("app::jobs"));
        assert_eq!(read("app::jobs::Table::load::{{closure}}"), unique("app::jobs::Table"));
        assert_eq!(read("app::jobs::Table<'_, u8>::load::{{closure}}"), unique("app::jobs::Table<u8>"));
        assert_eq!(read("app::jobs::Table<'_>::load::{{closure}}"), unique("app::jobs::Table"));
        assert_eq!(read("app::jobs::T1<'<', 3>::load<fn() -> u8>::{{closure}}").0, "app::jobs::T1<'<', 3>");
        for path in [
            "<app::S as app::K<u8>>",
            "<app::jobs::S<app::jobs::eu::Row> as app::jobs::K<app::jobs::eu::Row>>",
            "<app::jobs_of::eu::S as app::K>",
            "<app::jobs::T1<'<', 3> as app::K>",
            "app::jobs::<impl app::S>",
            "app::jobs::<impl app::K for u8>",
        ] {
            assert_eq!(read(&format!("{path}::load::{{{{closure}}}}")), unique(path));
        }
    }

    #[test]
    fn a_function_may_have_several_functions_of_one_name() {
        for path in [
            "app::jobs::eu",
            "app::jobs::eu::{{closure}}",
            "app::jobs::Table::outer",
            "app::jobs::eu::Local",
            "app::jobs::JOBS",
            "app::jobs::_",
            "<app::S as app::K>::outer",
            "<app::B<_> as app::K>::outer::inner",
            "<app::jobs::eu::Local as app::jobs::K>",
            "<&mut app::jobs::eu::Local<u8> as app::K<u8>>",
            "<u8 as app::jobs::eu::K>",
        ] {
            assert_eq!(read(&format!("{path}::load::{{{{closure}}}}")), one_of_several(path));
        }
    }

    #[test]
    fn a_receiver_means_that_a_type_encloses_the_function() {
        let read = |closure| Enclosing::read(closure, "app::jobs", true).is_unique;
        assert!(read("app::jobs::DB::load::{{closure}}"));
        assert!(!read("app::jobs::eu::Local::load::{{closure}}"));
        assert!(read("<app::jobs::S as app::K>::load::{{closure}}"));
        assert!(!read("<app::jobs::eu::Local as app::K>::load::{{closure}}"));
    }

    #[test]
    fn closures_and_dynamic_types_are_ambiguous() {
        let ambiguous = |closure: &str| Enclosing::read(closure, "app", false).ambiguous().map(str::to_owned);
        assert_eq!(ambiguous("app::Table<u8>::load::{{closure}}"), None);
        assert_eq!(ambiguous("app::main::{{closure}}::load::{{closure}}"), None);
        assert_eq!(ambiguous("app::S<'{'>::load::{{closure}}"), None);
        let table = "Table<app::main::{{closure}}>";
        assert_eq!(ambiguous(&format!("app::{table}::load::{{{{closure}}}}")).as_deref(), Some(table));
        let local = "<app::main::{{closure}}::Local as app::K>";
        assert_eq!(ambiguous(&format!("{local}::load::{{{{closure}}}}")).as_deref(), Some(local));
        for several in [
            "alloc::vec::Vec<app::main::{{closure}}>",
            "fn(u64) -> alloc::string::String",
            "for<'a> fn(&'a str)",
            "&dyn app::Loader",
            "alloc::sync::Arc<alloc::boxed::Box<dyn app::Loader + core::marker::Send>>",
        ] {
            assert!(is_ambiguous(several), "{several}");
        }
        for one in ["app::Row", "app::double", "core::marker::PhantomData<fn() -> u8>", "app::Of<'{'>"] {
            assert!(!is_ambiguous(one), "{one}");
        }
    }
}
