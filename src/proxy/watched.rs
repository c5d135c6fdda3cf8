//! A body that is judged as it passes: the archive of a build. What may be forwarded is forwarded as it
//! comes; its end is held back until the engine has said what its images are. The last byte that has
//! come is always part of it.
//!
//! No more than two blocks are kept of what is held back. The end of an archive is zeros, of which
//! only the number is kept.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};

use super::budget::Charge;
use super::clearance::{Questions, Unsettled, no_room};
use super::engine::{Engine, SameHost};
use crate::body::inspection::{Ended, Watch};
use crate::observe::access::Explanation;

/// Zeros are sent so many at a time.
static ZEROS: [u8; 1 << 14] = [0; 1 << 14];

/// What is wrong with a body that is on its way.
#[derive(Debug, Default)]
pub(super) struct Doubts(Mutex<Option<Unsettled>>);

impl Doubts {
    /// What was found, once.
    pub(super) fn take(&self) -> Option<Unsettled> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, why: Unsettled) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }
}

type Verdict = Result<(), Unsettled>;

/// What is done with a body.
pub(super) struct Watched {
    stage: Stage,
    doubts: Arc<Doubts>,
    engine: Arc<Engine>,
    same: SameHost,
    /// How much has come, and how much of that was forwarded.
    come: u64,
    forwarded: u64,
    /// What is held back, but for the zeros at the end.
    held: BytesMut,
}

enum Stage {
    /// It comes.
    Reads(Box<Watch>, Charge),
    /// All has come.
    Judges(Pin<Box<dyn Future<Output = Verdict> + Send>>),
    /// What was held back follows.
    Passes,
    /// Nothing follows.
    Refused,
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Watched");
        shown.field("come", &self.come).finish_non_exhaustive()
    }
}

/// It does not pass.
#[derive(Debug)]
pub(super) struct Refused;

impl Watched {
    /// A body that has not come yet.
    pub(super) fn new(
        watch: Box<Watch>,
        engine: &Arc<Engine>,
        same: &SameHost,
        charge: Charge,
    ) -> Self {
        Self {
            stage: Stage::Reads(watch, charge),
            doubts: Arc::default(),
            engine: Arc::clone(engine),
            same: same.clone(),
            come: 0,
            forwarded: 0,
            held: BytesMut::new(),
        }
    }

    /// Where it is said what is wrong with it.
    pub(super) fn doubts(&self) -> Arc<Doubts> {
        Arc::clone(&self.doubts)
    }

    /// What may follow now that this has come, if anything.
    pub(super) fn comes(&mut self, data: Bytes) -> Result<Option<Bytes>, Refused> {
        self.come += data.len() as u64;
        let Stage::Reads(watch, charge) = &mut self.stage else {
            // Nothing is being protected, or nothing would come any more.
            self.forwarded = self.come;
            return match self.stage {
                Stage::Passes => Ok(Some(data)),
                _ => Err(Refused),
            };
        };
        let before = watch.size();
        let read = watch.read(&data);
        let read = read.map_err(|denial| Unsettled::Refused(Explanation::from(&denial)));
        let (waived, end) = (watch.is_waived(), watch.end_of_content());
        let more = watch.size().saturating_sub(before);
        let room = charge.add(more).map_err(no_room);
        match read.and_then(|allowed| room.map(|()| allowed)) {
            Ok(_) if waived => {
                self.forwarded = self.come;
                Ok(Some(data))
            }
            Ok(allowed) => Ok(self.follows(allowed, &data, end)),
            Err(why) => {
                self.doubts.put(why);
                self.stage = if waived {
                    Stage::Passes
                } else {
                    Stage::Refused
                };
                self.forwarded = self.come;
                match waived {
                    true => Ok(Some(data)),
                    false => Err(Refused),
                }
            }
        }
    }

    /// What follows, if so much of all may, and nothing but zeros has come behind the end.
    fn follows(&mut self, allowed: u64, data: &[u8], end: Option<u64>) -> Option<Bytes> {
        let allowed = allowed.min(self.come.saturating_sub(1));
        let behind = |at: u64| usize::try_from(at.saturating_sub(self.forwarded));
        let most = end.map_or(usize::MAX, |end| behind(end).unwrap_or(usize::MAX));
        let follows = behind(allowed).unwrap_or(0);
        self.held.extend_from_slice(data);
        self.held.truncate(most);
        let part = self.held.split_to(follows.min(self.held.len())).freeze();
        self.forwarded += part.len() as u64;
        Some(part).filter(|part| !part.is_empty())
    }

    /// What follows when all has come and is judged.
    pub(super) fn ends(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Refused>>> {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Refused) {
            Stage::Reads(watch, charge) => {
                let waived = watch.is_waived();
                let engine = Arc::clone(&self.engine);
                let judging = judge(watch, charge, engine, self.same.clone());
                Stage::Judges(match waived {
                    true => Box::pin(noted(judging, Arc::clone(&self.doubts))),
                    false => Box::pin(judging),
                })
            }
            stage => stage,
        };
        if let Stage::Judges(judging) = &mut self.stage {
            self.stage = match ready!(judging.as_mut().poll(cx)) {
                Ok(()) => Stage::Passes,
                Err(why) => {
                    self.doubts.put(why);
                    Stage::Refused
                }
            };
        }
        if !matches!(self.stage, Stage::Passes) {
            return Poll::Ready(Some(Err(Refused)));
        }
        if !self.held.is_empty() {
            let held = std::mem::take(&mut self.held).freeze();
            self.forwarded += held.len() as u64;
            return Poll::Ready(Some(Ok(held)));
        }
        let left = self.come.saturating_sub(self.forwarded);
        let most = usize::try_from(left).map_or(ZEROS.len(), |left| left.min(ZEROS.len()));
        self.forwarded += most as u64;
        let part = Some(Bytes::from_static(&ZEROS[..most]));
        Poll::Ready(part.filter(|part| !part.is_empty()).map(Ok))
    }
}

/// Asks the engine what it must be asked of an archive that has come.
async fn judge(
    mut watch: Box<Watch>,
    mut charge: Charge,
    engine: Arc<Engine>,
    same: SameHost,
) -> Verdict {
    let mut questions = Questions::new(&engine, &same);
    loop {
        let ended = watch.end();
        match ended.map_err(|denial| Unsettled::Refused(Explanation::from(&denial)))? {
            Ended::Passes => return Ok(()),
            Ended::Asks(needs) => {
                for (fact, answer) in questions.ask(&needs, &mut charge).await? {
                    watch.learn(fact, answer);
                }
            }
        }
    }
}

/// What is wrong with it is noted, and it passes.
async fn noted(judging: impl Future<Output = Verdict>, doubts: Arc<Doubts>) -> Verdict {
    if let Err(why) = judging.await {
        doubts.put(why);
    }
    Ok(())
}
