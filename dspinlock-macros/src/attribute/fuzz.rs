//! The attribute on arbitrary input: it never panics, it generates a function with the same signature, and beside an error
//! it leaves the item as it was written.

use dspinlock_fuzz::{fuzz, with_slips};
use proc_macro2::{TokenStream, TokenTree};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use quote::ToTokens;
use syn::{File, Item, ItemFn, parse2};

use super::argument::Argument;
use super::attribute;
use super::function::Function;
use super::mode::MODES;
use super::spelling::ends_in;
use super::table::Place;

/// Words that a mistake inserts, or that are in place of a value.
const WORDS: [&str; 72] = [
    "\"100ms\"",
    "\"5s\"",
    "\"1h 30m\"",
    "\"\"",
    "\"0s\"",
    "\"0\"",
    "\"5\"",
    "\"-1s\"",
    "\"1y\"",
    "\"366 days\"",
    "\"99999999999999999999h\"",
    "\"18446744073709551615s\"",
    "\"1e9s\"",
    "\"\u{e9}s\"",
    "\"1.5s\"",
    "\"1MiB\"",
    "\"0B\"",
    "\"600MiB\"",
    "\"99999999999999999999GiB\"",
    "\"a,b\"",
    "\"{\"",
    "\"error\"",
    "\"cancel\"",
    "r#\"5s\"#",
    "b\"5s\"",
    "c\"5s\"",
    "'5'",
    "'a",
    "0",
    "1",
    "10",
    "4294967296",
    "340282366920938463463374607431768211456",
    "0x1F",
    "1_u8",
    "1e999",
    ".5",
    "-1",
    "!0",
    "key",
    "wait",
    "cached",
    "local",
    "entry",
    "if",
    "r#if",
    "crate",
    "self",
    "Self",
    "_",
    "id",
    "a::b",
    "<u8 as A>::B",
    "|error| Err(error)",
    "|_| true",
    "move || {",
    "return",
    "id?",
    "..",
    "&id",
    "=",
    "==",
    "=>",
    ",",
    ";",
    "#",
    "$",
    "(",
    ")",
    "[",
    "{",
    "}",
];

const ITEMS: [&str; 16] = [
    "fn f(id: u64) -> Result<(), E> { body(id) }",
    "pub async fn f<T: Send, const N: usize>(id: &T) -> Result<[u8; N], E> where T: A { id.g::<N>().await? }",
    "#[doc = \"text\"] #[inline] pub(crate) unsafe extern \"C\" fn f(&mut self, id: u64) -> Alias { #![a] self.g(id) }",
    "async fn f(self: Arc<Self>, (id, _): (u8, u8), x: impl A + B) -> Result<impl Iterator<Item = u8>, E> { Self::g() }",
    "fn f<'a>(&'a self, id: &'a str) -> Pin<Box<dyn Future<Output = Result<u8, E>> + Send + 'a>> { \
         Box::pin(async move { let id = id; self.g(id).await }) }",
    "fn f() { g() }",
    "fn f(id: u64) -> u64 { id }",
    "fn f(id: u64) -> Result<Option<Arc<u8>>, E> {}",
    "fn f(_: impl A) -> Result<(), E> { }",
    "const fn f(id: u64) -> Result<(), E> { Ok(()) }",
    "fn f(id: u64) -> Result<(), E>;",
    "fn f(id: u64) -> BoxFuture<'static, u8> { g(id) }",
    "fn r#fn(r#if: u64) -> Result<!, E> { loop {} }",
    "struct S { id: u64 }",
    "impl S { fn f(&self) -> Result<(), E> { Ok(()) } }",
    "mod m { }",
];

/// How many of them can be locked, with an `on_error`: the first ones.
const LOCKABLE: usize = 8;

/// Arguments that are valid together.
const CALLS: [&str; 6] = [
    "key = id",
    "key = (id, &x), wait = \"5s\", sleep = T, on_error = |error| g(error), max_block = \"1h\", lease = \"10s\"",
    "key = self.id, once, otherwise = return g(), on_error = g, expire = if a { B } else { C }",
    "key = id, cached(local, refresh_ahead = \"30s\", schema = A, codec = B, if = |v| v.a, entry = e), on_error = g",
    "key = (), skip, guard = lock, namespace = N, on_error = g, client = &c, crate = a::b",
    "key = [id, id], fail_if_key_exists, namespace = \"billing\", on_lost = \"continue\", on_error = { g }",
];

