//! Pages for people, in the version of the crate that you look at.
//!
//! | to | read |
//! | --- | --- |
//! | start | [getting started](getting_started), [which mode](modes), [recipes] |
//! | look up | [arguments], [connecting], [kinds of errors](crate::ErrorKind), [mistakes] |
//! | test your code | [testing your code](mod@testing) |
//! | operate | [holding], [metrics], [logs], [the command line](command_line), [access lists](access), [sentinels](sentinel), [clusters](cluster), [servers], [scaling], [cost], [performance] |
//! | understand | [how it works](how_it_works), [why], [values], [fencing], [comparison] |
//! | come from Python | [from py-dspinlock](from_py_dspinlock), [sharing locks with Python](python) |
//! | know what stays | [stability], [roadmap] |

/// Makes a module of each page. The links come first: see `scripts/guide`.
macro_rules! pages {
    ($($name:ident = $file:literal,)*) => {$(
        #[doc = include_str!("links.txt")]
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
    testing = "testing-your-code.md",
    mistakes = "mistakes.md",
    holding = "holding.md",
    access = "access.md",
    metrics = "metrics.md",
    logs = "logs.md",
    command_line = "cli.md",
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

#[doc = include_str!("links.txt")]
#[doc = ""]
#[doc = include_str!("../../docs/arguments/README.md")]
pub mod arguments {
    pages! {
        skip = "arguments/skip.md",
        once = "arguments/once.md",
        fail_if_key_exists = "arguments/fail_if_key_exists.md",
        cached = "arguments/cached.md",
        key = "arguments/key.md",
        namespace = "arguments/namespace.md",
        sleep = "arguments/sleep.md",
        wait = "arguments/wait.md",
        tries = "arguments/tries.md",
        expire = "arguments/expire.md",
        max_block = "arguments/max_block.md",
        lease = "arguments/lease.md",
        on_error = "arguments/on_error.md",
        on_lost = "arguments/on_lost.md",
        on_outage = "arguments/on_outage.md",
        otherwise = "arguments/otherwise.md",
        guard = "arguments/guard.md",
        client = "arguments/client.md",
        crate_path = "arguments/crate.md",
        refresh_ahead = "arguments/refresh_ahead.md",
        stale_if_error = "arguments/stale_if_error.md",
        err_expire = "arguments/err_expire.md",
        local = "arguments/local.md",
        max_value = "arguments/max_value.md",
        schema = "arguments/schema.md",
        codec = "arguments/codec.md",
        store_if = "arguments/if.md",
        entry = "arguments/entry.md",
    }
}
