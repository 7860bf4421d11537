//! What must never be shown: passwords, tokens, values of headers, and what of them stands in a URI.

use std::fmt;

use reqwest::Url;
use serde::Deserialize;

/// What stands where something is not shown.
const HIDDEN: &str = "***";

/// A text that is used, and not shown.
#[derive(Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct Secret(String);

impl Secret {
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// A URI as messages have it: without user and password, and with nothing but the names of its query.
pub(super) fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    // These fail for URLs without a host, which have no user either.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_fragment(None);
    let names = url.query().map(|query| {
        let names = query.split('&').map(|pair| match pair.split_once('=') {
            Some((name, _)) => format!("{name}={HIDDEN}"),
            None => HIDDEN.to_owned(),
        });
        names.collect::<Vec<_>>().join("&")
    });
    shown.set_query(names.as_deref());
    shown.into()
}

/// Texts that are hidden wherever they turn up, also in what a server says.
#[derive(Clone, Default)]
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    /// What is shorter is found in any text, and no secret.
    const SHORTEST: usize = 4;

    pub(super) fn add(&mut self, secret: &str) {
        if secret.len() >= Self::SHORTEST {
            self.0.push(secret.to_owned());
            // One may hold another.
            self.0.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        }
    }

    /// Adds the values of a URI's query, as they stand in it and as they are read.
    pub(super) fn add_query(&mut self, url: &Url) {
        url.query_pairs().for_each(|(_, value)| self.add(&value));
        let pairs = url.query().into_iter().flat_map(|query| query.split('&'));
        pairs.for_each(|pair| self.add(pair.split_once('=').map_or(pair, |(_, value)| value)));
    }

    /// The text without them.
    pub(super) fn hidden_in(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), HIDDEN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_is_shown_without_its_user_and_the_values_of_its_query() {
        for (uri, expected) in [
            (
                "https://ann:hunter2@logs.test:8443/in?token=hunter2&b=&c#d",
                "https://logs.test:8443/in?token=***&b=***&***",
            ),
            ("http://ann@logs.test", "http://logs.test/"),
            ("http://logs.test/?hunter2", "http://logs.test/?***"),
        ] {
            assert_eq!(shown(&uri.parse().unwrap()), expected);
        }
    }

    #[test]
    fn a_secret_is_hidden_wherever_it_stands() {
        let mut secrets = Secrets::default();
        for secret in ["hunter2", "hunter2-and-more", "a"] {
            secrets.add(secret);
        }
        assert_eq!(secrets.hidden_in("a hunter2-and-more, hunter2!"), "a ***, ***!");
        assert_eq!(format!("{:?}", Secret("hunter2".to_owned())), "***");
    }
}
