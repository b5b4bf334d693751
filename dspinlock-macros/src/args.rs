//! The arguments of the attribute: their syntax, their values one by one, and what does not go together.

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Error, Expr, Ident, Lit, Path, Result, Token, UnOp, parenthesized, parse_quote, token};

use crate::cached::Cached;
use crate::duration::{Time, Zero, ungrouped};
use crate::errors::Errors;
use crate::{conflicts, names};

/// What becomes of a call when the key is held or computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    #[default]
    Lock,
    Skip,
    Once,
    FailIfKeyExists,
    Cached,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnLost {
    Error,
    Cancel,
    Continue,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnOutage {
    Fail,
    RunUnlocked,
}

/// All arguments of one attribute, each valid by itself and all of them together.
#[derive(Default)]
pub(crate) struct Args {
    pub(crate) mode: Mode,
    pub(crate) key: Option<Expr>,
    pub(crate) namespace: Option<Expr>,
    pub(crate) sleep: Option<Time>,
    pub(crate) wait: Option<Time>,
    pub(crate) tries: Option<Expr>,
    pub(crate) expire: Option<Time>,
    pub(crate) max_block: Option<Time>,
    pub(crate) lease: Option<Time>,
    pub(crate) on_error: Option<Expr>,
    pub(crate) on_lost: Option<OnLost>,
    /// Where `"cancel"` is written.
    pub(crate) cancel: Option<Span>,
    pub(crate) on_outage: Option<OnOutage>,
    pub(crate) otherwise: Option<Expr>,
    pub(crate) guard: Option<Ident>,
    pub(crate) client: Option<Expr>,
    pub(crate) cached: Cached,
    krate: Option<Path>,
    /// The names in the order in which they were written, for messages that concern two of them.
    written: Vec<Ident>,
}

impl Args {
    /// Reads the tokens between the parentheses of the attribute. An argument with an error counts as written.
    pub(crate) fn read(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut args = Self::default();
        for argument in errors.take(syn::parse2(tokens)).map_or_else(Vec::new, |List(arguments)| arguments) {
            let taken = argument.and_then(|argument| args.take(argument, errors));
            errors.take(taken);
        }
        conflicts::check(&args, errors);
        args
    }

    /// Where the library is found.
    pub(crate) fn krate(&self) -> Path {
        self.krate.clone().unwrap_or_else(|| parse_quote!(::dspinlock))
    }

    /// The place where an argument or mode was written.
    pub(crate) fn written(&self, name: &str) -> Option<Span> {
        self.written.iter().find(|written| *written == name).map(Ident::span)
    }

    /// The modes in the order in which they were written; more than one is an error.
    pub(crate) fn modes(&self) -> impl Iterator<Item = &Ident> {
        self.written.iter().filter(|written| names::MODES.iter().any(|mode| *written == mode))
    }

    fn take(&mut self, Argument { name, value }: Argument, errors: &mut Errors) -> Result<()> {
        let text = name.to_string();
        let known = names::MODES.contains(&text.as_str()) || names::example(&text).is_some();
        if !known {
            return Err(Error::new(name.span(), names::unknown(&text, matches!(value, Value::None))));
        }
        if self.written(&text).is_some() {
            return Err(Error::new(name.span(), format!("`{text}` is written twice")));
        }
        self.written.push(name.clone());
        match (names::example(&text), value) {
            (None, value) => self.take_mode(&name, value, errors),
            (Some(_), Value::Expr(expr)) => self.take_value(&text, *expr),
            (Some(_), Value::Broken(error)) => Err(error),
            (Some(example), Value::None) => {
                Err(Error::new(name.span(), format!("`{text}` takes a value: `{example}`")))
            }
            (Some(example), Value::List(list)) => {
                Err(Error::new_spanned(&list, format!("`{text}` takes a value after `=`: `{example}`")))
            }
        }
    }

    fn take_mode(&mut self, name: &Ident, value: Value, errors: &mut Errors) -> Result<()> {
        self.mode = match name.to_string().as_str() {
            "skip" => Mode::Skip,
            "once" => Mode::Once,
            "fail_if_key_exists" => Mode::FailIfKeyExists,
            _ => Mode::Cached,
        };
        match value {
            Value::None => Ok(()),
            Value::Broken(error) => Err(error),
            Value::Expr(expr) => {
                let message = format!("`{name}` is a mode, and has no value: write `{name}` alone");
                Err(Error::new_spanned(&expr, message))
            }
            Value::List(list) if self.mode == Mode::Cached => {
                self.cached.read(list, errors);
                Ok(())
            }
            Value::List(list) if list.is_empty() => Ok(()),
            Value::List(list) => {
                let message = format!("`{name}` has no options: write `{name}` alone");
                Err(Error::new_spanned(&list, message))
            }
        }
    }

    fn take_value(&mut self, name: &str, value: Expr) -> Result<()> {
        match name {
            "key" => self.key = Some(value),
            "namespace" => self.namespace = Some(namespace(value)?),
            "sleep" => {
                let zero = Zero::Refused("it would ask the server without a pause; write \"100ms\"");
                self.sleep = Some(Time::read(name, &value, zero)?);
            }
            "wait" => self.wait = Some(Time::read(name, &value, Zero::Allowed)?),
            "tries" => self.tries = Some(tries(value)?),
            "expire" => {
                let zero = Zero::Refused("nothing would be remembered; leave `expire` out or write \"1h\"");
                self.expire = Some(Time::read(name, &value, zero)?);
            }
            "max_block" => {
                let zero = Zero::Refused("nobody could hold the lock; write \"30m\"");
                self.max_block = Some(Time::read(name, &value, zero)?);
            }
            "lease" => {
                let zero = Zero::Refused("the lock would be gone at once; write \"10s\"");
                self.lease = Some(Time::read(name, &value, zero)?);
            }
            "on_error" => self.on_error = Some(unquoted(name, "|error| …", value)?),
            "on_lost" => {
                let on_lost = on_lost(&value)?;
                self.on_lost = Some(on_lost);
                self.cancel = (on_lost == OnLost::Cancel).then(|| value.span());
            }
            "on_outage" => self.on_outage = Some(on_outage(&value)?),
            "otherwise" => self.otherwise = Some(value),
            "guard" => self.guard = Some(guard(&value)?),
            "client" => self.client = Some(value),
            _ => self.krate = Some(krate(&value)?),
        }
        Ok(())
    }
}

fn namespace(value: Expr) -> Result<Expr> {
    if let Expr::Lit(literal) = ungrouped(&value) {
        let Lit::Str(text) = &literal.lit else {
            return Err(Error::new_spanned(&value, "`namespace` is a text: write `namespace = \"billing\"`"));
        };
        if let Some(bad) = text.value().chars().find(|c| ['{', '}', ','].contains(c)) {
            let message = format!("a namespace has no `{bad}`: braces and commas structure the key in Redis");
            return Err(Error::new(text.span(), message));
        }
    }
    Ok(value)
}

fn tries(value: Expr) -> Result<Expr> {
    let whole = "`tries` is a whole number: `tries = 10`; for a time write `wait = \"5s\"`";
    match ungrouped(&value) {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(number) => match number.base10_parse::<u32>() {
                Ok(0) => {
                    Err(Error::new_spanned(&value, "`tries = 0` would never try; `tries = 1` tries once"))
                }
                Ok(_) => Ok(value),
                Err(_) => Err(Error::new_spanned(&value, format!("`tries` is at most {}", u32::MAX))),
            },
            _ => Err(Error::new_spanned(&value, whole)),
        },
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => Err(Error::new_spanned(&value, whole)),
        _ => Ok(value),
    }
}

