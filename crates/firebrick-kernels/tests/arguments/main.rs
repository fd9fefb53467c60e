//! Arguments that do not fit each other: every safe function refuses them before it touches memory, and
//! says what does not fit.

mod conv2d;
mod elementwise;
mod layers;
mod pool;
mod refused;
#[path = "../settings/mod.rs"]
mod settings;
