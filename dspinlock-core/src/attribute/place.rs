//! Where a function stands, by the name that the compiler gives a closure in it.
//!
//! That name knows what `module_path!()` does not: the functions around, the type of an inherent `impl`, and the parameters
//! of an `impl` or trait, filled in. It does not know blocks, and all closures of one function are called `{{closure}}`.

/// The surroundings of a function.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The module, `impl` or function around it: `app::Table<u8>` from `app::Table<u8>::load::{{closure}}`.
    pub(super) around: String,
    /// Whether the language allows no second function of one name there. A block of a function is a place of its own,
    /// and the compiler's names don't show it.
    pub(super) is_single: bool,
}

impl Place {
    /// `module` is the function's `module_path!()`; a method is a function with a receiver, which stands in no function.
    pub(super) fn read(closure: &str, module: &str, is_method: bool) -> Self {
        // The function is the last part that is not in braces, as closures and the bodies of async functions are.
        let parts = parts(closure);
        let function = parts.iter().rposition(|part| !part.starts_with('{')).unwrap_or_default();
        let around = without_lifetimes(&parts[..function].join("::"));
        let inner = around.strip_prefix(module).and_then(|rest| rest.strip_prefix("::")).unwrap_or(&around);
        let is_single = around == module
            || single_part(inner).is_some_and(|part| match part.strip_prefix('<') {
                Some(implementation) => !may_be_inner(implementation, module),
                None => is_method || is_type(part),
            });
        Self { around, is_single }
    }

    /// The part that names a type which may be several, such as a closure that fills in a parameter.
    pub(super) fn several(&self) -> Option<&str> {
        parts(&self.around)
            .into_iter()
            .find(|part| part.contains('<') && may_be_several(part.strip_prefix('<').unwrap_or(part)))
    }
}

/// Whether a type, by the compiler's name of it, may do now one thing and now another: it is that of a closure or of an async
/// block, or something within one, which all those of one function share; or it is a function pointer or a trait object.
pub(super) fn may_be_several(name: &str) -> bool {
    const POINTERS: [&str; 6] =
        ["&mut ", "&", "alloc::boxed::Box<", "alloc::sync::Arc<", "alloc::rc::Rc<", "core::pin::Pin<"];
    let mut inner = name;
    while let Some(rest) = POINTERS.iter().find_map(|pointer| inner.strip_prefix(pointer)) {
        inner = rest;
    }
    let chosen_later = ["dyn ", "fn(", "for<", "unsafe fn(", "unsafe extern ", "extern "];
    // A `char` parameter may be a brace.
    chosen_later.iter().any(|start| inner.starts_with(start)) || name.replace("'{'", "").contains('{')
}

/// Some compilers write lifetimes, all of them as `'_`, and some don't.
pub(super) fn without_lifetimes(name: &str) -> String {
    name.replace("'_, ", "").replace("<'_>", "").replace("'_ ", "")
}

fn single_part(path: &str) -> Option<&str> {
    match parts(path)[..] {
        [part] => Some(part),
        _ => None,
    }
}

/// Whether a name is written as types are, and neither functions nor constants. Where that misleads, the cost is a
/// namespace that changes with the line.
fn is_type(part: &str) -> bool {
    let name = part.split('<').next().unwrap_or_default();
    name.starts_with(char::is_uppercase) && name.contains(char::is_lowercase)
}

/// Whether `S as K>` may be the `impl` of a type or trait that a function has inside. It may as well be that of a module's: the
/// names don't tell, and the cost is again a namespace that changes with the line.
///
/// An `impl` that stands neither beside its type nor beside its trait has its own path before it: `app::<impl K for S>`.
fn may_be_inner(implementation: &str, module: &str) -> bool {
    let outside = outside(implementation).into_iter().filter(|(_, depth)| *depth == 0);
    let names: Vec<u8> = outside.map(|(at, _)| implementation.as_bytes()[at]).collect();
    let names = String::from_utf8_lossy(&names);
    let mut paths = names.split(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | ':' | '#'));
    let is_deeper =
        |path: &str| path.strip_prefix(module)?.strip_prefix("::").map(|inner| inner.contains("::"));
    paths.any(|path| is_deeper(path).unwrap_or_default())
}

