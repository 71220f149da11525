//! The journal on real file systems: a disk that fails its writes, and one that is full.

mod device;
mod full_disk;
mod page_cache;