/// One argument or option, mostly well-formed.
fn argument() -> impl Strategy<Value = String> {
    let examples: Vec<String> = Place::all_rows().map(Argument::example).collect();
    let modes = MODES.map(|(name, _)| name);
    let names: Vec<&str> = Place::all_rows().map(|argument| argument.name).chain(modes).collect();
    let valued =
        (select(names.clone()), select(&WORDS[..])).prop_map(|(name, value)| format!("{name} = {value}"));
    let timed = (
        select(vec!["sleep", "wait", "expire", "max_block", "lease"]),
        "[0-9]{1,22}(\\.[0-9]{1,3})? ?[a-zA-Zµ]{0,7}",
    )
        .prop_map(|(name, time)| format!("{name} = \"{time}\""));
    prop_oneof![
        8 => select(examples),
        3 => select(modes.to_vec()).prop_map(str::to_owned),
        2 => valued,
        1 => timed,
        1 => select(names).prop_map(str::to_owned),
        1 => select(&WORDS[..]).prop_map(str::to_owned),
    ]
}

fn arguments() -> impl Strategy<Value = String> {
    let list = || vec(argument(), 0..5).prop_map(|arguments| arguments.join(", "));
    let keyed = list().prop_map(|rest| format!("key = id, {rest}"));
    let cached = (list(), list()).prop_map(|(options, rest)| format!("key = id, cached({options}), {rest}"));
    let fitting = select(&CALLS[..]).prop_map(str::to_owned);
    let whole = prop_oneof![1 => list(), 1 => keyed, 1 => cached, 3 => fitting];
    let broken = with_slips(whole.prop_map(String::into_bytes), &WORDS)
        .prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    prop_oneof![8 => broken, 1 => any::<String>()]
}

fn items() -> impl Strategy<Value = String> {
    let (lockable, any) = (select(&ITEMS[..LOCKABLE]), select(&ITEMS[..]));
    let broken = with_slips(any.clone().prop_map(|item| item.as_bytes().to_vec()), &WORDS);
    let broken = broken.prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    prop_oneof![3 => lockable.prop_map(str::to_owned), 1 => any.prop_map(str::to_owned), 1 => broken]
}

#[test]
fn anything_is_expanded_or_stays_beside_its_errors() {
    fuzz("attributes", &(arguments(), items()), |(args, item)| {
        // A macro never gets what the compiler's lexer refuses.
        let (Ok(args), Ok(item)) = (args.parse::<TokenStream>(), item.parse::<TokenStream>()) else {
            return false;
        };
        let expanded = attribute(args, item.clone());
        if let Some(errors) = errors_behind(&item, &expanded) {
            let errors: File = parse2(errors).expect("errors are items");
            assert!(errors.items.iter().all(is_error), "only errors follow");
            return false;
        }
        is_locked(&item, &expanded);
        true
    });
}

/// The tokens after the item, if the expansion starts with the unchanged item and has more.
fn errors_behind(item: &TokenStream, expanded: &TokenStream) -> Option<TokenStream> {
    let mut rest = expanded.clone().into_iter();
    let is_same = |token: TokenTree| rest.next().is_some_and(|same| same.to_string() == token.to_string());
    item.clone()
        .into_iter()
        .all(is_same)
        .then(|| rest.collect())
        .filter(|rest: &TokenStream| !rest.is_empty())
}

fn is_error(item: &Item) -> bool {
    matches!(item, Item::Macro(item) if ends_in(&item.mac.path, &["compile_error"]))
}

/// The generated function has the same signature, and valid syntax if the original had it.
fn is_locked(item: &TokenStream, expanded: &TokenStream) {
    assert!(parse2::<Function>(item.clone()).is_ok() && !expanded.to_string().contains("compile_error"));
    // A body that is half typed stays so.
    let Ok(function) = parse2::<ItemFn>(item.clone()) else { return };
    let items = parse2::<File>(expanded.clone());
    let items = items.unwrap_or_else(|error| panic!("{error} in {expanded}")).items;
    let Some(Item::Fn(first)) = items.first() else { panic!("no function: {expanded}") };
    assert!(items.len() <= 2, "a function, and perhaps its companion");
    let head = |function: &ItemFn| {
        (function.vis.to_token_stream().to_string(), function.sig.to_token_stream().to_string())
    };
    assert_eq!(head(first), head(&function));
}
