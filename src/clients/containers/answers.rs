//! The engine's answers, as far as they tell of containers and their addresses.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::io::Read;
use std::net::IpAddr;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// What the engine says of one container.
#[derive(Debug, Deserialize)]
pub struct Inspect {
    /// Its full ID.
    #[serde(rename = "Id")]
    pub id: String,
    #[serde(rename = "HostConfig")]
    pub(super) host_config: HostConfig,
    #[serde(rename = "NetworkSettings")]
    pub(super) settings: Settings,
}

impl Inspect {
    /// Whether it is in the networks of the host.
    pub fn is_in_host(&self) -> bool {
        self.host_config.mode == "host"
    }

    /// The container whose networks it shares.
    pub fn shares(&self) -> Option<&str> {
        self.host_config.shared()
    }

    /// Its addresses.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.settings.networks.values().flat_map(Place::addresses)
    }

    /// The IDs of its networks.
    pub fn networks(&self) -> impl Iterator<Item = &str> {
        let all = self.settings.networks.values();
        all.map(|one| one.network.as_str())
            .filter(|id| !id.is_empty())
    }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct HostConfig {
    #[serde(rename = "NetworkMode", default)]
    pub(super) mode: String,
}

impl HostConfig {
    pub(super) fn shared(&self) -> Option<&str> {
        self.mode.strip_prefix("container:")
    }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Settings {
    #[serde(rename = "Networks", default, deserialize_with = "or_default")]
    pub(super) networks: BTreeMap<String, Place>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Place {
    #[serde(rename = "NetworkID")]
    pub(super) network: String,
    #[serde(rename = "IPAddress")]
    pub(super) v4: String,
    #[serde(rename = "GlobalIPv6Address")]
    pub(super) v6: String,
    #[serde(rename = "Gateway")]
    pub(super) gateway: String,
    #[serde(rename = "IPv6Gateway")]
    pub(super) gateway_v6: String,
}

impl Place {
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        [&self.v4, &self.v6]
            .into_iter()
            .filter_map(|text| plain(text))
    }

    pub(super) fn gateways(&self) -> impl Iterator<Item = IpAddr> {
        let gateways = [&self.gateway, &self.gateway_v6];
        gateways.into_iter().filter_map(|text| plain(text))
    }
}

/// A network, and who is in it.
#[derive(Debug, Deserialize)]
pub struct Network {
    /// Its full ID.
    #[serde(rename = "Id")]
    pub id: String,
    #[serde(rename = "Name", default)]
    pub(super) name: String,
    /// Whether its containers may be those of a swarm.
    #[serde(rename = "Driver", default)]
    pub driver: String,
    #[serde(rename = "Ingress", default)]
    pub(super) ingress: bool,
    #[serde(rename = "IPAM", default)]
    pub(super) ipam: Ipam,
    #[serde(rename = "Containers", default)]
    pub(super) containers: Option<BTreeMap<String, Held>>,
}

impl Network {
    /// The IDs of the containers in it.
    pub fn held(&self) -> impl Iterator<Item = &String> {
        self.containers.iter().flatten().map(|(id, _)| id)
    }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Ipam {
    #[serde(rename = "Config", default)]
    pub(super) config: Option<Vec<IpamConfig>>,
}

#[derive(Debug, Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(super) struct IpamConfig {
    #[serde(rename = "Subnet")]
    pub(super) subnet: String,
    #[serde(rename = "Gateway")]
    pub(super) gateway: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Held {
    #[serde(rename = "EndpointID")]
    pub(super) id: String,
    #[serde(rename = "IPv4Address", default)]
    pub(super) v4: String,
    #[serde(rename = "IPv6Address", default)]
    pub(super) v6: String,
}

/// What a container's labels may have together in bytes: whoever creates it writes what it likes.
const MOST_LABELS: usize = 64 << 10;

/// The labels of a container.
#[derive(Debug, Default)]
pub(super) struct Labels {
    pub(super) all: BTreeMap<String, String>,
    /// Whether they were too long, and some are missing.
    pub(super) is_cut: bool,
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Labels, D::Error> {
        struct Kept;
        impl<'de> Visitor<'de> for Kept {
            type Value = Labels;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("labels")
            }

            fn visit_unit<E>(self) -> Result<Labels, E> {
                Ok(Labels::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
                let (mut labels, mut size) = (Labels::default(), 0);
                while let Some((key, value)) = map.next_entry::<String, String>()? {
                    size += key.len() + value.len();
                    labels.is_cut |= size > MOST_LABELS;
                    if !labels.is_cut {
                        labels.all.insert(key, value);
                    }
                }
                Ok(labels)
            }
        }
        deserializer.deserialize_any(Kept)
    }
}

/// Reads the list of all containers as it comes. Only those keep their labels that may have an address: by
/// their IDs, or because they share another one's.
///
/// # Errors
/// It is no such list.
pub fn read_listed(from: impl Read, held: &HashSet<String>) -> serde_json::Result<Vec<Listed>> {
    struct Each<'a>(&'a HashSet<String>);
    impl<'de> DeserializeSeed<'de> for Each<'_> {
        type Value = Vec<Listed>;

        fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Vec<Listed>, D::Error> {
            from.deserialize_seq(self)
        }
    }
    impl<'de> Visitor<'de> for Each<'_> {
        type Value = Vec<Listed>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("containers")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Vec<Listed>, A::Error> {
            let mut listed = Vec::new();
            while let Some(mut one) = all.next_element::<Listed>()? {
                if !self.0.contains(&one.id) && one.host_config.shared().is_none() {
                    one.labels = Labels::default();
                }
                listed.push(one);
            }
            Ok(listed)
        }
    }
    let mut from = serde_json::Deserializer::from_reader(from);
    let listed = Each(held).deserialize(&mut from)?;
    from.end()?;
    Ok(listed)
}

/// A container in the list of all.
#[derive(Debug, Deserialize)]
pub struct Listed {
    #[serde(rename = "Id")]
    pub(super) id: String,
    #[serde(rename = "Names", default)]
    pub(super) names: Option<Vec<String>>,
    #[serde(rename = "Image", default)]
    pub(super) image: Option<String>,
    #[serde(rename = "State", default)]
    pub(super) state: String,
    #[serde(rename = "Labels", default)]
    pub(super) labels: Labels,
    #[serde(rename = "HostConfig", default)]
    pub(super) host_config: HostConfig,
}

impl Listed {
    /// Whether it has processes, as far as that is not certain.
    pub(super) fn runs(&self) -> bool {
        !["created", "exited", "dead"].contains(&self.state.as_str())
    }
}

/// A task of a swarm.
#[derive(Debug, Deserialize)]
pub struct Task {
    #[serde(rename = "ID")]
    pub(super) id: String,
    #[serde(rename = "CreatedAt", default)]
    pub(super) created: String,
    #[serde(rename = "Spec", default)]
    pub(super) spec: TaskSpec,
    #[serde(rename = "Status", default)]
    pub(super) status: TaskStatus,
    #[serde(rename = "NetworksAttachments", default)]
    pub(super) networks: Option<Vec<Attachment>>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct TaskSpec {
    #[serde(rename = "ContainerSpec", default)]
    pub(super) container: ContainerSpec,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ContainerSpec {
    #[serde(rename = "Image", default)]
    pub(super) image: String,
    #[serde(rename = "Labels", default)]
    pub(super) labels: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct TaskStatus {
    #[serde(rename = "State", default)]
    pub(super) state: String,
    #[serde(rename = "ContainerStatus", default)]
    pub(super) container: Option<ContainerStatus>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ContainerStatus {
    #[serde(rename = "ContainerID", default)]
    pub(super) id: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Attachment {
    #[serde(rename = "Network", default)]
    pub(super) network: Attached,
    #[serde(rename = "Addresses", default)]
    pub(super) addresses: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Attached {
    #[serde(rename = "ID", default)]
    pub(super) id: String,
}

impl Task {
    /// Whether it has given its addresses back.
    pub(super) fn is_over(&self) -> bool {
        const OVER: [&str; 6] = [
            "complete", "shutdown", "failed", "rejected", "remove", "orphaned",
        ];
        OVER.contains(&self.status.state.as_str())
    }

    /// When it was made, which is when it got its addresses.
    pub(super) fn created(&self) -> Option<u64> {
        let at = humantime::parse_rfc3339(&self.created).ok()?;
        let since = at.duration_since(std::time::UNIX_EPOCH).ok()?;
        u64::try_from(since.as_nanos()).ok()
    }
}

/// The engine writes `null` for what is empty.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// `172.20.0.5/16` without its prefix.
pub(super) fn plain(text: &str) -> Option<IpAddr> {
    text.split('/').next()?.parse().ok()
}
