//! Which read an application should make: what it finds here may be too old for what it is about to decide.

pub mod policy;
pub mod remedies;

pub use policy::{Basis, Forced, LostSource, Override, Policy};
pub use remedies::Remedies;
