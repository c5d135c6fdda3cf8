//! The engine's answers, as far as they tell of containers and their addresses.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;

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

/// A container in the list of all.
#[derive(Debug, Deserialize)]
pub struct Listed {
    #[serde(rename = "Id")]
    pub(super) id: String,
    #[serde(rename = "Names", default)]
    pub(super) names: Option<Vec<String>>,
    #[serde(rename = "Image", default)]
    pub(super) image: String,
    #[serde(rename = "State", default)]
    pub(super) state: String,
    #[serde(rename = "Labels", default)]
    pub(super) labels: Option<BTreeMap<String, String>>,
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
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// `172.20.0.5/16` without its prefix.
pub(super) fn plain(text: &str) -> Option<IpAddr> {
    text.split('/').next()?.parse().ok()
}
