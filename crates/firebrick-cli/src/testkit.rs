//! What reads bytes from elsewhere, for tests and fuzz targets in other crates (feature `testkit`).

use crate::commands::serve;

/// The photo in a request to `firebrick serve` at this port; `None` while the head of the request is not complete.
///
/// # Errors
/// The status and the body of the answer that refuses the request.
pub fn photo_in_request(bytes: &[u8], port: u16) -> Result<Option<Vec<u8>>, (u16, Vec<u8>)> {
    serve::photo_in_request(bytes, port)
}
