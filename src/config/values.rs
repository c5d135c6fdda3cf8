//! The values of settings, except addresses and paths.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use super::diagnostics::Unfit;
use crate::tls::ClientAuth;

/// syslog's levels, by the names of Tecnativa's variable; the least severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Headers and decision steps.
    Debug,
    /// Allowed requests.
    Info,
    /// Start and stop.
    Notice,
    /// Denied requests.
    Warning,
    /// Failures of the engine.
    Err,
    /// Failures of dockgate.
    Crit,
    /// Nothing is logged at this level.
    Alert,
    /// Nothing logs at this level.
    Emerg,
}

pub(super) fn log_level(value: &str) -> Result<LogLevel, Unfit> {
    Ok(match value.to_ascii_lowercase().as_str() {
        "debug" => LogLevel::Debug,
        "info" => LogLevel::Info,
        "notice" => LogLevel::Notice,
        "warning" => LogLevel::Warning,
        "err" => LogLevel::Err,
        "crit" => LogLevel::Crit,
        "alert" => LogLevel::Alert,
        "emerg" => LogLevel::Emerg,
        _ => {
            let help = "use debug, info, notice, warning, err, crit, alert or emerg";
            return Err(Unfit::new("is not a log level", help));
        }
    })
}

/// syslog's numbers, as hectorm/cetusguard has them; those beyond are the nearest.
pub(super) fn cetusguard_log_level(value: &str) -> Result<LogLevel, Unfit> {
    let digits = value.strip_prefix(['-', '+']).unwrap_or(value);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Unfit::new("is not a log level", "use a number from 0 to 7"));
    }
    Ok(
        match (value.starts_with('-'), digits.trim_start_matches('0')) {
            (true, _) | (_, "") => LogLevel::Emerg,
            (_, "1") => LogLevel::Alert,
            (_, "2") => LogLevel::Crit,
            (_, "3") => LogLevel::Err,
            (_, "4") => LogLevel::Warning,
            (_, "5") => LogLevel::Notice,
            (_, "6") => LogLevel::Info,
            _ => LogLevel::Debug,
        },
    )
}

/// The levels of Go's slog.
pub(super) fn go_log_level(value: &str) -> Result<LogLevel, Unfit> {
    Ok(match value.to_ascii_uppercase().as_str() {
        "DEBUG" => LogLevel::Debug,
        "INFO" => LogLevel::Info,
        "WARN" => LogLevel::Warning,
        "ERROR" => LogLevel::Err,
        _ => {
            let help = "use DEBUG, INFO, WARN or ERROR";
            return Err(Unfit::new("is not a log level", help));
        }
    })
}

/// Whether clients need a certificate.
pub(super) fn client_auth(value: &str) -> Result<ClientAuth, Unfit> {
    match value {
        "required" => Ok(ClientAuth::Required),
        "optional" => Ok(ClientAuth::Optional),
        _ => Err(Unfit::new(
            "is not a way to ask for certificates",
            "use required or optional",
        )),
    }
}

/// Any text.
pub(super) fn text(value: &str) -> Result<String, Unfit> {
    Ok(value.to_owned())
}

/// A container's name or ID, or none.
pub(super) fn container(value: &str) -> Result<String, Unfit> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    match value.bytes().all(fits) {
        true => Ok(value.to_owned()),
        false => Err(Unfit::new("is not the name or the ID of a container", "")),
    }
}

/// Host names, without ports.
pub(super) fn hosts(value: &str) -> Result<Vec<Box<str>>, Unfit> {
    let names = value
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    names
        .map(|name| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            if name.bytes().all(is_plain) {
                Ok(name.trim_end_matches('.').into())
            } else {
                let help = "use names without scheme and port, such as docker.example.com";
                Err(Unfit::new("is not a list of host names", help))
            }
        })
        .collect()
}

/// As Go's `strconv.ParseBool` reads it.
pub(super) fn go_bool(value: &str) -> Result<bool, Unfit> {
    match value {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(Unfit::new("is not a boolean", "use true or false")),
    }
}

pub(super) fn ip(value: &str) -> Result<IpAddr, Unfit> {
    let unfit = |_| Unfit::new("is not an IP address", "use one, like 0.0.0.0");
    value.parse().map_err(unfit)
}

pub(super) fn mode(value: &str) -> Result<u32, Unfit> {
    let digits = value.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    let mode = u32::from_str_radix(value, 8)
        .ok()
        .filter(|mode| digits && *mode <= 0o777);
    mode.ok_or_else(|| Unfit::new("is not a file mode", "use octal digits, like 0660"))
}

/// A file mode as Go parses numbers.
pub(super) fn go_mode(value: &str) -> Result<u32, Unfit> {
    let lower = value.to_ascii_lowercase();
    let prefixes = [("0x", 16), ("0b", 2), ("0o", 8), ("0", 8)];
    let prefixed = prefixes.iter().find_map(|(prefix, radix)| {
        let digits = lower.strip_prefix(prefix).filter(|rest| !rest.is_empty())?;
        Some((digits, *radix))
    });
    let (digits, radix) = prefixed.unwrap_or((&lower, 10));
    let signed = digits.starts_with('+');
    let number = u32::from_str_radix(digits, radix).ok();
    let mode = number.filter(|mode| !signed && *mode <= 0o777);
    mode.ok_or_else(|| {
        let problem = "is not a file mode (digits without a leading 0 are decimal)";
        Unfit::new(problem, "use octal digits with a leading 0, like 0660")
    })
}

/// A number within bounds.
pub(super) fn number<T: FromStr + PartialOrd + fmt::Display>(
    value: &str,
    least: T,
    most: T,
) -> Result<T, Unfit> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    let number = value
        .parse()
        .ok()
        .filter(|number| digits && *number >= least && *number <= most);
    number.ok_or_else(|| {
        let problem = format!("must be a whole number from {least} to {most}");
        Unfit::new(problem, "")
    })
}

/// A number of seconds, up to a maximum.
pub(super) fn seconds(value: &str, most: u64) -> Result<Duration, Unfit> {
    number(value, 0, most).map(Duration::from_secs)
}
