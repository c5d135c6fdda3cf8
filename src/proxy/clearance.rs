//! How a request's terms are met: what [`inspection`] asks for is read and fetched here, within limits of
//! size, time and memory. What is sent afterwards is what was judged.
//!
//! The engine is asked anew for each request, over connections of its own: no answer is kept, and
//! none can be another client's.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming};
use tokio::runtime;
use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, timeout, timeout_at};

use super::budget::{Budget, Charge, NoRoom};
use super::client::Client;
use super::engine::{Engine, EngineError, SameHost};
use super::parts::Parts;
use super::rulebook::Entry;
use super::upload::Upload;
use super::upstream::Upstream;
use super::watched::Doubts;
use crate::api::Framing;
use crate::body::inspection::{self, Answer, Arriving, Fact, Made, Make, Step, Told};
use crate::body::json::{Limits, Object, Value};
use crate::clients::Identity;
use crate::config;
use crate::observe::access::{Explanation, Part, Reason};
use crate::policy::{Cleared, Inspection, Judged};

/// A whole body has to arrive in this time.
const BODY_TIME: Duration = Duration::from_secs(60);
/// All that the engine is asked for one request has to be answered in this time.
const FACTS_TIME: Duration = Duration::from_secs(30);
/// So many answers are waited for at a time, over as many connections, if that many are free.
const LANES: usize = 4;
/// A connection of its own is for no fewer questions.
const FEWEST: usize = 4;

/// What may be sent.
#[derive(Debug)]
pub(super) struct Settled {
    /// The head.
    pub cleared: Cleared,
    /// The client's body, if no other goes with the head.
    pub upload: Upload,
    /// What would have been answered, if nothing is being protected.
    pub would_deny: Option<Box<Explanation>>,
    /// Where it is said what is wrong with a body that is judged as it passes.
    pub doubts: Option<Arc<Doubts>>,
}

impl Settled {
    /// What is allowed.
    pub(super) fn of(cleared: Cleared, upload: Upload) -> Self {
        Self {
            cleared,
            upload,
            would_deny: None,
            doubts: None,
        }
    }
}

/// Why nothing is sent.
#[derive(Debug)]
pub(super) enum Unsettled {
    /// The request is refused.
    Refused(Explanation),
    /// Its body came too slowly.
    Slow,
    /// Its body is at fault, which is known of the upload, or the engine is.
    Failed(EngineError),
}

impl From<Explanation> for Unsettled {
    fn from(why: Explanation) -> Self {
        Unsettled::Refused(why)
    }
}

impl From<EngineError> for Unsettled {
    fn from(e: EngineError) -> Self {
        Unsettled::Failed(e)
    }
}

/// Finds out whether a request meets its terms.
///
/// # Errors
/// Why it is not forwarded.
pub(super) async fn settle(
    client: &Client,
    inspection: Inspection,
    policy: &Entry,
    same: &SameHost,
    mut body: Upload,
) -> Result<Settled, Unsettled> {
    let mut charge = client.shared.bodies.charge(client.held.bodies());
    let (demands, others) = (Arc::clone(&policy.demands), Arc::clone(&policy.others));
    let mut questions = Questions::new(&policy.engine, same);
    let framing = inspection.message().framing();
    let mut read = None;
    let mut step = inspection::begin(inspection, demands, others, || {
        seen_by_rules(&client.identity)
    });
    loop {
        step = match step {
            Step::Read(reading) => reading.read(whole(&mut body, framing, &mut charge).await?),
            Step::Ask(asking) => {
                // What was answered before is among what is held.
                let full = match read {
                    None => no_room,
                    Some(_) => no_room_for_answers,
                };
                charge.shrink_to(*read.get_or_insert(charge.bytes()));
                charge.add(asking.size()).map_err(full)?;
                // Who sends a body takes no memory yet for the answers.
                let asked = Box::pin(questions.ask(asking.needs(), &mut charge));
                let answers = asked.await?;
                asking.answered(answers)
            }
            Step::Watch(cleared, watch) => {
                let (upload, doubts) = body.watched(watch, &policy.engine, same, charge);
                return Ok(Settled {
                    doubts: Some(doubts),
                    ..Settled::of(cleared, upload)
                });
            }
            Step::Make(making) => {
                let made = questions.make(making.makes(), &mut charge).await?;
                making.made(&made)
            }
            Step::Answer(told) => return Err(answer_of(told).into()),
            Step::Judged(Judged::Deny(denial)) => return Err(Explanation::from(&denial).into()),
            Step::Judged(Judged::WouldDeny(cleared, denial)) => {
                let why = Explanation::from(&denial);
                return Ok(Settled {
                    would_deny: Some(why.into()),
                    ..Settled::of(cleared, body.charged(charge))
                });
            }
            Step::Judged(Judged::Clear(cleared)) => {
                return Ok(Settled::of(cleared, body.charged(charge)));
            }
        };
    }
}

