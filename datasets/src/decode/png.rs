//! What a PNG holds beside its pixels.

use std::borrow::Cow;

/// The file without its colour profile. Profiles are not applied, and the decoder would unpack one of
/// any size: 1 MB can become 500.
///
/// Chunks after the first `IDAT` are left alone: no profile may lie there.
pub(super) fn without_profile(bytes: &[u8]) -> Cow<'_, [u8]> {
    const SIGNATURE: usize = 8;
    let mut profiles = Vec::new();
    let mut at = SIGNATURE;
    while let Some([a, b, c, d, kind @ ..]) = bytes.get(at..at + 8) {
        // Length, kind, content, checksum.
        let end = at + 12 + u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        if kind == b"IDAT" || end > bytes.len() {
            break;
        }
        if kind == b"iCCP" {
            profiles.push(at..end);
        }
        at = end;
    }
    if profiles.is_empty() {
        return Cow::Borrowed(bytes);
    }
    let mut kept = bytes.to_vec();
    for profile in profiles.into_iter().rev() {
        kept.drain(profile);
    }
    Cow::Owned(kept)
}
