//! What holds for all of a configuration, and stays as it is while a pipeline runs.

use super::tree::Place;
use super::{Config, Mistake};

/// Where it stands, if it does.
#[derive(Debug, Default)]
pub(crate) struct SettingPlaces {
    pub(crate) data_dir: Option<Place>,
    pub(crate) quarantine: Option<Place>,
    pub(crate) api: Option<Place>,
}

impl Config {
    /// What another configuration, which is to take the place of this one, may not set otherwise.
    pub(crate) fn forbidden_changes(&self, next: &Config) -> Vec<Mistake> {
        let SettingPlaces { data_dir, quarantine, api } = &next.places;
        let is_elsewhere = self.data_dir != next.data_dir;
        // By default the quarantine moves with `data_dir`, which is told alone.
        let keeps_elsewhere = !is_elsewhere && self.quarantine_folder() != next.quarantine_folder();
        let changes = [
            (is_elsewhere, "data_dir", data_dir),
            (keeps_elsewhere, "quarantine", quarantine),
            (self.api != next.api, "api", api),
        ];
        let mistakes = changes.into_iter().filter(|(is_changed, ..)| *is_changed).map(|(_, name, place)| {
            let message = format!("{name} cannot change while the pipeline runs");
            let mistake = place.as_ref().map_or_else(
                || Mistake::whole(format!("{message}, and is no longer set")),
                |place| Mistake::at(place.clone(), &message),
            );
            mistake.hint("leave it as it was, or end the pipeline and start it anew")
        });
        mistakes.collect()
    }
}
