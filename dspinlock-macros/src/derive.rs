//! `#[derive(LockKey)]`.

mod bounds;
mod options;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Data, DeriveInput, Error, Fields, Index, LitStr, Member, Type};

use self::options::{FieldOptions, TypeOptions};
use crate::errors::Errors;

/// The implementation, or the errors of a type that cannot have one.
pub(crate) fn derive(input: TokenStream) -> TokenStream {
    syn::parse2(input).map_or_else(Error::into_compile_error, |input: DeriveInput| {
        let mut errors = Errors::default();
        let options = TypeOptions::read(&input.attrs, &mut errors);
        let shapes = shapes(&input, &mut errors);
        check_transparent(&options, &input, &shapes, &mut errors);
        match errors.finish(()) {
            Ok(()) => implementation(&input, &options, &shapes, &body(&input, &options, &shapes)),
            // With an implementation that is never called, uses of the type are not errors as well.
            Err(error) => {
                let stub = implementation(&input, &options, &[], &quote!(::core::unreachable!()));
                let errors = error.into_compile_error();
                quote!(#errors #stub)
            }
        }
    })
}

/// A struct, or a variant of an enum.
struct Shape<'a> {
    /// The path in a pattern: `Self` or `Self::Variant`.
    path: TokenStream,
    /// The variant's name in the encoding.
    variant: Option<LitStr>,
    named: bool,
    fields: Vec<Field<'a>>,
}

struct Field<'a> {
    member: Member,
    /// The field's name in the encoding; unused where fields have none.
    name: LitStr,
    ty: &'a Type,
    skipped: bool,
    /// The variable that a match binds.
    variable: Ident,
}

impl Shape<'_> {
    fn encoded(&self) -> impl Iterator<Item = &Field<'_>> {
        self.fields.iter().filter(|field| !field.skipped)
    }

    /// `Self::Circle { radius: field_0, id: _ }`, which fits fields without names as well (`0: field_0`).
    fn pattern(&self) -> TokenStream {
        let path = &self.path;
        let fields =
            self.fields.iter().map(
                |Field { member, variable, skipped, .. }| {
                    if *skipped { quote!(#member: _) } else { quote!(#member: #variable) }
                },
            );
        quote!(#path { #(#fields),* })
    }
}

fn shapes<'a>(input: &'a DeriveInput, errors: &mut Errors) -> Vec<Shape<'a>> {
    match &input.data {
        Data::Struct(data) => vec![shape(quote!(Self), None, &data.fields, errors)],
        Data::Enum(data) => {
            let mut taken = Vec::new();
            data.variants
                .iter()
                .map(|variant| {
                    let ident = &variant.ident;
                    let name = options::variant_name(&variant.attrs, errors).unwrap_or_else(|| text(ident));
                    take_name(&mut taken, &name, "variant", errors);
                    shape(quote!(Self::#ident), Some(name), &variant.fields, errors)
                })
                .collect()
        }
        Data::Union(data) => {
            let message = "a union cannot be a lock key, because nothing says which of its fields is valid: implement \
                           `LockKey` by hand";
            errors.push(Error::new(data.union_token.span, message));
            Vec::new()
        }
    }
}

fn shape<'a>(
    path: TokenStream,
    variant: Option<LitStr>,
    fields: &'a Fields,
    errors: &mut Errors,
) -> Shape<'a> {
    let named = matches!(fields, Fields::Named(_));
    let mut taken = Vec::new();
    let mut fields: Vec<_> = fields
        .iter()
        .enumerate()
        .map(|(index, field)| {
            let options = FieldOptions::read(&field.attrs, errors);
            check_name(&options, named, errors);
            let default = field.ident.as_ref().map_or_else(|| LitStr::new("", Span::call_site()), text);
            let name = options.name.unwrap_or(default);
            if named && options.skip.is_none() {
                take_name(&mut taken, &name, "field", errors);
            }
            let member =
                field.ident.clone().map_or_else(|| Member::Unnamed(Index::from(index)), Member::Named);
            // Errors about a field that is no key then point at its type.
            let span = field.ty.span().resolved_at(Span::mixed_site());
            let variable = Ident::new(&format!("field_{index}"), span);
            Field { member, name, ty: &field.ty, skipped: options.skip.is_some(), variable }
        })
        .collect();
    if named {
        fields.sort_by_key(|field| field.name.value());
    }
    Shape { path, variant, named, fields }
}

