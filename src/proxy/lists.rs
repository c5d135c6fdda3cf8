//! The lists that containers have by their labels, each made when its first client asks.
//!
//! One is made at a time, in a thread of its own; a request whose list is not there yet waits for it as for
//! any other question, and no other policy is tried meanwhile. So many are kept; the one that was needed
//! least lately gives way to a new one.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use arc_swap::ArcSwap;
use tokio::sync::{Semaphore, watch};
use tokio::task::spawn_blocking;

use super::engine::Engine;
use super::rulebook::{Entry, Refusal};
use crate::body::inspection::Others;
use crate::clients::containers::Seen;
use crate::config::{Diagnostic, LabelLists, Labels, OwnList};
use crate::observe::access::PolicyName;
use crate::policy::Remedy;

/// So many lists are kept.
const MOST: usize = 64;

/// The lists by labels.
#[derive(Debug)]
pub(super) struct Lists {
    own: LabelLists,
    /// Where requests go from each endpoint.
    engines: Box<[Arc<Engine>]>,
    others: Arc<Others>,
    made: ArcSwap<Made>,
    /// When a list is needed, as a number that grows.
    needed: AtomicU64,
    /// Whoever makes one has the only permit.
    turn: Arc<Semaphore>,
    /// Where it is said that one has been made.
    news: watch::Sender<()>,
}

/// The lists that are there, by their labels.
type Made = HashMap<Labels, Arc<List>>;

/// A list, as requests at each endpoint need it.
#[derive(Debug)]
struct List {
    entries: Box<[Arc<Entry>]>,
    needed: AtomicU64,
}

impl Lists {
    pub(super) fn new(
        own: LabelLists,
        engines: Box<[Arc<Engine>]>,
        others: Arc<Others>,
        news: watch::Sender<()>,
    ) -> Arc<Self> {
        Arc::new(Self {
            own,
            engines,
            others,
            made: ArcSwap::default(),
            needed: AtomicU64::new(0),
            turn: Arc::new(Semaphore::new(1)),
            news,
        })
    }

    /// Whether the containers at an address have a list.
    pub(super) fn of(&self, seen: Seen) -> OwnList {
        self.own.of(seen)
    }

    /// A list at an endpoint. `None`: it is being made.
    pub(super) fn get(
        self: &Arc<Self>,
        labels: Labels,
        name: &str,
        endpoint: usize,
    ) -> Option<Arc<Entry>> {
        let now = self.needed.fetch_add(1, Relaxed);
        if let Some(list) = self.made.load().get(&labels) {
            list.needed.store(now, Relaxed);
            return list.entries.get(endpoint).cloned();
        }
        // Who does not get the turn hears when it is over.
        if let Ok(turn) = Arc::clone(&self.turn).try_acquire_owned() {
            let (lists, name) = (Arc::clone(self), name.to_owned());
            spawn_blocking(move || {
                lists.make(labels, &name, now);
                drop(turn);
                lists.news.send_replace(());
            });
        }
        None
    }

    /// Makes a list, unless it is there by now.
    fn make(&self, labels: Labels, name: &str, now: u64) {
        let mut made = Made::clone(&self.made.load());
        if made.contains_key(&labels) {
            return;
        }
        let list = self.list(&labels, name);
        if made.len() >= MOST {
            let oldest = made
                .iter()
                .min_by_key(|(_, list)| list.needed.load(Relaxed));
            let oldest = oldest.map(|(labels, _)| labels.clone());
            oldest.map(|labels| made.remove(&labels));
        }
        let needed = AtomicU64::new(now);
        let list = List {
            entries: list,
            needed,
        };
        made.insert(labels, Arc::new(list));
        self.made.store(Arc::new(made));
    }

    fn list(&self, labels: &Labels, container: &str) -> Box<[Arc<Entry>]> {
        let mut diagnostics = Vec::new();
        let policy = self.own.compile(labels, &mut diagnostics);
        for one in &diagnostics {
            let what = match one.is_error() {
                true => "it has no access",
                false => "its list holds nevertheless",
            };
            log::warn!("labels of container {container}: {one}: {what}");
        }
        if let Some(policy) = &policy {
            log::info!("container {container} has a list of its own: {labels}");
            if let Some(danger) = policy.root_on_host() {
                log::warn!("labels of container {container}: {danger}");
            }
        }
        let name: PolicyName = format!("labels of {container}").as_str().into();
        let wrong = diagnostics.iter().find(|one| one.is_error());
        let wrong = wrong.map_or_else(String::new, Diagnostic::to_string);
        let remedy = Arc::new(Remedy::of_labels(&wrong));
        let entry = |engine: &Arc<Engine>| {
            Arc::new(match &policy {
                Some(policy) => Entry::of(policy, engine, Some(name.clone()), &self.others),
                None => Entry::refusing(
                    engine,
                    Some(name.clone()),
                    Some(Refusal::Labels(Arc::clone(&remedy))),
                ),
            })
        };
        // At endpoints with one engine it is the same one.
        let mut entries: Vec<Arc<Entry>> = Vec::new();
        for engine in &self.engines {
            let known = entries.iter().find(|one| Arc::ptr_eq(&one.engine, engine));
            let known = known.map(Arc::clone);
            entries.push(known.unwrap_or_else(|| entry(engine)));
        }
        entries.into()
    }
}
