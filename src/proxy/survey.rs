//! What a request wants of limits, for a policy that learns. Whatever comes of that, the request goes on
//! as it came: what was read of its body is in front of the rest.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Frame;
use tokio::time::{Instant, timeout, timeout_at};

use super::budget::Charge;
use super::clearance::{Questions, Unsettled, next};
use super::client::Client;
use super::engine::{Engine, EngineError, SameHost};
use super::upload::Upload;
use crate::body::inspection::{Survey, Want};
use crate::body::json::Limits;
use crate::learn::Learner;

/// A body is waited for so long, before it goes on without being learned from.
const BODY_TIME: Duration = Duration::from_secs(10);
/// The engine is waited for so long.
const FACTS_TIME: Duration = Duration::from_secs(5);
/// So often is asked what the answers before have raised.
const ROUNDS: usize = 16;
/// The engine is not asked for more about one request.
const MOST_FACTS: usize = 300;

/// Learns from a request, and gives back its body.
///
/// # Errors
/// Its body broke off.
pub(super) async fn survey(
    client: &Client,
    engine: &Arc<Engine>,
    mut survey: Survey,
    learner: &Learner,
    mut body: Upload,
) -> Result<Upload, Unsettled> {
    let mut unread = None;
    if survey.reads() {
        let mut charge = client.shared.bodies.charge(client.held.bodies());
        let (bytes, is_whole) = beginning(&mut body, &mut charge).await?;
        match is_whole {
            true => survey.read(&bytes),
            false => unread = Some(Want::Unknown),
        }
        body = body.behind(bytes).charged(charge);
    }
    // What is not answered in time is not known.
    let _ = timeout(
        FACTS_TIME,
        answer(client, engine, &SameHost::of(engine), &mut survey),
    )
    .await;
    let wants = survey.wants().into_iter().chain(unread);
    learner.wants(survey.target(), wants.collect());
    Ok(body)
}

/// Reads a body, or as much of it as there is room and time for; whether that is all of it.
async fn beginning(body: &mut Upload, charge: &mut Charge) -> Result<(Vec<u8>, bool), EngineError> {
    let until = Instant::now() + BODY_TIME;
    let mut bytes = Vec::new();
    loop {
        let Ok(frame) = timeout_at(until, next(body)).await else {
            return Ok((bytes, false));
        };
        match frame.map(|frame| frame.map(Frame::into_data)) {
            None => return Ok((bytes, true)),
            // What was wrong is known of the upload.
            Some(Err(_)) => return Err(EngineError::Gone),
            Some(Ok(Err(_))) => {}
            Some(Ok(Ok(data))) => {
                bytes.extend_from_slice(&data);
                // As much again for its tree.
                if bytes.len() > Limits::default().bytes || charge.add(2 * data.len()).is_err() {
                    return Ok((bytes, false));
                }
            }
        }
    }
}

/// Asks the engine, as far as it answers.
async fn answer(client: &Client, engine: &Arc<Engine>, same: &SameHost, survey: &mut Survey) {
    let mut charge = client.shared.bodies.charge(client.held.bodies());
    let mut questions = Questions::new(engine, same);
    let mut asked = 0;
    for _ in 0..ROUNDS {
        let needs = survey.needs();
        asked += needs.len();
        if needs.is_empty() || asked > MOST_FACTS {
            return;
        }
        let Ok(answers) = questions.ask(&needs, &mut charge).await else {
            return;
        };
        survey.learn(answers);
    }
}
