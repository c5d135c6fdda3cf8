//! By which names the images of containers were chosen. Of a container whose image has lost its name, or
//! another one has it now, the engine's list shows an ID: then it is asked for what it was made with, once,
//! and when a client depends on it.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Deserialize;

use super::answers::Listed;
use crate::body::image::could_be_id;

/// So many containers are asked about at a time.
const MOST: usize = 64;

/// What is known of that, and what is wanted.
#[derive(Debug, Default)]
pub struct MadeFrom(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// By the IDs of containers. It never changes.
    known: HashMap<String, String>,
    /// The IDs of containers of which it is to be asked.
    wanted: HashSet<String>,
}

impl MadeFrom {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has these asked about. Whoever finds no room wants it again.
    pub fn want(&self, containers: &[String]) {
        let mut inner = self.inner();
        let room = MOST.saturating_sub(inner.wanted.len());
        let containers = containers.iter().take(room).cloned();
        inner.wanted.extend(containers);
    }

    /// Whether anything is wanted.
    pub fn is_wanted(&self) -> bool {
        !self.inner().wanted.is_empty()
    }

    /// The containers that are to be asked about now, of those that there are.
    pub fn take(&self, listed: &[Listed]) -> Vec<String> {
        let mut inner = self.inner();
        let all: HashSet<&str> = listed.iter().map(|one| one.id.as_str()).collect();
        inner.known.retain(|id, _| all.contains(id.as_str()));
        let wanted: Vec<String> = inner.wanted.drain().collect();
        let is_open = |id: &String| all.contains(id.as_str()) && !inner.known.contains_key(id);
        wanted.into_iter().filter(is_open).collect()
    }

    /// Learns what the engine says of one.
    pub fn learn(&self, container: String, said: Made) {
        self.inner().known.insert(container, said.config.image);
    }

    /// Writes down what is known, where the list does not show it.
    pub fn complete(&self, listed: &mut [Listed]) {
        let inner = self.inner();
        for one in listed {
            one.image = match one.image.take() {
                Some(shown) if !shown.is_empty() && !could_be_id(&shown) => Some(shown),
                _ => inner.known.get(&one.id).cloned(),
            };
        }
    }
}

/// What the engine says of how a container was made.
#[derive(Debug, Deserialize)]
pub struct Made {
    #[serde(rename = "Config")]
    config: Config,
}

#[derive(Debug, Deserialize)]
struct Config {
    #[serde(rename = "Image")]
    image: String,
}
