//! The table `[api]`: whether a running pipeline tells how it stands, and where.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::Deserialize;

use super::tree::{Node, NodeValue};
use super::{Mistake, read_config};

/// As Vector has it: for this machine alone.
const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8686);

#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub(super) struct Api {
    /// Whether there is one. Default: false.
    enabled: bool,
    /// Where it listens, an IP address and a port; port 0 is any that is free. Default: `127.0.0.1:8686`.
    address: Option<String>,
}

/// Where to listen, if anywhere.
pub(super) fn api(node: &Node, mistakes: &mut Vec<Mistake>) -> Option<SocketAddr> {
    if !matches!(node.value, NodeValue::Table(_)) {
        let mistake = Mistake::at(node.place.clone(), format!("expected a table, found {}", node.kind()));
        mistakes.push(mistake.hint("write it as a table [api] with enabled = true"));
        return None;
    }
    let api: Api = read_config(node, mistakes)?;
    if api.enabled && !cfg!(feature = "api") {
        let place = node.get("enabled").map_or(&node.place, |enabled| &enabled.place);
        mistakes.push(Mistake::at(place.clone(), "this program was built without the API"));
    }
    let address = match api.address.as_deref().map(str::parse) {
        None => DEFAULT,
        Some(Ok(address)) => address,
        Some(Err(_)) => {
            let place = node.get("address").map_or(&node.place, |address| &address.place);
            let mistake = Mistake::at(place.clone(), "the address is an IP address and a port");
            mistakes.push(mistake.hint(format!("address = \"{DEFAULT}\" is for this machine alone")));
            return None;
        }
    };
    api.enabled.then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<SocketAddr>, usize) {
        let mut mistakes = Vec::new();
        let root = Node::parse(0, text, &mut mistakes);
        let address = api(root.get("api").expect("there is one"), &mut mistakes);
        (address, mistakes.len())
    }

    #[test]
    fn it_is_off_unless_it_is_turned_on() {
        assert_eq!(read("[api]"), (None, 0));
        assert_eq!(read("[api]\naddress = \"0.0.0.0:80\""), (None, 0));
        assert_eq!(
            read("[api]\nenabled = true\naddress = \"localhost:80\""),
            (None, 1 + usize::from(!cfg!(feature = "api")))
        );
    }

    #[test]
    fn it_can_be_turned_on_where_it_was_built_in() {
        let mistakes = usize::from(!cfg!(feature = "api"));
        assert_eq!(read("[api]\nenabled = true"), (Some(DEFAULT), mistakes));
        let address = "[::1]:0";
        assert_eq!(
            read(&format!("api = {{ enabled = true, address = \"{address}\" }}")),
            (address.parse().ok(), mistakes)
        );
    }
}
