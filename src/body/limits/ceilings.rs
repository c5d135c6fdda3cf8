//! `MEMORY_MAX`, `CPUS_MAX` and `PIDS_MAX`: how much of the host a container may take.
//!
//! Where a body that makes a container or a service has none, the ceiling is written in. An update
//! is checked alone: what it does not mention stays as it is.

use std::fmt::{self, Display, Formatter};

use super::excess::Excess;
use super::list::Mistake;
use super::{Limit, Limits, Subject};
use crate::body::json::Value;

/// A number that is not exceeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ceiling {
    text: String,
    most: i64,
}

/// The least that the engine takes.
const LEAST_MEMORY: i64 = 6 << 20;
/// The engine's own period, in microseconds, where none is given.
const PERIOD: i64 = 100_000;
/// CPUs are counted in billionths.
const NANO: u32 = 9;

impl Ceiling {
    /// Reads a size in binary units, as `docker run --memory` does: `512m`, `2g`.
    pub fn memory(text: &str) -> Result<Ceiling, Vec<Mistake>> {
        let help = "use a size like 512m or 2g";
        let lower = text.trim().to_ascii_lowercase();
        let start = lower.strip_suffix('b').unwrap_or(&lower);
        let units = [("k", 10), ("m", 20), ("g", 30), ("t", 40)];
        let unit = units
            .iter()
            .find_map(|(unit, shift)| Some((start.strip_suffix(unit)?, *shift)));
        let (digits, shift) = unit.unwrap_or((start, 0));
        let bytes = whole(digits).and_then(|number| number.checked_mul(1 << shift));
        match bytes {
            Some(bytes) if bytes < LEAST_MEMORY => {
                let problem = "is less than the 6 MiB that the engine needs";
                Err(vec![Mistake::new(text, problem, help)])
            }
            bytes => Ceiling::of(text, bytes, "is not a size", help),
        }
    }

    /// Reads a number of CPUs, as `docker run --cpus` does: `1.5`.
    pub fn cpus(text: &str) -> Result<Ceiling, Vec<Mistake>> {
        let (number, fraction) = match text.trim().split_once('.') {
            Some((number, fraction)) => (number, fraction),
            None => (text.trim(), "0"),
        };
        let digits = u32::try_from(fraction.len()).ok();
        let shift = digits.and_then(|digits| NANO.checked_sub(digits));
        let nano = shift.and_then(|shift| {
            let fraction = whole(fraction)?.checked_mul(10_i64.pow(shift))?;
            let number = whole(number)?.checked_mul(10_i64.pow(NANO))?;
            number.checked_add(fraction)
        });
        Ceiling::of(text, nano, "is not a number of CPUs", "use one like 1.5")
    }

    /// Reads a number of processes and threads: `512`.
    pub fn pids(text: &str) -> Result<Ceiling, Vec<Mistake>> {
        let number = whole(text.trim());
        Ceiling::of(
            text,
            number,
            "is not a number of processes",
            "use one like 512",
        )
    }

    fn of(
        text: &str,
        most: Option<i64>,
        problem: &str,
        help: &str,
    ) -> Result<Ceiling, Vec<Mistake>> {
        match most.filter(|most| *most > 0) {
            Some(most) => Ok(Ceiling {
                text: text.trim().to_owned(),
                most,
            }),
            None => Err(vec![Mistake::new(text, problem, help)]),
        }
    }
}

/// Digits alone.
fn whole(text: &str) -> Option<i64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

impl Display for Ceiling {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Where a body has its resources.
struct Places {
    memory: &'static str,
    /// Swap, and how much of it the engine gives by itself for the memory.
    swap: (&'static str, i64),
    nano_cpus: &'static str,
    /// A share of the CPUs: so much of each period.
    share: Option<(&'static str, &'static str)>,
    /// Time of the CPUs for processes that come before all others, which no share bounds.
    real_time: &'static [&'static str],
    pids: &'static str,
}

fn places(subject: Subject) -> Option<Places> {
    match subject {
        Subject::Create => Some(Places {
            memory: "HostConfig.Memory",
            // Memory and swap together.
            swap: ("HostConfig.MemorySwap", 2),
            nano_cpus: "HostConfig.NanoCpus",
            share: Some(("HostConfig.CpuQuota", "HostConfig.CpuPeriod")),
            real_time: &[
                "HostConfig.CpuRealtimePeriod",
                "HostConfig.CpuRealtimeRuntime",
            ],
            pids: "HostConfig.PidsLimit",
        }),
        Subject::Update => Some(Places {
            memory: "Memory",
            swap: ("MemorySwap", 2),
            nano_cpus: "NanoCpus",
            share: Some(("CpuQuota", "CpuPeriod")),
            real_time: &["CpuRealtimePeriod", "CpuRealtimeRuntime"],
            pids: "PidsLimit",
        }),
        Subject::Service => Some(Places {
            memory: "TaskTemplate.Resources.Limits.MemoryBytes",
            swap: ("TaskTemplate.Resources.SwapBytes", 1),
            nano_cpus: "TaskTemplate.Resources.Limits.NanoCPUs",
            share: None,
            real_time: &[],
            pids: "TaskTemplate.Resources.Limits.Pids",
        }),
        _ => None,
    }
}

impl Places {
    /// The share that a body asks for, if it does.
    fn share_of<'v>(&self, tree: &'v Value) -> Option<(&'v Value, &'v Value)> {
        let (quota, period) = self.share?;
        let share = (tree.at(quota), tree.at(period));
        (!share.0.is_empty() || !share.1.is_empty()).then_some(share)
    }
}