/// A choice between words, each a text.
fn choice<T: Copy, const N: usize>(name: &str, value: &Expr, choices: [(&str, T); N]) -> Result<T> {
    let text = match ungrouped(value) {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => text.value(),
            _ => String::new(),
        },
        _ => String::new(),
    };
    let chosen = choices.iter().find(|(word, _)| *word == text);
    chosen.map(|(_, choice)| *choice).ok_or_else(|| {
        let words = choices.map(|(word, _)| format!("{word:?}")).join(" or ");
        Error::new_spanned(value, format!("`{name}` is {words}"))
    })
}

fn on_lost(value: &Expr) -> Result<OnLost> {
    let choices = [("error", OnLost::Error), ("cancel", OnLost::Cancel), ("continue", OnLost::Continue)];
    choice("on_lost", value, choices)
}

fn on_outage(value: &Expr) -> Result<OnOutage> {
    choice("on_outage", value, [("fail", OnOutage::Fail), ("run_unlocked", OnOutage::RunUnlocked)])
}

/// A path or a closure, such as `example`.
pub(crate) fn unquoted(name: &str, example: &str, value: Expr) -> Result<Expr> {
    match ungrouped(&value) {
        Expr::Lit(_) => {
            let message = format!("`{name}` is a path or a closure, without quotes: `{name} = {example}`");
            Err(Error::new_spanned(&value, message))
        }
        _ => Ok(value),
    }
}

