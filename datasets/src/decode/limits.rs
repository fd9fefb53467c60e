//! How large an image may be.

/// The longest side that is decoded, in pixels.
pub const MAX_SIDE: u32 = 16_384;
/// The most memory that the pixels of one file may take.
pub const MAX_BYTES: u64 = 512 << 20;
