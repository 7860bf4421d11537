//! Why a component cannot be built, or cannot go on.

use std::error::Error;
use std::fmt;
use std::ops::Range;

/// Why a component stopped before its end.
#[derive(Debug)]
pub struct ComponentError {
    message: String,
    hint: Option<String>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl ComponentError {
    /// An error that says `message`.
    pub fn new(message: impl Into<String>) -> Self {
        ComponentError { message: message.into(), hint: None, source: None }
    }

    /// Adds what caused it.
    pub fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds what usually helps.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What usually helps.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for ComponentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for ComponentError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

/// Why a component cannot be built from its configuration: everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildError {
    /// At least one.
    pub problems: Vec<Problem>,
}

impl From<Problem> for BuildError {
    fn from(problem: Problem) -> Self {
        BuildError { problems: vec![problem] }
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let messages: Vec<&str> = self.problems.iter().map(|problem| problem.message.as_str()).collect();
        f.write_str(&messages.join("; "))
    }
}

impl Error for BuildError {}

/// One thing that is wrong with a component's configuration, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub(crate) message: String,
    pub(crate) keys: Vec<String>,
    pub(crate) within: Option<Range<usize>>,
    pub(crate) label: Option<String>,
    pub(crate) hint: Option<String>,
}

impl Problem {
    /// A problem of the component as a whole. The message must hold no secrets.
    pub fn new(message: impl Into<String>) -> Self {
        Problem { message: message.into(), keys: Vec::new(), within: None, label: None, hint: None }
    }

    /// The key that it is about, such as `condition`, or `encoding.codec`.
    pub fn key(mut self, path: &str) -> Self {
        self.keys = path.split('.').map(str::to_owned).collect();
        self
    }

    /// Which bytes of the key's text it is about.
    pub fn within(mut self, range: Range<usize>) -> Self {
        self.within = Some(range);
        self
    }

    /// What to say at the place itself.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// What usually helps.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
