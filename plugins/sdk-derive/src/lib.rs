//! The derive macros of `palimpsest-sdk`: `Parameters` and `Choice`. See there.

mod choice;
mod docs;
mod parameters;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Describes a struct's fields as parameters.
#[proc_macro_derive(Parameters, attributes(param))]
pub fn parameters(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    parameters::derive(&input).unwrap_or_else(|error| error.into_compile_error()).into()
}

/// Makes an enum without fields a parameter's type.
#[proc_macro_derive(Choice)]
pub fn choice(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    choice::derive(&input).unwrap_or_else(|error| error.into_compile_error()).into()
}
