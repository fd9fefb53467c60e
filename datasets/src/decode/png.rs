//! Removes the colour profile from a PNG.

use std::borrow::Cow;

/// The file without its colour profile. Profiles are not applied, and the decoder would unpack one of
/// any size: 1 MB can become 500. (The `png` crate can ignore profiles; `image` does not pass that on.)
///
/// Chunks after the first `IDAT` are left alone: no profile may come there.
pub(super) fn without_profile(bytes: &[u8]) -> Cow<'_, [u8]> {
    const SIGNATURE: usize = 8;
    let mut kept = Vec::new();
    // Everything before `copied` is in `kept`, or a profile.
    let mut copied = 0;
    let mut at = SIGNATURE;
    while let Some([a, b, c, d, kind @ ..]) = bytes.get(at..at + 8) {
        // Length, kind, content, checksum.
        let end = at + 12 + u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        if kind == b"IDAT" || end > bytes.len() {
            break;
        }
        if kind == b"iCCP" {
            kept.extend_from_slice(&bytes[copied..at]);
            copied = end;
        }
        at = end;
    }
    if copied == 0 {
        return Cow::Borrowed(bytes);
    }
    kept.extend_from_slice(&bytes[copied..]);
    Cow::Owned(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let length = (content.len() as u32).to_be_bytes();
        [&length[..], &kind[..], content, b"sum_"].concat()
    }

    #[test]
    fn every_profile_before_the_pixels_goes_and_nothing_else() {
        let signature = b"12345678".to_vec();
        let profile = chunk(b"iCCP", b"profile");
        let others = [
            chunk(b"IHDR", b"header"),
            chunk(b"tEXt", b""),
            [chunk(b"IDAT", b"pixels"), profile.clone()].concat(),
        ];
        let plain = [signature.clone(), others.concat()].concat();
        assert!(matches!(without_profile(&plain), Cow::Borrowed(_)));
        // So many that it would take a minute to remove them one by one.
        let profiles = profile.repeat(200_000);
        let [header, text, pixels] = &others;
        let bytes = [&signature, header, &profiles, text, &profile, pixels].map(Vec::as_slice);
        assert_eq!(without_profile(&bytes.concat()), plain);
    }
}
