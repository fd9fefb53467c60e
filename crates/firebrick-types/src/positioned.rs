//! Reads at a place of a file that several threads share.

use std::fs::File;
use std::io;

/// Fills the buffer with what lies at a place of a file.
///
/// # Errors
/// What the system says; `UnexpectedEof` where the file ends before the buffer is full.
#[cfg(unix)]
pub fn read_exact_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, at)
}

/// Fills the buffer with what lies at a place of a file. Each read says its place, so the position that it moves does
/// not matter.
///
/// # Errors
/// What the system says; `UnexpectedEof` where the file ends before the buffer is full.
#[cfg(windows)]
pub fn read_exact_at(file: &File, mut buffer: &mut [u8], mut at: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !buffer.is_empty() {
        match file.seek_read(buffer, at) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                buffer = &mut buffer[read..];
                at += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