/// What is answered as the engine would.
fn answer_of(told: Told) -> Explanation {
    match told {
        Told::Missing(words) => Explanation::new(Reason::Missing, words),
        Told::Dangling(words) => Explanation::new(Reason::Dangling, words),
        Told::Taken(words) => Explanation::new(Reason::Taken, words),
    }
}

/// Asks an engine for what such a request depends on, and waits for it: outside a server.
///
/// # Errors
/// Why it does not answer, and what to do.
pub(crate) fn ask_now(
    engine: &Arc<config::Engine>,
    facts: &[Fact],
) -> Result<Vec<(Fact, Answer)>, String> {
    let engine = Engine::new(engine, &[]);
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| format!("cannot ask the engine: {e}"))?;
    let answers = async {
        let mut charge = Budget::default().charge(Arc::default());
        ask(
            &mut None,
            &engine,
            &SameHost::of(&engine),
            facts,
            &mut charge,
        )
        .await
    };
    let answered = runtime.block_on(async { timeout(FACTS_TIME, answers).await });
    let answered = answered.unwrap_or_else(|_| Err(EngineError::Silent.into()));
    answered.map_err(|unsettled| match unsettled {
        Unsettled::Failed(e) => engine.told(&e).to_string(),
        Unsettled::Refused(why) => why.text().to_owned(),
        Unsettled::Slow => String::new(),
    })
}

/// Why a body is refused that is too large to be read.
pub(crate) fn too_large() -> Explanation {
    let text = format!(
        "the request body is larger than {} MiB, and it is judged as a whole",
        Limits::default().bytes >> 20
    );
    Explanation::new(Reason::TooLarge(Part::Body), text)
}

/// A client as rules see it.
pub(crate) fn seen_by_rules(identity: &Identity) -> Value {
    let mut client = Object::default();
    if let Some(address) = identity.address() {
        client.set("address", address.to_string());
    }
    if let Some(user) = identity.user() {
        client.set("user", i64::from(user));
    }
    if let Some(groups) = identity.groups() {
        let groups: Vec<Value> = groups.iter().map(|id| i64::from(*id).into()).collect();
        client.set("groups", groups);
    }
    client.into()
}

/// Reads a whole body.
async fn whole(
    body: &mut Upload,
    framing: Framing,
    charge: &mut Charge,
) -> Result<Vec<u8>, Unsettled> {
    let most = Limits::default().bytes;
    if matches!(framing, Framing::Sized(length) if length > most as u64) {
        return Err(too_large().into());
    }
    let until = Instant::now() + BODY_TIME;
    let mut parts = Parts::default();
    loop {
        let frame = timeout_at(until, next(body)).await;
        let frame = frame.map_err(|_| Unsettled::Slow)?;
        match frame.map(|frame| frame.map(Frame::into_data)) {
            None => {
                // Its parts become one, and later it is written anew.
                charge.add(parts.length()).map_err(no_room)?;
                return Ok(parts.whole());
            }
            // What was wrong is known of the upload.
            Some(Err(_)) => return Err(EngineError::Gone.into()),
            Some(Ok(Err(_))) => {}
            Some(Ok(Ok(data))) => {
                if parts.length() + data.len() > most {
                    return Err(too_large().into());
                }
                parts.add(&data, charge).map_err(no_room)?;
            }
        }
    }
}

/// The next part of a body.
pub(super) async fn next<B: Body<Data = Bytes> + Unpin>(
    body: &mut B,
) -> Option<Result<Frame<Bytes>, B::Error>> {
    std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await
}

/// What an engine is asked for one request, over a connection of its own.
pub(super) struct Questions<'a> {
    engine: &'a Arc<Engine>,
    same: &'a SameHost,
    connection: Option<Upstream>,
    turn: Option<SemaphorePermit<'a>>,
    until: Option<Instant>,
}

impl<'a> Questions<'a> {
    /// Nothing yet. It is the engine that the request goes to, and the same address of it.
    pub(super) fn new(engine: &'a Arc<Engine>, same: &'a SameHost) -> Self {
        Self {
            engine,
            same,
            connection: None,
            turn: None,
            until: None,
        }
    }

    /// The engine's answers.
    ///
    /// # Errors
    /// It gives none, or there is no room for them.
    pub(super) async fn ask(
        &mut self,
        needs: &[Fact],
        charge: &mut Charge,
    ) -> Result<Vec<(Fact, Answer)>, Unsettled> {
        let until = *self
            .until
            .get_or_insert_with(|| Instant::now() + FACTS_TIME);
        let (engine, same) = (self.engine, self.same);
        let hung = || EngineError::Silent;
        if self.turn.is_none() {
            let turn = engine.asking.acquire();
            self.turn = timeout_at(until, turn).await.map_err(|_| hung())?.ok();
        }
        let wanted = (needs.len() / FEWEST).min(LANES);
        // Each takes a descriptor, and is not waited for.
        let turns = (1..wanted).map_while(|_| engine.asking.try_acquire().ok());
        let turns: Vec<SemaphorePermit<'_>> = turns.collect();
        let most = needs.len().div_ceil(turns.len() + 1).max(1);
        let mut parts = needs.chunks(most);
        let mut part = || parts.next().unwrap_or_default();
        let mut more = [(); LANES - 1].map(|()| (None, charge.another()));
        let [second, third, fourth] = &mut more;
        let asked = async {
            tokio::try_join!(
                ask(&mut self.connection, engine, same, part(), charge),
                ask(&mut second.0, engine, same, part(), &mut second.1),
                ask(&mut third.0, engine, same, part(), &mut third.1),
                ask(&mut fourth.0, engine, same, part(), &mut fourth.1),
            )
        };
        let (first, second, third, fourth) =
            timeout_at(until, asked).await.map_err(|_| hung())??;
        for (_, other) in more {
            charge.take_over(other);
        }
        let answers = [first, second, third, fourth];
        Ok(answers.into_iter().flatten().collect())
    }

