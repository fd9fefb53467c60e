//! SHA-256 checksums, which show that a file is not what was written.

use sha2::{Digest, Sha256};

/// Hexadecimal digits of a checksum.
pub const DIGITS: usize = 64;

/// Takes in bytes piece by piece.
#[derive(Debug, Clone, Default)]
pub struct Checksum(Sha256);

impl Checksum {
    /// Takes in some bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum of all bytes so far, in hexadecimal digits.
    #[must_use]
    pub fn digits(self) -> String {
        let sum = self.0.finalize();
        sum.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The checksum of some bytes, in hexadecimal digits.
///
/// ```
/// let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// assert_eq!(firebrick_core::checksum::of(b""), empty);
/// ```
#[must_use]
pub fn of(bytes: &[u8]) -> String {
    let mut sum = Checksum::default();
    sum.add(bytes);
    sum.digits()
}
