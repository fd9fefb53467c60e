//! Data sets of Firebrick: readers, registry with URL, sha256 and licence, verified download, the
//! loader, and sets that need no files.

pub mod catalogue;
pub mod cifar;
pub mod class_names;
pub mod decode;
pub mod emnist;
pub mod folder;
pub mod glyphs;
pub mod idx;
pub mod image_files;
pub mod in_memory;
pub mod loader;
pub mod mnist;
pub mod registry;
pub mod sampler;
pub mod split;
pub mod split_names;
pub mod statistics;
pub mod verify;

pub use in_memory::InMemory;
pub use loader::{Loader, LoaderConfig};
pub use registry::{DatasetError, OnBadImage, OpenOptions, Splits, open};
pub use split_names::Split;
