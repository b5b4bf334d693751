//! Keys that are text where the arguments were meant: `"user:{id}"` and `"id"` would be the same key for all calls.

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::{Error, Expr, Lit, Signature, parse_str};

use super::function;
use super::spelling::{ends_in, ungrouped};
use crate::errors::Errors;

/// Refuses text that looks like an argument, or like a template.
pub(crate) fn check(key: &Expr, sig: &Signature, errors: &mut Errors) {
    if let Some((text, literal)) = text(key)
        && let Ok(meant) = parse_str::<Expr>(&text)
        && consists_of(&meant, &|name| is_argument(name, sig))
    {
        let message =
            format!("this text is the same key for all calls: write `key = {text}`, without quotes");
        errors.push(Error::new(literal.span(), message));
    }
    check_placeholders(key, errors);
}

fn check_placeholders(key: &Expr, errors: &mut Errors) {
    match ungrouped(key) {
        Expr::Lit(literal) => check_literal(&literal.lit, errors),
        Expr::Reference(reference) => check_placeholders(&reference.expr, errors),
        Expr::Tuple(tuple) => tuple.elems.iter().for_each(|part| check_placeholders(part, errors)),
        Expr::Array(array) => array.elems.iter().for_each(|part| check_placeholders(part, errors)),
        Expr::MethodCall(call) if AS_IT_IS.iter().any(|name| call.method == name) => {
            check_placeholders(&call.receiver, errors);
        }
        Expr::Call(call) if keeps_text(&call.func) => {
            call.args.iter().for_each(|argument| check_placeholders(argument, errors));
        }
        Expr::Macro(call) if ends_in(&call.mac.path, &["concat"]) => {
            literals(call.mac.tokens.clone()).for_each(|literal| check_literal(&literal, errors));
        }
        _ => {}
    }
}

/// Whether a function keeps a text as it is, as `String::from` and `Some` do.
fn keeps_text(function: &Expr) -> bool {
    let Expr::Path(path) = function else { return false };
    ends_in(&path.path, &["from", "Some", "Borrowed"])
}

/// Methods that keep a text as it is.
const AS_IT_IS: [&str; 5] = ["to_owned", "to_string", "into", "as_str", "as_bytes"];

/// Refuses a text that contains something like `{id}`.
fn check_literal(literal: &Lit, errors: &mut Errors) {
    let Some(parts) = of_literal(literal).as_deref().and_then(parts) else { return };
    let meant = match &parts[..] {
        [part] => part.clone(),
        parts => format!("({})", parts.join(", ")),
    };
    let message = format!(
        "text in a key is not interpolated, so it is the same key for all calls: write `key = {meant}`"
    );
    errors.push(Error::new(literal.span(), message));
}

/// The text of a key that is nothing but text, and its literal.
fn text(key: &Expr) -> Option<(String, Lit)> {
    match ungrouped(key) {
        Expr::Lit(literal) => Some((of_literal(&literal.lit)?, literal.lit.clone())),
        Expr::Reference(reference) => text(&reference.expr),
        Expr::Tuple(tuple) if tuple.elems.len() == 1 => text(&tuple.elems[0]),
        Expr::MethodCall(call) if AS_IT_IS.iter().any(|name| call.method == name) => text(&call.receiver),
        Expr::Call(call) if call.args.len() == 1 && keeps_text(&call.func) => text(&call.args[0]),
        _ => None,
    }
}

fn of_literal(literal: &Lit) -> Option<String> {
    match literal {
        Lit::Str(text) => Some(text.value()),
        Lit::ByteStr(bytes) => String::from_utf8(bytes.value()).ok(),
        _ => None,
    }
}

fn literals(tokens: TokenStream) -> impl Iterator<Item = Lit> {
    tokens.into_iter().filter_map(|token| match token {
        TokenTree::Literal(literal) => Some(Lit::new(literal)),
        _ => None,
    })
}