fn check_name(options: &FieldOptions, named: bool, errors: &mut Errors) {
    let Some(name) = &options.name else { return };
    if !named {
        errors.push(Error::new(name.span(), "an unnamed field has no name in the key: remove `name`"));
    } else if options.skip.is_some() {
        errors.push(Error::new(name.span(), "a skipped field is not in the key: remove `name` or `skip`"));
    }
}

/// Two variants or fields with the same name would be the same key.
fn take_name(taken: &mut Vec<String>, name: &LitStr, what: &str, errors: &mut Errors) {
    let value = name.value();
    if taken.contains(&value) {
        let message = format!("`{value}` is the name of another {what}: write a different `name = \"…\"`");
        errors.push(Error::new(name.span(), message));
    }
    taken.push(value);
}

fn check_transparent(options: &TypeOptions, input: &DeriveInput, shapes: &[Shape<'_>], errors: &mut Errors) {
    let Some(span) = options.transparent else { return };
    if !matches!(input.data, Data::Struct(_)) {
        errors.push(Error::new(span, "only a struct can be `transparent`: remove it"));
    } else if shapes[0].encoded().count() != 1 {
        let message = "a `transparent` struct has the key of its only field: write `#[lock_key(skip)]` on the others, or \
                       remove `transparent`";
        errors.push(Error::new(span, message));
    }
    if let Some(name) = &options.name {
        errors.push(Error::new(name.span(), "a `transparent` struct has no name in the key: remove `name`"));
    }
}

/// The name of an item in the encoding: `r#type` is `type`.
fn text(ident: &Ident) -> LitStr {
    LitStr::new(&ident.unraw().to_string(), ident.span())
}

/// Input: `enum Shape { Circle { radius: u32 }, Dot(#[lock_key(skip)] u8, u8) }`
///
/// Output:
/// ```text
/// match self {
///     Self::Circle { radius: field_0 } => KeyEncoder::named_fields(encoder, &["Shape", "Circle"], &[("radius", &field_0)]),
///     Self::Dot { 0: _, 1: field_1 } => KeyEncoder::unnamed_fields(encoder, &["Shape", "Dot"], &[&field_1]),
/// }
/// ```
fn body(input: &DeriveInput, options: &TypeOptions, shapes: &[Shape<'_>]) -> TokenStream {
    if shapes.is_empty() {
        return quote!(match *self {});
    }
    let name = options.name.clone().unwrap_or_else(|| text(&input.ident));
    let arms = shapes.iter().map(|shape| {
        let pattern = shape.pattern();
        let call = if options.transparent.is_some() {
            transparent_call(shape, options)
        } else {
            call(&name, shape, options)
        };
        quote!(#pattern => #call)
    });
    quote!(match self { #(#arms,)* })
}

fn call(name: &LitStr, shape: &Shape<'_>, TypeOptions { library, .. }: &TypeOptions) -> TokenStream {
    let variant = &shape.variant;
    let names = variant.as_ref().map_or_else(|| quote!(&[#name]), |variant| quote!(&[#name, #variant]));
    let encoder = encoder();
    // One reference more than necessary, so that the field may be unsized.
    let values = shape.encoded().map(|Field { variable, ty, .. }| quote_spanned!(ty.span()=> &#variable));
    if shape.named {
        let fields = shape.encoded().map(|field| &field.name);
        quote!(#library::KeyEncoder::named_fields(#encoder, #names, &[#((#fields, #values)),*]))
    } else {
        quote!(#library::KeyEncoder::unnamed_fields(#encoder, #names, &[#(#values),*]))
    }
}

fn transparent_call(shape: &Shape<'_>, TypeOptions { library, .. }: &TypeOptions) -> TokenStream {
    let encoder = encoder();
    let fields = shape.encoded().map(|Field { variable, ty, .. }| {
        quote_spanned!(ty.span()=> #library::LockKey::encode(#variable, #encoder))
    });
    quote!(#(#fields)*)
}

fn implementation(
    input: &DeriveInput,
    TypeOptions { library, .. }: &TypeOptions,
    shapes: &[Shape<'_>],
    body: &TokenStream,
) -> TokenStream {
    let ident = &input.ident;
    let (parameters, arguments, _) = input.generics.split_for_impl();
    let keys = shapes.iter().flat_map(Shape::encoded).map(|field| field.ty);
    let bounds = bounds::extended(&input.generics, keys, library);
    let encoder = encoder();
    quote! {
        #[automatically_derived]

        impl #parameters #library::LockKey for #ident #arguments #bounds {
            fn encode(&self, #encoder: &mut #library::KeyEncoder) {
                #body
            }
        }
    }
}

/// The parameter of the generated method, which no name of the user can meet.
fn encoder() -> Ident {
    Ident::new("encoder", Span::mixed_site())
}
