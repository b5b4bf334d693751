//! Pages for people, in the version of the crate that you look at.
//!
//! | to | read |
//! | --- | --- |
//! | start | [getting started](getting_started), [which mode](modes), [recipes] |
//! | look up | [arguments], [connecting], [kinds of errors](crate::ErrorKind), [mistakes] |
//! | test your code | [testing](mod@testing) |
//! | operate | [holding], [access lists](access), [sentinels](sentinel), [clusters](cluster), [servers], [scaling], [cost], [performance] |
//! | understand | [how it works](how_it_works), [why], [values], [fencing], [comparison] |
//! | come from Python | [from py-dspinlock](from_py_dspinlock), [sharing locks with Python](python) |
//! | know what stays | [stability], [roadmap] |

/// Makes a module of each page. The links come first: see `scripts/guide`.
macro_rules! pages {
    ($($name:ident = $file:literal,)*) => {$(
        #[doc = include_str!("links.md")]
        #[doc = ""]
        #[doc = include_str!(concat!("../../docs/", $file))]
        pub mod $name {}
    )*};
}

pages! {
    getting_started = "getting-started.md",
    modes = "modes.md",
    recipes = "recipes.md",
    connecting = "connecting.md",
    mistakes = "mistakes.md",
    testing = "testing-your-code.md",
    holding = "holding.md",
    access = "access.md",
    sentinel = "sentinel.md",
    cluster = "cluster.md",
    servers = "servers.md",
    scaling = "scaling.md",
    cost = "cost.md",
    performance = "performance.md",
    how_it_works = "how-it-works.md",
    why = "why.md",
    values = "values.md",
    fencing = "fencing.md",
    comparison = "comparison.md",
    from_py_dspinlock = "from-py-dspinlock.md",
    python = "python.md",
    stability = "stability.md",
    roadmap = "roadmap.md",
}

#[doc = include_str!("links.md")]
#[doc = ""]
#[doc = include_str!("../../docs/arguments/README.md")]
pub mod arguments {
    pages! {
        key = "arguments/key.md",
        namespace = "arguments/namespace.md",
    }
}
