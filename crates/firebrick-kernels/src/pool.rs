//! Pooling over channels-last images: maximum, average, adaptive and global average.
//!
//! Source: PyTorch's `max_pool2d`, `avg_pool2d` and `adaptive_avg_pool2d`, whose rules these are:
//! padding never is a maximum; of equal maxima the first one row by row gets the gradient; NaN is
//! larger than everything, and the last NaN gets the gradient.
//!
//! Every gradient is gathered: an element of the input sums over the windows that it is in, in
//! order. It is written once, and where windows do not overlap it comes from one window.

mod adaptive;
mod average;
mod global;
mod maximum;
mod window;

pub use adaptive::{adaptive_avg, adaptive_avg_grad};
pub use average::{avg, avg_grad};
pub use global::{global_avg, global_avg_grad};
pub use maximum::{max, max_grad, max_infer};
pub use window::Window;
