//! Layers compared with PyTorch and with central differences; parameters by path, gradients and state dicts.

// Helpers of tests fail by panicking too, and say what they skip.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod batch_norm;
mod freeze;
mod gradcheck;
mod layers;
mod lora;
mod members;
mod normalization;
mod parameters;
mod pass;
mod state_dict;
mod support;
