//! From decoded records to what a person or a program reads.
//!
//! So far this holds the row formats ([`rows`]) that the command and the demo share; sources, transforms and sinks wired
//! together from a configuration are to join them here.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `rows` | yes | [`rows`] |

#![forbid(unsafe_code)]

#[cfg(feature = "rows")]
pub mod rows;