/// The parts of a path: what stands between its `::` outside of brackets.
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

/// The bytes of a path with the depth of brackets after them, without arrows and without `char` parameters, which may be
/// brackets.
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
        let Place { around, is_single } = Place::read(closure, "app::jobs", false);
        (around, is_single)
    }

    fn single(around: &str) -> (String, bool) {
        (around.to_owned(), true)
    }

    fn one_of_several(around: &str) -> (String, bool) {
        (around.to_owned(), false)
    }

    #[test]
    fn a_module_or_a_type_has_one_function_of_a_name() {
        assert_eq!(read("app::jobs::load::{{closure}}"), single("app::jobs"));
        assert_eq!(read("app::jobs::load<u8>::{{closure}}::{{closure}}"), single("app::jobs"));
        assert_eq!(read("app::jobs::Table::load::{{closure}}"), single("app::jobs::Table"));
        assert_eq!(read("app::jobs::Table<'_, u8>::load::{{closure}}"), single("app::jobs::Table<u8>"));
        assert_eq!(read("app::jobs::Table<'_>::load::{{closure}}"), single("app::jobs::Table"));
        assert_eq!(read("app::jobs::T1<'<', 3>::load<fn() -> u8>::{{closure}}").0, "app::jobs::T1<'<', 3>");
        for around in [
            "<app::S as app::K<u8>>",
            "<app::jobs::S<app::jobs::eu::Row> as app::jobs::K<app::jobs::eu::Row>>",
            "<app::jobs_of::eu::S as app::K>",
            "<app::jobs::T1<'<', 3> as app::K>",
            "app::jobs::<impl app::S>",
            "app::jobs::<impl app::K for u8>",
        ] {
            assert_eq!(read(&format!("{around}::load::{{{{closure}}}}")), single(around));
        }
    }

    #[test]
    fn a_function_may_have_several_in_its_blocks() {
        for around in [
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
            assert_eq!(read(&format!("{around}::load::{{{{closure}}}}")), one_of_several(around));
        }
    }

    #[test]
    fn a_receiver_says_that_a_type_is_around() {
        let read = |closure| Place::read(closure, "app::jobs", true).is_single;
        assert!(read("app::jobs::DB::load::{{closure}}"));
        assert!(!read("app::jobs::eu::Local::load::{{closure}}"));
        assert!(read("<app::jobs::S as app::K>::load::{{closure}}"));
        assert!(!read("<app::jobs::eu::Local as app::K>::load::{{closure}}"));
    }

    #[test]
    fn closures_have_no_name_of_their_own() {
        let nameless = |closure: &str| Place::read(closure, "app", false).several().map(str::to_owned);
        assert_eq!(nameless("app::Table<u8>::load::{{closure}}"), None);
        assert_eq!(nameless("app::main::{{closure}}::load::{{closure}}"), None);
        assert_eq!(nameless("app::S<'{'>::load::{{closure}}"), None);
        let table = "Table<app::main::{{closure}}>";
        assert_eq!(nameless(&format!("app::{table}::load::{{{{closure}}}}")).as_deref(), Some(table));
        let local = "<app::main::{{closure}}::Local as app::K>";
        assert_eq!(nameless(&format!("{local}::load::{{{{closure}}}}")).as_deref(), Some(local));
        for several in [
            "alloc::vec::Vec<app::main::{{closure}}>",
            "fn(u64) -> alloc::string::String",
            "for<'a> fn(&'a str)",
            "&dyn app::Loader",
            "alloc::sync::Arc<alloc::boxed::Box<dyn app::Loader + core::marker::Send>>",
        ] {
            assert!(may_be_several(several), "{several}");
        }
        for one in ["app::Row", "app::double", "core::marker::PhantomData<fn() -> u8>", "app::Of<'{'>"] {
            assert!(!may_be_several(one), "{one}");
        }
    }
}
