//! The contract of landing.
#![allow(missing_docs)]
pub mod contract;
pub mod chunk {
    pub struct Chunk;
    pub struct LandedChunk;
}
