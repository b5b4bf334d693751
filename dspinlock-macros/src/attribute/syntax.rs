//! A list of arguments: `name`, `name = expression` or `name(…)`, with commas in between.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Error, Expr, Result, Token, parenthesized, token};

/// One argument as it is written.
pub(crate) struct Written {
    pub(crate) name: Ident,
    pub(crate) value: WrittenValue,
}

pub(crate) enum WrittenValue {
    None,
    Expr(Box<Expr>),
    List(TokenStream),
    /// What follows the `=` is not an expression.
    Broken(Error),
}

impl Parse for Written {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if !input.peek(Ident::peek_any) || input.peek2(Token![.]) {
            return Err(nameless(input));
        }
        let name = input.call(Ident::parse_any)?;
        let value = if input.parse::<Option<Token![=]>>()?.is_some() {
            if input.is_empty() || input.peek(Token![,]) {
                WrittenValue::None
            } else {
                input.parse().map_or_else(WrittenValue::Broken, WrittenValue::Expr)
            }
        } else if input.peek(token::Paren) {
            let content;
            parenthesized!(content in input);
            WrittenValue::List(content.parse()?)
        } else {
            WrittenValue::None
        };
        Ok(Self { name, value })
    }
}

/// The error for a value without a name, such as `self.id`.
fn nameless(input: ParseStream<'_>) -> Error {
    match input.fork().parse::<Expr>() {
        Ok(expr) if !matches!(expr, Expr::Lit(_)) => {
            let message =
                format!("every argument has a name: if this is the key, write `key = {}`", source_of(&expr));
            Error::new_spanned(expr, message)
        }
        _ => input.error("every argument has a name: write `key = customer_id`"),
    }
}

/// An expression as it is written.
fn source_of(expr: &Expr) -> String {
    expr.span().source_text().unwrap_or_else(|| expr.to_token_stream().to_string())
}

/// The arguments of a list. One that cannot be read is an error in its place, and the next ones are still read.
pub(crate) struct List(pub(crate) Vec<Result<Written>>);

impl Parse for List {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut list = Self(Vec::new());
        while !input.is_empty() {
            let argument = input.parse::<Written>();
            let broken = matches!(argument, Err(_) | Ok(Written { value: WrittenValue::Broken(_), .. }));
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
