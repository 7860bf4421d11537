//! What is wrong with a configuration, and how it is shown.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::ConfigFile;
use super::hidden::hidden;
use super::tree::Place;

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    place: Option<Place>,
    message: String,
    label: Option<String>,
    hint: Option<String>,
    /// Where the other one of two that do not go together stands, and what it is.
    other: Option<(Place, String)>,
}

impl Mistake {
    /// A mistake of the configuration as a whole.
    pub(crate) fn whole(message: impl Into<String>) -> Self {
        Mistake { place: None, message: message.into(), label: None, hint: None, other: None }
    }

    pub(crate) fn at(place: Place, message: impl Into<String>) -> Self {
        Mistake { place: Some(place), ..Mistake::whole(message) }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    pub(crate) fn other(mut self, place: Place, label: impl Into<String>) -> Self {
        self.other = Some((place, label.into()));
        self
    }

    /// What is wrong, without where.
    pub fn message(&self) -> &str {
        &self.message
    }

    fn sort_key(&self) -> (usize, usize) {
        self.place.as_ref().map_or((usize::MAX, 0), |place| (place.file, place.range.start))
    }
}

/// All that is wrong with a configuration, in the order of its files. Shown, each mistake has its place as
/// `file:line:column`, the text there, and a hint where one helps; never a value of the environment, nor what keys such as
/// `password`, `token` and `headers` hold.
#[derive(Clone)]
pub struct ConfigError {
    files: Arc<[ConfigFile]>,
    mistakes: Vec<Mistake>,
}

impl ConfigError {
    pub(crate) fn new(files: Arc<[ConfigFile]>, mut mistakes: Vec<Mistake>) -> Self {
        mistakes.sort_by_key(Mistake::sort_key);
        mistakes.dedup();
        ConfigError { files: hidden(&files), mistakes }
    }

    /// What is wrong; at least one mistake.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }

    /// Where a mistake stands: the file's name, line and column, counted from one, columns in characters. `None` for what
    /// is missing from all files.
    pub fn place(&self, mistake: &Mistake) -> Option<(&str, usize, usize)> {
        let place = mistake.place.as_ref()?;
        let file = self.files.get(place.file)?;
        let before = file.text.get(..place.range.start).unwrap_or(&file.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Some((&file.name, line, column))
    }

    /// All mistakes as text for a terminal, in colours or without.
    pub fn render(&self, colours: bool) -> String {
        let renderer = if colours { Renderer::styled() } else { Renderer::plain() };
        let shown = self.mistakes.iter().map(|mistake| renderer.render(&[self.group(mistake)]));
        shown.collect::<Vec<String>>().join("\n\n")
    }

    fn group<'a>(&'a self, mistake: &'a Mistake) -> Group<'a> {
        let title = Level::ERROR.primary_title(&mistake.message);
        let mut group = Group::with_title(title);
        if let Some((place, file)) = mistake.place.as_ref().and_then(|place| Some((place, self.files.get(place.file)?)))
        {
            let primary = AnnotationKind::Primary.span(shown(&file.text, &place.range));
            let mut snippet = Snippet::source(&file.text).path(&file.name).annotation(match &mistake.label {
                Some(label) => primary.label(label),
                None => primary,
            });
            let other = mistake.other.as_ref();
            if let Some((place, label)) = other.filter(|(other, _)| other.file == place.file) {
                let range = shown(&file.text, &place.range);
                snippet = snippet.annotation(AnnotationKind::Context.span(range).label(label));
            }
            group = group.element(snippet);
            if let Some((place, label)) = other.filter(|(other, _)| other.file != place.file)
                && let Some(file) = self.files.get(place.file)
            {
                let context = AnnotationKind::Context.span(shown(&file.text, &place.range)).label(label);
                group = group.element(Snippet::source(&file.text).path(&file.name).annotation(context));
            }
        }
        match &mistake.hint {
            Some(hint) => group.element(Level::HELP.message(hint)),
            None => group,
        }
    }
}

/// The first line of what lies at a place: a whole table below one mark would hide it.
fn shown(text: &str, range: &Range<usize>) -> Range<usize> {
    let start = range.start.min(text.len());
    let first = text.get(start..range.end.min(text.len())).unwrap_or_default().lines().next().unwrap_or_default();
    start..start + first.len()
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigError").field("mistakes", &self.mistakes).finish_non_exhaustive()
    }
}

impl std::error::Error for ConfigError {}

/// The known name that is most like the one that was written, if any is much like it.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |other: &str| strsim::damerau_levenshtein(&name.to_lowercase(), &other.to_lowercase());
    let nearest = known.map(|other| (distance(other), other)).min()?;
    (nearest.0 <= 1 + name.chars().count() / 4).then_some(nearest.1)
}

/// `did you mean "x"? known are x, y, z`
pub(crate) fn listed<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let all: Vec<&str> = known.clone().collect();
    let all = if all.is_empty() { "there are none".to_owned() } else { format!("known are {}", all.join(", ")) };
    match did_you_mean(name, known) {
        Some(other) => format!("did you mean {other:?}? {all}"),
        None => all,
    }
}