/// A name that can be given to something new: `self` and the other keywords of paths can't.
pub(crate) fn new_name(value: &Expr) -> Option<Ident> {
    let ident = match ungrouped(value) {
        Expr::Path(path) if path.qself.is_none() => path.path.get_ident()?,
        _ => return None,
    };
    let taken = ["self", "Self", "super", "crate"].iter().any(|keyword| ident == keyword);
    (!taken).then(|| ident.clone())
}

fn guard(value: &Expr) -> Result<Ident> {
    new_name(value).ok_or_else(|| Error::new_spanned(value, "`guard` names a new variable: `guard = lock`"))
}

fn krate(value: &Expr) -> Result<Path> {
    // It stands in a `use`, where there are neither types nor their arguments.
    let is_module = |path: &Path| {
        path.segments.iter().all(|segment| segment.ident != "Self" && segment.arguments.is_none())
    };
    match ungrouped(value) {
        Expr::Path(path) if path.qself.is_none() && is_module(&path.path) => Ok(path.path.clone()),
        _ => {
            let message =
                "`crate` is the path of the library, without quotes: `crate = my_library::dspinlock`";
            Err(Error::new_spanned(value, message))
        }
    }
}

/// One argument as it was written.
pub(crate) struct Argument {
    pub(crate) name: Ident,
    pub(crate) value: Value,
}

pub(crate) enum Value {
    None,
    Expr(Box<Expr>),
    List(TokenStream),
    /// There is something that is no expression.
    Broken(Error),
}

impl Parse for Argument {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if !input.peek(Ident::peek_any) {
            return Err(input.error("arguments have names: `key = customer_id`"));
        }
        let name = input.call(Ident::parse_any)?;
        let value = if input.parse::<Option<Token![=]>>()?.is_some() {
            if input.is_empty() || input.peek(Token![,]) {
                Value::None
            } else {
                input.parse().map_or_else(Value::Broken, Value::Expr)
            }
        } else if input.peek(token::Paren) {
            let content;
            parenthesized!(content in input);
            Value::List(content.parse()?)
        } else {
            Value::None
        };
        Ok(Self { name, value })
    }
}

/// The arguments, or for each what is wrong with it.
pub(crate) struct List(pub(crate) Vec<Result<Argument>>);

impl Parse for List {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut list = Self(Vec::new());
        while !input.is_empty() {
            let argument = input.parse::<Argument>();
            let broken = matches!(argument, Err(_) | Ok(Argument { value: Value::Broken(_), .. }));
            list.0.push(argument);
            if !broken && !input.is_empty() && !input.peek(Token![,]) {
                list.0.push(Err(input.error("expected `,` between two arguments")));
            }
            while !input.is_empty() && !input.peek(Token![,]) {
                input.parse::<TokenTree>()?;
            }
            input.parse::<Option<Token![,]>>()?;
        }
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::krate;
    use quote::ToTokens;
    use syn::parse_quote;

    #[test]
    fn the_library_is_found_in_a_module() {
        let found = |value| krate(&value).map(|path| path.to_token_stream().to_string());
        assert_eq!(found(parse_quote!(my::dspinlock)).ok().as_deref(), Some("my :: dspinlock"));
        for refused in [parse_quote!(Self), parse_quote!(a::<u8>), parse_quote!(<A>::b), parse_quote!("a::b")]
        {
            assert!(found(refused).unwrap_err().to_string().contains("without quotes"));
        }
    }
}