/// The parts of a key that a template stands for: `"user"` and `id` for `user:{id}`; `None` for text without braces.
fn parts(text: &str) -> Option<Vec<String>> {
    let (mut parts, mut plain, mut has_braces, mut rest) = (Vec::new(), String::new(), false, text);
    let push_plain = |plain: &mut String, parts: &mut Vec<String>| {
        let trimmed = plain.trim_matches(|c: char| c.is_whitespace() || ":/-_.,|#@=+".contains(c));
        if !trimmed.is_empty() {
            parts.push(format!("{trimmed:?}"));
        }
        plain.clear();
    };
    while let Some(c) = rest.chars().next() {
        let doubled = (c == '{' && rest.starts_with("{{")) || (c == '}' && rest.starts_with("}}"));
        if !doubled
            && c == '{'
            && let Some((inside, after)) = rest[1..].split_once('}')
            && let Some(meant) = placeholder(inside)
        {
            push_plain(&mut plain, &mut parts);
            parts.push(meant);
            (has_braces, rest) = (true, after);
            continue;
        }
        let length = if doubled { 2 } else { c.len_utf8() };
        plain.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    push_plain(&mut plain, &mut parts);
    has_braces.then_some(parts)
}

/// The expression in a pair of braces: `id` in `{id:?}`, and `…` in `{}` and `{0}`.
fn placeholder(inside: &str) -> Option<String> {
    let name = inside.split(':').next().unwrap_or_default().trim();
    if name.chars().all(|c| c.is_ascii_digit()) {
        return Some("…".to_owned());
    }
    consists_of(&parse_str(name).ok()?, &|_| true).then(|| name.to_owned())
}

/// Whether an expression consists of known variables, their fields and the results of their methods.
fn consists_of(expr: &Expr, is_known: &dyn Fn(&Ident) -> bool) -> bool {
    match expr {
        Expr::Path(path) => path.path.get_ident().is_some_and(is_known),
        Expr::Field(field) => consists_of(&field.base, is_known),
        Expr::MethodCall(call) => consists_of(&call.receiver, is_known),
        Expr::Index(index) => consists_of(&index.expr, is_known),
        Expr::Reference(reference) => consists_of(&reference.expr, is_known),
        Expr::Unary(unary) => consists_of(&unary.expr, is_known),
        Expr::Paren(paren) => consists_of(&paren.expr, is_known),
        Expr::Tuple(tuple) => {
            !tuple.elems.is_empty() && tuple.elems.iter().all(|part| consists_of(part, is_known))
        }
        _ => false,
    }
}

fn is_argument(name: &Ident, sig: &Signature) -> bool {
    (name == "self" && sig.receiver().is_some()) || function::argument_names(sig).contains(name)
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::check;
    use crate::errors::Errors;

    fn refused(key: &syn::Expr) -> Option<String> {
        let mut errors = Errors::default();
        check(key, &parse_quote!(fn load(&self, id: u64, (tenant, _): (&str, u8))), &mut errors);
        errors.finish(()).err().map(|error| error.to_string())
    }

    fn advice(key: &syn::Expr) -> String {
        let message = refused(key).expect("it is refused");
        message.split('`').nth(1).expect("there is advice").to_owned()
    }

    #[test]
    fn placeholders() {
        assert_eq!(advice(&parse_quote!("user:{id}")), r#"key = ("user", id)"#);
        assert_eq!(advice(&parse_quote!("{id:?}")), "key = id");
        assert_eq!(advice(&parse_quote!(r#"{tenant}/reports/{ day }"#)), r#"key = (tenant, "reports", day)"#);
        assert_eq!(
            advice(&parse_quote!(&("v1", "user {self.id} of {0}"))),
            r#"key = ("user", self.id, "of", …)"#
        );
        assert_eq!(advice(&parse_quote!("{}")), "key = …");
        assert_eq!(advice(&parse_quote!("{{{id}}}")), r#"key = ("{{", id, "}}")"#);
        assert_eq!(advice(&parse_quote!(b"user:{id}")), r#"key = ("user", id)"#);
        assert_eq!(advice(&parse_quote!(concat!("user:", "{id}"))), "key = id");
        assert_eq!(advice(&parse_quote!(["{id}".to_owned()])), "key = id");
        assert_eq!(advice(&parse_quote!(String::from("user:{id}"))), r#"key = ("user", id)"#);
    }

    #[test]
    fn arguments_in_quotes() {
        assert_eq!(advice(&parse_quote!("id")), "key = id");
        for key in [
            parse_quote!(("id",)),
            parse_quote!("id".to_owned()),
            parse_quote!(String::from("id")),
            parse_quote!(Some("id")),
        ] {
            assert_eq!(advice(&key), "key = id");
        }
        assert_eq!(advice(&parse_quote!("tenant.to_lowercase()")), "key = tenant.to_lowercase()");
        assert_eq!(advice(&parse_quote!("(&self.name, id)")), "key = (&self.name, id)");
    }

    #[test]
    fn text() {
        for key in [
            parse_quote!("nightly"),
            parse_quote!("user.id"),
            parse_quote!(("id", id)),
            parse_quote!("{{id}}"),
            parse_quote!("{ \"a\": 1 }"),
            parse_quote!("a } b { c"),
            parse_quote!(format!("user:{id}")),
            parse_quote!("user:{id}".replace("{id}", tenant)),
            parse_quote!(concat!("nightly", 1)),
            parse_quote!(id),
            parse_quote!(1),
        ] {
            assert_eq!(refused(&key), None);
        }
    }
}
