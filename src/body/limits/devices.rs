//! `DEVICES`: devices by their paths, and those that a driver chooses.

use std::fmt::{self, Display, Formatter};

use super::list::{self, Mistake};
use crate::body::glob::Glob;
use crate::body::reach::clean;

/// All devices of a driver.
const ALL: &str = "all";

/// What `DEVICES` lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Devices(Vec<Device>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Device {
    /// `/dev/dri`, `/dev/ttyUSB*`. With `/**`, also what lies below.
    Path { path: Glob, below: Option<Glob> },
    /// `nvidia=all`, `cdi=vendor.com/class=name`.
    Driver { driver: String, device: Glob },
}

impl Devices {
    /// Reads the list.
    pub fn parse(text: &str) -> Result<Devices, Vec<Mistake>> {
        list::entries(text, Device::parse).map(Devices)
    }

    /// Whether a device of the host is listed. The engine follows a symlink there, and takes a
    /// folder for all devices in it.
    pub fn allows_path(&self, asked: &str) -> bool {
        let plain = asked.starts_with('/') && clean(asked) == asked;
        plain
            && self.0.iter().any(|own| match own {
                Device::Path { path, below } => {
                    path.fits(asked) || below.as_ref().is_some_and(|below| below.fits(asked))
                }
                Device::Driver { .. } => false,
            })
    }

    /// Whether each of a driver's devices is listed. To ask for no device in particular leaves the
    /// choice to the image.
    pub fn allows_request(&self, asked: &str, devices: &[String]) -> bool {
        let listed = |name: &str| {
            self.0.iter().any(|own| match own {
                Device::Driver { driver, device } => {
                    driver == asked && (device.to_string() == ALL || device.fits(name))
                }
                Device::Path { .. } => false,
            })
        };
        match devices {
            [] => listed(ALL),
            devices => devices.iter().all(|device| listed(device)),
        }
    }
}

impl Device {
    fn parse(entry: &str) -> Result<Device, Mistake> {
        if entry.starts_with('/') {
            let path = entry.strip_suffix("/**").unwrap_or(entry);
            if entry == "/**" || clean(path) != path {
                let help = "use a path like /dev/dri";
                return Err(Mistake::new(entry, "is not the path of a device", help));
            }
            if path.contains(':') {
                let help = "list the path on the host alone";
                return Err(Mistake::new(entry, "has an option", help));
            }
            let below = (path.len() < entry.len()).then(|| super::names::name(entry));
            let below = below.transpose()?;
            let path = super::names::name(path)?;
            return Ok(Device::Path { path, below });
        }
        match entry.split_once('=') {
            Some((driver, device)) if !driver.is_empty() && !device.is_empty() => {
                super::names::name(driver)?;
                let (driver, device) = (driver.to_owned(), super::names::name(device)?);
                Ok(Device::Driver { driver, device })
            }
            _ => {
                let help = "use a path like /dev/dri, or DRIVER=DEVICE like nvidia=all";
                Err(Mistake::new(entry, "is not a device", help))
            }
        }
    }
}

impl Display for Device {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Device::Path { path, below } => below.as_ref().unwrap_or(path).fmt(f),
            Device::Driver { driver, device } => write!(f, "{driver}={device}"),
        }
    }
}

impl Display for Devices {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        list::show(f, &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_listed() {
        let text = "/dev/dri, /dev/ttyUSB*, /dev/snd/**, nvidia=all, gpu=2, cdi=x.com/gpu=*";
        let own = Devices::parse(text).expect("a list");
        for path in ["/dev/dri", "/dev/ttyUSB0", "/dev/snd", "/dev/snd/a/b"] {
            assert!(own.allows_path(path), "{path}");
        }
        for path in [
            "/dev/dri/card0",
            "/dev/dri/",
            "/dev/dri/../sda",
            "/dev//dri",
            "/dev/ttyUSB0/x",
            "/dev/sda",
            "/dev",
            "",
            "dev/dri",
            "nvidia=all",
        ] {
            assert!(!own.allows_path(path), "{path}");
        }
        assert_eq!(own.to_string(), text);
    }

    #[test]
    fn requests_are_listed() {
        let own = Devices::parse("nvidia=all, gpu=2, cdi=x.com/gpu=*").expect("a list");
        let allows = |driver: &str, devices: &[&str]| {
            let devices: Vec<String> = devices.iter().map(|&device| device.to_owned()).collect();
            own.allows_request(driver, &devices)
        };
        assert!(allows("nvidia", &["all"]) && allows("nvidia", &[]) && allows("nvidia", &["7"]));
        assert!(allows("gpu", &["2"]) && !allows("gpu", &["all"]) && !allows("gpu", &[]));
        assert!(allows("cdi", &["x.com/gpu=0", "x.com/gpu=1"]));
        assert!(!allows("cdi", &["x.com/gpu=0", "y.com/gpu=0"]));
        assert!(!allows("", &["all"]) && !allows("amd", &["all"]));
        let mistakes = Devices::parse("/dev/../x, /dev/a:/dev/b, sda, =all, nvidia=, /**");
        assert_eq!(mistakes.expect_err("mistakes").len(), 6);
    }
}
