//! Every operation of the kernels against burn's own: outputs and all gradients, on both CPU
//! backends, for images in any layout.

// Helpers of tests fail by panicking too.
#![allow(clippy::unwrap_used)]

mod autodiff;
mod folded;
mod observer;
mod operations;
mod support;
