//! How large a pickle may be.

/// Opcodes at most: a checkpoint of [`MAX_TENSORS`](crate::weights_file::contents::MAX_TENSORS) tensors has fewer. It bounds memory too, since an
/// opcode makes at most one object, and time, since the contents of objects that are passed to calls are
/// counted against the same limit: a list that is made once can be copied by every opcode after it.
pub(in crate::weights_file) const MAX_OPERATIONS: usize = 2_000_000;

/// Bytes of one pickle at most; the values of tensors lie outside it.
pub(in crate::weights_file) const MAX_BYTES: u64 = 64 << 20;

/// Dimensions of a tensor at most.
pub(in crate::weights_file) const MAX_RANK: usize = 8;

/// Bytes of a tensor's full name at most. Of a longer text only the beginning is kept, just enough to
/// see that it is too long.
pub(in crate::weights_file) const MAX_NAME: usize = 1000;

/// Characters that are kept of the name of a class or function; those that are known here have fewer.
pub(super) const MAX_CLASS: usize = 100;

/// The error of a pickle that is too short, or too long.
pub(super) fn cut_off() -> String {
    format!(
        "its pickle ends too early, or is larger than {} MiB",
        MAX_BYTES >> 20
    )
}