    /// Has the engine make these, one after the other, until one fails.
    ///
    /// # Errors
    /// It gives no answer, or there is no room for it.
    async fn make(&mut self, makes: &[Make], charge: &mut Charge) -> Result<Vec<Made>, Unsettled> {
        let until = *self
            .until
            .get_or_insert_with(|| Instant::now() + FACTS_TIME);
        let mut made = Vec::with_capacity(makes.len());
        for make in makes {
            let answer = make_one(&mut self.connection, self.engine, self.same, make, charge);
            let answer = timeout_at(until, answer).await;
            let answer = answer.map_err(|_| EngineError::Silent)??;
            let failed = answer.0 >= 400;
            made.push(answer);
            if failed {
                break;
            }
        }
        Ok(made)
    }
}

/// Asks the engine for these, one after the other.
async fn ask(
    kept: &mut Option<Upstream>,
    engine: &Arc<Engine>,
    same: &SameHost,
    facts: &[Fact],
    charge: &mut Charge,
) -> Result<Vec<(Fact, Answer)>, Unsettled> {
    let mut answers = Vec::with_capacity(facts.len());
    for fact in facts {
        let answer = answer(kept, engine, same, fact, charge).await?;
        answers.push((fact.clone(), answer));
    }
    Ok(answers)
}

/// Asks the engine for one thing. What is kept of its answer is charged.
async fn answer(
    kept: &mut Option<Upstream>,
    engine: &Arc<Engine>,
    same: &SameHost,
    fact: &Fact,
    charge: &mut Charge,
) -> Result<Answer, Unsettled> {
    let mut connection = match kept.take() {
        Some(connection) => connection,
        None => Upstream::own(engine, same).await?,
    };
    let response = connection.get(&fact.path()).await?;
    let mut arriving = Arriving::new(fact, response.status().as_u16());
    let mut body: Incoming = response.into_body();
    let before = charge.bytes();
    while let Some(frame) = next(&mut body).await {
        let frame = frame.map_err(|_| EngineError::Gone)?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let held = arriving.held();
        arriving.take(&data);
        if arriving.held() > Answer::MOST {
            // The rest is left unread, and with it the connection.
            charge.shrink_to(before);
            return Ok(Answer::Unclear);
        }
        let more = arriving.held().saturating_sub(held);
        charge.add(more).map_err(no_room_for_answers)?;
    }
    *kept = Some(connection);
    let answer = arriving.answer();
    charge.shrink_to(before);
    charge.add(answer.size()).map_err(no_room_for_answers)?;
    Ok(answer)
}

/// Has the engine make one thing.
async fn make_one(
    kept: &mut Option<Upstream>,
    engine: &Arc<Engine>,
    same: &SameHost,
    make: &Make,
    charge: &mut Charge,
) -> Result<Made, Unsettled> {
    let mut connection = match kept.take() {
        Some(connection) => connection,
        None => Upstream::own(engine, same).await?,
    };
    let response = connection.post(make.path, make.body.clone()).await?;
    let status = response.status().as_u16();
    let mut body: Incoming = response.into_body();
    let mut bytes = Vec::new();
    while let Some(frame) = next(&mut body).await {
        let frame = frame.map_err(|_| EngineError::Gone)?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        charge.add(data.len()).map_err(no_room_for_answers)?;
        bytes.extend_from_slice(&data);
        if bytes.len() > Limits::default().bytes {
            return Err(EngineError::Gone.into());
        }
    }
    *kept = Some(connection);
    Ok((status, bytes))
}

/// Why the engine's answers are not read now.
fn no_room_for_answers(no_room: NoRoom) -> Unsettled {
    let refusal = no_room.refusal("this client's requests", "all requests", |whose| {
        format!(
            "the engine's answers about what {whose} depend on take too much memory; retry later"
        )
    });
    refusal.into()
}

/// Why a body is not read now.
pub(super) fn no_room(no_room: NoRoom) -> Unsettled {
    let refusal = no_room.refusal("this client's request bodies", "request bodies", |whose| {
        format!("the memory for {whose} is in use; retry later")
    });
    refusal.into()
}
