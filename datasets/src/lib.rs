//! Data sets: readers, a registry with URLs, checksums and licences, verified downloads, the loader, and `glyphs`, which
//! needs no files.

pub mod catalogue;
pub mod cifar;
pub mod class_names;
mod dataset_error;
pub mod decode;
pub mod emnist;
pub mod folder;
pub mod glyphs;
pub mod idx;
pub mod image_files;
pub mod image_list;
pub mod in_memory;
pub mod loader;
pub mod mnist;
pub mod pack;
pub mod pack_file;
pub mod registry;
pub mod sampler;
pub mod split;
pub mod split_names;
pub mod statistics;
pub mod verify;

pub use dataset_error::DatasetError;
pub use in_memory::InMemory;
pub use loader::{Loader, LoaderConfig};
pub use registry::{OnBadImage, OpenOptions, Splits, open};
pub use split_names::Split;
