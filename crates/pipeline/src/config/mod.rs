//! The configuration: TOML, with the place of everything kept, so that what is wrong can be shown where it stands.
//!
//! Reading goes on behind a mistake; all that are found are reported at once.
//!
//! - Several files are one configuration: their tables of components are joined.
//! - `${VAR}`, `${VAR:-default}`, `${VAR:?message}` and `$$` in strings are replaced after the TOML is parsed, so that a
//!   value of the environment cannot change its structure. Names are `[A-Z_][A-Z0-9_]*`: AWS's `${version}` in a format of
//!   flow logs stays. Keys and `flow_log_format` are never touched.

mod api;
mod components;
mod deserialize;
mod healthcheck;
mod hidden;
mod interpolate;
mod mistake;
#[cfg(feature = "codecs")]
mod one_or_more;
#[cfg(feature = "schema")]
mod schema;
mod settings;
mod tree;

pub(crate) use components::{Component, Config, load};
pub(crate) use deserialize::read_config;
pub(crate) use healthcheck::HealthcheckTable;
pub use mistake::{ConfigError, Mistake};
pub(crate) use mistake::{did_you_mean, listed};
#[cfg(feature = "codecs")]
pub(crate) use one_or_more::OneOrMore;
#[cfg(feature = "schema")]
pub(crate) use schema::{SinkKeys, Top, TransformKeys};
pub(crate) use tree::{Node, NodeValue, Place};

use std::fmt;
use std::path::{Path, PathBuf};

/// A file of the configuration. Its `Debug` shows the name alone: the text may hold what is secret.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigFile {
    /// What the file is called in messages.
    pub name: String,
    /// What it holds.
    pub text: String,
}

impl ConfigFile {
    /// A configuration that stands in memory.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        ConfigFile { name: name.into(), text: text.into() }
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`ReadError`], which names the file.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let text = std::fs::read_to_string(path).map_err(|source| ReadError { path: path.to_owned(), source })?;
        Ok(ConfigFile::new(path.display().to_string(), text))
    }
}

impl fmt::Debug for ConfigFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigFile").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A file of the configuration cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}", .path.display())]
pub struct ReadError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub source: std::io::Error,
}
