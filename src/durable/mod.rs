//! The only writer of files. What a function here has written is there after a power cut once it has returned.
//!
//! A file is replaced whole: a temporary file in the same folder, fsync, rename(2), fsync of the folder. A reader sees the old file
//! or the new one. No function follows a symbolic link at the last part of its path. All of them block: call them from a blocking
//! thread.

mod append;
mod error;
mod file;
mod folder;
mod link;
mod new_file;
mod safe;
#[cfg(test)]
pub(crate) mod small_disk;

pub use append::Appender;
pub use error::{DurableError, Step, advice};
pub use file::{FileAttrs, create_file, remove_file, write_file};
pub use folder::{create_folder, create_new_folder, remove_folder_all, remove_leftovers, sync_folder};
pub use link::swap_link;
pub use new_file::{NewFile, Over};
pub use safe::{Unsafe, create_folder_safely, create_safe_folder, open_safe_folder, remove_file_safely, write_file_safely};

/// How the name of each temporary begins, so that one left by a crash is known for what it is.
pub const TEMPORARY_PREFIX: &str = ".jkeys-tmp-";
