//! The pure core: it decides, the shell acts. No async, no SDK, no clock, no randomness that it was not handed.
//!
//! In reading order: [`time`], [`model`] and [`heartbeat`] are the words; [`reign`] says who writes; [`schedule`] says
//! when to look; [`sample`] is the measurement, [`outstanding`] and [`track`] what it is made from; [`window`] and
//! [`pair`] what the samples add up to; [`provider`] and [`inspection`] are the words for what others say, [`compare`],
//! [`merge`] and [`companions`] what is made of it; [`ledger`] ties these together; [`snapshot`] is what it shows,
//! [`assess`] what that means at a given moment, [`judge`] since when, [`trace`] how it was before, [`alert`] whom it is told, [`advice`] what to read.

pub mod abroad;
pub mod advice;
pub mod alert;
pub mod assess;
pub mod audit;
pub mod clocks;
pub mod companions;
pub mod compare;
pub mod count;
pub mod echo;
pub mod failure;
pub mod heartbeat;
pub mod history;
pub mod hour;
pub mod inspection;
pub mod judge;
pub mod ledger;
pub mod merge;
pub mod model;
pub mod offset;
pub mod outstanding;
pub mod pair;
pub mod provider;
pub mod recent;
pub mod reign;
pub mod sample;
pub mod schedule;
pub mod snapshot;
pub mod time;
pub mod trace;
pub mod track;
pub mod unknown;
pub mod window;
pub mod writing;