/// Writes the ceilings in where a body that makes something has none.
pub(super) fn fill(limits: &Limits, subject: Subject, tree: &mut Value) {
    let Some(places) = places(subject).filter(|_| subject != Subject::Update) else {
        return;
    };
    let is_shared = places.share_of(tree).is_some();
    for (limit, place) in [
        (Some(&limits.memory_max), places.memory),
        (
            Some(&limits.cpus_max).filter(|_| !is_shared),
            places.nano_cpus,
        ),
        (Some(&limits.pids_max), places.pids),
    ] {
        let ceiling = limit.and_then(|limit| limit.entries.as_ref());
        if let Some(ceiling) = ceiling
            && tree.at(place).is_empty()
            && let Some(own) = tree.at_mut(place)
        {
            *own = ceiling.most.into();
        }
    }
}

/// What a body asks for beyond the ceilings.
pub(super) fn judge(
    limits: &Limits,
    subject: Subject,
    tree: &Value,
    found: &mut impl FnMut(Excess),
) {
    let Some(places) = places(subject) else {
        return;
    };
    // What an update does not mention stays as it is.
    let stays = subject == Subject::Update;
    let share = places.share_of(tree);
    let mut check = |limit: &Limit<Ceiling>, place: &str, times: i64, optional: bool| {
        let value = tree.at(place);
        let fits = |ceiling: &Ceiling| {
            let number = value.as_i64();
            let within = |number| (1..=ceiling.most.saturating_mul(times)).contains(&number);
            optional && value.is_empty() || number.is_some_and(within)
        };
        if !limit.entries.as_ref().is_none_or(fits) {
            let shown = (*value != Value::Null).then(|| value.shown());
            found(limit.excess(place, shown.as_deref()));
        }
    };
    check(&limits.memory_max, places.memory, 1, stays);
    check(&limits.memory_max, places.swap.0, places.swap.1, true);
    check(
        &limits.cpus_max,
        places.nano_cpus,
        1,
        stays || share.is_some(),
    );
    // The engine takes a 0 for no limit.
    let is_absent = *tree.at(places.pids) == Value::Null;
    check(&limits.pids_max, places.pids, 1, stays && is_absent);
    for place in places.real_time {
        let value = tree.at(place);
        if limits.cpus_max.entries.is_some() && !value.is_empty() {
            found(limits.cpus_max.excess(place, Some(&value.shown())));
        }
    }
    if let (Some((quota, period)), Some(names)) = (share, places.share) {
        let fits = |ceiling: &Ceiling| is_share(quota, period, ceiling.most, stays);
        if !limits.cpus_max.entries.as_ref().is_none_or(fits) {
            let (place, value) = match quota.is_empty() {
                true => (names.1, period),
                false => (names.0, quota),
            };
            found(limits.cpus_max.excess(place, Some(&value.shown())));
        }
    }
}

/// Whether so much of each period is no more than the CPUs that there may be. An update that gives
/// one of the two could multiply what the container has.
fn is_share(quota: &Value, period: &Value, most: i64, stays: bool) -> bool {
    let period = match period.is_empty() {
        true if stays => None,
        true => Some(PERIOD),
        false => period.as_i64(),
    };
    let (Some(quota), Some(period)) = (quota.as_i64(), period) else {
        return false;
    };
    let used = i128::from(quota) * 10_i128.pow(NANO);
    quota > 0 && period > 0 && used <= i128::from(most) * i128::from(period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        for (text, most) in [
            ("2g", 2 << 30),
            ("512M", 512 << 20),
            ("512mb", 512 << 20),
            ("8388608", 8 << 20),
            ("8388608b", 8 << 20),
            ("1t", 1 << 40),
            (" 9000k\n", 9000 << 10),
        ] {
            assert_eq!(Ceiling::memory(text).expect(text).most, most, "{text}");
        }
        for text in [
            "", "g", "1.5g", "-1", "+2g", "2gg", "2gbb", "2 g", "9999999t", "2gi", "none",
        ] {
            let mistakes = Ceiling::memory(text).expect_err(text);
            assert_eq!(mistakes[0].problem, "is not a size", "{text}");
        }
        let mistakes = Ceiling::memory("5m").expect_err("too little");
        assert_eq!(
            mistakes[0].to_string(),
            "5m is less than the 6 MiB that the engine needs; use a size like 512m or 2g"
        );
    }

    #[test]
    fn numbers_are_read() {
        for (text, most) in [
            ("1.5", 1_500_000_000),
            ("2", 2_000_000_000),
            ("0.01", 10_000_000),
            ("0.000000001", 1),
        ] {
            assert_eq!(Ceiling::cpus(text).expect(text).most, most, "{text}");
        }
        for text in [
            "",
            "0",
            "0.0",
            "1.",
            ".5",
            "-1",
            "1,5",
            "1e3",
            "0.0000000001",
            "99999999999",
        ] {
            assert!(Ceiling::cpus(text).is_err(), "{text}");
        }
        assert_eq!(Ceiling::pids("512").expect("a number").most, 512);
        for text in ["", "0", "-1", "1.5", "many", "99999999999999999999"] {
            assert!(Ceiling::pids(text).is_err(), "{text}");
        }
        assert_eq!(Ceiling::cpus(" 1.5 ").expect("a number").to_string(), "1.5");
    }
}
