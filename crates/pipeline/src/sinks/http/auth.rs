//! Who the sink says that it is: the header `Authorization`.

use base64_simd::STANDARD;
use percent_encoding::percent_decode_str;
use reqwest::Url;
use reqwest::header::HeaderValue;
use serde::Deserialize;

use super::secret::{Secret, Secrets};
use crate::component::Problem;

#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct AuthConfig {
    /// How it says so.
    strategy: Strategy,
    /// For `basic`: the name.
    user: Option<String>,
    /// For `basic`: the password, which is never shown. Default: empty.
    password: Option<Secret>,
    /// For `bearer`: the token, which is never shown.
    token: Option<Secret>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum Strategy {
    /// By `user` and `password`.
    Basic,
    /// By a `token`.
    Bearer,
}

impl AuthConfig {
    /// What the header says, or what is wrong with the key `auth`.
    pub(super) fn header(&self, secrets: &mut Secrets) -> Result<HeaderValue, Problem> {
        match (self.strategy, &self.user, &self.password, &self.token) {
            (Strategy::Basic, Some(user), password, None) => {
                basic(user, password.as_ref().map_or("", Secret::reveal), secrets)
            }
            (Strategy::Basic, ..) => {
                Err(Problem::new("the auth strategy basic needs a user and a password, and nothing else"))
            }
            (Strategy::Bearer, None, None, Some(token)) => {
                secrets.add(token.reveal());
                secret_value(&format!("Bearer {}", token.reveal()))
                    .ok_or_else(|| Problem::new("auth.token cannot stand in a header"))
            }
            (Strategy::Bearer, ..) => Err(Problem::new("the auth strategy bearer needs a token, and nothing else")),
        }
    }
}

/// Takes user and password out of a URI, and tells what the header says then, if there were any.
pub(super) fn of_uri(url: &mut Url, secrets: &mut Secrets) -> Result<Option<HeaderValue>, Problem> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (user, password) = (decoded(url.username()), decoded(url.password().unwrap_or_default()));
    // These fail for URIs without a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    if user.is_empty() && password.is_empty() { Ok(None) } else { basic(&user, &password, secrets).map(Some) }
}

/// As in [RFC 7617](https://www.rfc-editor.org/rfc/rfc7617).
fn basic(user: &str, password: &str, secrets: &mut Secrets) -> Result<HeaderValue, Problem> {
    if user.contains(':') {
        return Err(Problem::new("the user has a ':' in it, where the password would begin"));
    }
    let encoded = STANDARD.encode_to_string(format!("{user}:{password}"));
    secrets.add(password);
    secrets.add(&encoded);
    secret_value(&format!("Basic {encoded}")).ok_or_else(|| Problem::new("user and password fit no header"))
}

/// A header's value that is not shown.
pub(super) fn secret_value(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_password_of_a_uri_are_taken_out_of_it() {
        for (uri, header) in [
            ("https://ann:hunter2%3A@logs.test/", Some("Basic YW5uOmh1bnRlcjI6")),
            ("https://ann@logs.test/", Some("Basic YW5uOg==")),
            ("https://logs.test/", None),
        ] {
            let mut url = uri.parse().unwrap();
            let said = of_uri(&mut url, &mut Secrets::default()).unwrap();
            assert_eq!(said.as_ref().map(|value| value.to_str().unwrap()), header);
            assert_eq!(url.as_str(), "https://logs.test/");
        }
        assert!(of_uri(&mut "https://a%3Ab:c@logs.test/".parse().unwrap(), &mut Secrets::default()).is_err());
    }

    #[test]
    fn the_header_is_not_shown() {
        let json = r#"{ "strategy": "basic", "user": "ann", "password": "hunter2" }"#;
        let config: AuthConfig = serde_json::from_str(json).unwrap();
        let mut secrets = Secrets::default();
        let header = config.header(&mut secrets).unwrap();
        assert_eq!(secrets.hidden_in("hunter2 YW5uOmh1bnRlcjI="), "*** ***");
        assert_eq!(header.to_str().unwrap(), "Basic YW5uOmh1bnRlcjI=");
        let shown = format!("{header:?} {config:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("YW5u"), "{shown}");
    }
}
