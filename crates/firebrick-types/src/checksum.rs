//! SHA-256 checksums, which show that a file is not what was written.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

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

    /// Takes in what is left of a file and gives the number of its bytes.
    ///
    /// # Errors
    /// What reading says.
    pub fn add_rest(&mut self, file: &mut File) -> std::io::Result<u64> {
        let mut buffer = vec![0; 64 << 10];
        let mut total = 0;
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(total),
                Ok(read) => {
                    self.add(&buffer[..read]);
                    total += read as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
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
/// assert_eq!(firebrick_types::checksum::of(b""), empty);
/// ```
#[must_use]
pub fn of(bytes: &[u8]) -> String {
    let mut sum = Checksum::default();
    sum.add(bytes);
    sum.digits()
}

/// The checksum of a file, in hexadecimal digits.
///
/// # Errors
/// What opening or reading it says.
pub fn of_file(path: &Path) -> std::io::Result<String> {
    let mut sum = Checksum::default();
    sum.add_rest(&mut File::open(path)?)?;
    Ok(sum.digits())
}
