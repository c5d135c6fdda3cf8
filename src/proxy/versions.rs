//! Versions of the API: what clients are told in headers, and the engine's lowest version, to which older
//! requests are raised.
//!
//! That version is remembered for a few seconds, so that old clients don't cost a question for each request:
//! an engine that was replaced is soon asked again. If it then has a higher lowest version than is
//! remembered, it refuses the request itself; a lower one loses nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use tokio::time::Instant;

use super::clearance::{Questions, Unsettled};
use super::client::Client;
use super::engine::{Engine, SameHost};
use crate::api::{Target, Version};
use crate::body::inspection::Fact;
use crate::body::versions::{Bounds, lowest, stated};

/// So long it is remembered.
const REMEMBERED: Duration = Duration::from_secs(5);
/// The header in which the engine says its newest version.
const API_VERSION: &str = "api-version";

/// The engine's lowest version, if it says one, and when it said so.
#[derive(Debug, Default)]
pub(super) struct Lowest(Mutex<Option<(Instant, Option<Version>)>>);

impl Lowest {
    fn remembered(&self, now: Instant) -> Option<Option<Version>> {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, lowest) = last?;
        (now.duration_since(at) < REMEMBERED).then_some(lowest)
    }

    /// Nothing is remembered: it can be another engine.
    pub(super) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn remember(&self, lowest: Option<Version>, now: Instant) {
        let last = Some((now, lowest));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = last;
    }
}

/// A request that the bounds cover, in a version that the engine accepts.
///
/// # Errors
/// The engine does not say which versions it accepts.
pub(super) async fn raised(
    client: &Client,
    engine: &Arc<Engine>,
    bounds: Bounds,
    target: Target,
    same: &SameHost,
) -> Result<Target, Unsettled> {
    let version = match engine.lowest.remembered(Instant::now()) {
        Some(version) => version,
        None => {
            let mut charge = client.shared.bodies.charge(client.held.bodies());
            let mut questions = Questions::new(engine, same);
            let answers = questions.ask(&[Fact::Version], &mut charge).await?;
            let version = answers.iter().find_map(|(_, answer)| lowest(answer));
            // An engine that cannot answer now, since it starts, can do so at once.
            if answers.iter().any(|(_, answer)| answer.found().is_some()) {
                engine.lowest.remember(version, Instant::now());
            }
            version
        }
    };
    Ok(match version {
        Some(version) => bounds.raise(target, version),
        None => target,
    })
}

/// Tells the engine's newest version within the bounds.
pub(super) fn tell(headers: &mut HeaderMap, bounds: Bounds) {
    let Some(value) = headers.get_mut(API_VERSION) else {
        return;
    };
    let engine = value.to_str().ok().and_then(stated);
    let told = engine.map(|engine| (engine, bounds.newest(engine)));
    if let Some((engine, told)) = told
        && told != engine
        && let Ok(told) = HeaderValue::try_from(told.to_string())
    {
        *value = told;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_soon_asked_again() {
        let (lowest, now) = (Lowest::default(), Instant::now());
        assert_eq!(lowest.remembered(now), None);
        lowest.remember(Some(Version(1, 44)), now);
        assert_eq!(lowest.remembered(now), Some(Some(Version(1, 44))));
        assert_eq!(lowest.remembered(now + REMEMBERED), None);
        lowest.forget();
        assert_eq!(lowest.remembered(now), None);
    }

    #[test]
    fn the_header_is_lowered_and_never_made() {
        let bounds = Bounds::read(None, Some("1.44")).expect("bounds");
        for (engine, told) in [
            (Some("1.52"), Some("1.44")),
            (Some("1.44"), Some("1.44")),
            (Some("1.41"), Some("1.41")),
            (Some("x"), Some("x")),
            (None, None),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(engine) = engine {
                headers.insert(API_VERSION, HeaderValue::from_static(engine));
            }
            tell(&mut headers, bounds);
            let found = headers
                .get(API_VERSION)
                .map(|value| value.to_str().expect("text"));
            assert_eq!(found, told, "{engine:?}");
        }
    }
}
