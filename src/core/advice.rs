//! What a reader may make of it all.

pub mod visibility;
