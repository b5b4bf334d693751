//! The position of a function in its file.

use super::function::Function;

/// Tells apart functions with the same name within another function: the position of the name, and a digest of the body.
///
/// The runtime puts the position of the attribute before it, which all functions from one call of a macro share. The digest
/// keeps a function from having the position that another one had in an earlier release.
pub(super) fn position(function: &Function) -> String {
    // FNV-1a, which is the same in every build.
    let text = function.body.to_string();
    let digest = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| {
        (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    if !proc_macro::is_available() {
        return format!(":{digest:x}");
    }
    let name = function.sig.ident.span().unwrap();
    format!(":{}:{}:{digest:x}", name.line(), name.column())
}
