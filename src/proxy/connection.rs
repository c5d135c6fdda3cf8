//! One client's connection from accept to close.

use std::future::{pending, poll_fn, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::client::{Client, Phase};
use super::respond;
use super::rulebook;
use super::service::{self, Handover, HandoverSlot};
use super::serving::{self, Answering};
use super::wire::{self, Notice, Refusal};
use crate::observe::access::{DENIED_NOW, Explanation, Part, Reason, Record};

/// After a client's FIN the engine may be silent for this long until its request is given up.
const FIN_PATIENCE: Duration = Duration::from_secs(10);
/// A stream or tunnel that moves nothing for this long at shutdown is ended.
const SILENCE: Duration = Duration::from_millis(500);
/// How often a silence is looked at until it counts.
const LOOKS: u32 = 10;

/// How far the shutdown is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// There is none.
    Open,
    /// No new connections.
    Draining,
    /// No new requests either, and no silent streams.
    Closing,
    /// Nothing any more: what is left is cut.
    Over,
}

/// What every connection hears of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Now {
    /// How far the shutdown is.
    pub stage: Stage,
    /// How often another rulebook was put in force.
    pub reloads: u64,
}

impl Default for Now {
    fn default() -> Self {
        Now {
            stage: Stage::Open,
            reloads: 0,
        }
    }
}

/// Serves `client` until its socket is closed.
pub(super) async fn serve(client: Arc<Client>, mut now: watch::Receiver<Now>) {
    let link = &client.link;
    let slot = &HandoverSlot::default();
    let mut connection = {
        let client = Arc::clone(&client);
        let answer = move |request, framing| -> Answering<'_> {
            Box::pin(service::answer(Arc::clone(&client), slot, request, framing))
        };
        Box::pin(serving::serve(&serving::http_1(), link, answer))
    };
    let mut fin = false;
    let (mut heard, mut again) = (Heard::until(&now), None);
    let mut over: Pin<Box<dyn Future<Output = Over> + Send>> = Box::pin(pending());
    let ended = loop {
        tokio::select! {
            biased;
            ended = poll_fn(|cx| {
                link.begin_turn();
                let ended = connection.as_mut().poll(cx).map(Some);
                match link.take_notice() {
                    Notice::Nothing => {}
                    Notice::LongIdle => client.drop_upstream(),
                    // The rest of the answer is written beside what the client sends.
                    Notice::Hijacked if ended.is_pending() => return Poll::Ready(None),
                    Notice::Hijacked => {}
                }
                ended
            }) => break Some(ended),
            is_fin = link.socket.closed(), if !fin => match is_fin {
                true => fin = true,
                false => break None,
            },
            news = heard.news(&mut now) => match news {
                News::Close => connection.as_mut().graceful_shutdown(),
                News::Reloaded => Again::at_reload(&mut again, &client),
            },
            ended = &mut over => match ended {
                Over::Denied(why) if client.is_in(Phase::Waiting) && !client.is_denied() => {
                    // It gets its 403 when the connection is polled, and ends in any case.
                    client.deny(why);
                    again = Some(Again::of(&client));
                }
                Over::Denied(why) => {
                    client.deny(why);
                    break None;
                }
                Over::Unneeded => break None,
            },
        }
        // Boxed, since few connections come to it.
        over = Box::pin(is_over(Arc::clone(&client), fin, heard.close, again));
    };
    // Taken in any case: a tunnel that hyper has not handed over yet ends before the connection.
    let handover = slot.take();
    let Some(ended) = ended else { return };
    let unread = {
        let stop = async {
            let mut reloaded = now.clone();
            let idle = async {
                // One after the other: what was silent long ago may be busy now.
                told_to_close(&mut now).await;
                silent(&client).await;
            };
            tokio::select! {
                () = idle => "idle at shutdown",
                () = denied_by_reload(&client, &mut reloaded, heard, again) => DENIED_NOW,
            }
        };
        // Boxed, only connections that are tunnels hold the room of one.
        match (handover, ended) {
            (Some(Handover::Tunnel(tunnel)), _) => {
                // Else a switch that failed while its 101 was written would wait in here for ever.
                drop(connection);
                Box::pin(tunnel.run(stop)).await
            }
            (Some(Handover::Hijack(hijack)), None) => Box::pin(hijack.run(connection, stop)).await,
            (Some(Handover::Hijack(hijack)), Some(ended)) => {
                Box::pin(hijack.run(ready(ended), stop)).await
            }
            (None, ended) => {
                drop(connection);
                // Boxed, since few connections come to it.
                Box::pin(refuse(&client, ended.unwrap_or(Ok(())))).await;
                !link.is_cut() && (link.has_unread() || link.socket.has_bytes())
            }
        }
    };
    if unread {
        // The engine is not to wait for what is only dropped.
        client.drop_upstream();
        Box::pin(async {
            tokio::select! {
                () = link.socket.linger() => {}
                () = async {
                    told_to_close(&mut now).await;
                    sleep(SILENCE).await;
                } => {}
            }
        })
        .await;
    }
    link.socket.part().await;
}

/// Says why the connection ends, if that was no request's own affair: in the log and, where hyper
/// did not, to the client.
async fn refuse(client: &Client, ended: hyper::Result<()>) {
    let refusal = client.link.take_refusal();
    let by_hyper = || said_by_hyper(&ended.err()?);
    let is_told = refusal.is_none();
    let Some(refusal) = refusal.or_else(by_hyper) else {
        return;
    };
    let why = &refusal.why;
    let peer = Arc::clone(&client.peer_text);
    Record::refuse(peer, Some(why.status()), why.clone(), false);
    let socket = &client.link.socket;
    match refusal.http_2 {
        _ if is_told => {}
        Some(read) => wire::send_away(socket, read, why.text()).await,
        None => {
            // A client that takes nothing now would not take it later.
            let _ = socket.try_write(&respond::raw_error(why));
        }
    }
}

/// What hyper answered to a head that it could not parse. Its other errors are transfers that
/// broke off, which the requests' own records tell.
fn said_by_hyper(e: &hyper::Error) -> Option<Refusal> {
    let reason = match () {
        () if e.is_parse_too_large() => Reason::TooLarge(Part::Head),
        () if e.is_parse() => Reason::Malformed,
        () => return None,
    };
    Some(Refusal::new(
        reason,
        format!("the request is malformed: {e}"),
    ))
}

/// What a connection hears.
enum News {
    /// To close.
    Close,
    /// Another rulebook is in force.
    Reloaded,
}

/// What a connection has heard.
#[derive(Debug, Clone, Copy)]
struct Heard {
    /// Of so many reloads.
    reloads: u64,
    /// To close.
    close: bool,
}

impl Heard {
    /// All reloads until now. The rulebook was put in force before them, so each request that comes
    /// is decided by it or by a later one.
    fn until(now: &watch::Receiver<Now>) -> Heard {
        Heard {
            reloads: now.borrow().reloads,
            close: false,
        }
    }

    /// Waits for news, each of which is heard once. What is under way is decided on again at a
    /// shutdown too, since it may go on for some time.
    async fn news(&mut self, now: &mut watch::Receiver<Now>) -> News {
        let is_news =
            |now: &Now| now.reloads != self.reloads || now.stage >= Stage::Closing && !self.close;
        match now.wait_for(is_news).await.map(|now| now.reloads) {
            Ok(reloads) if reloads != self.reloads => {
                self.reloads = reloads;
                News::Reloaded
            }
            // Nobody is left who could say more.
            Err(_) if self.close => pending().await,
            _ => {
                self.close = true;
                News::Close
            }
        }
    }
}

/// A request that was under way at a reload.
#[derive(Debug, Clone, Copy)]
struct Again {
    /// Which of the connection's.
    request: u64,
    /// When it is decided on again.
    at: Instant,
}

impl Again {
    fn of(client: &Client) -> Again {
        Again {
            request: client.upload.request(),
            at: Instant::now() + client.shared.after_reload,
        }
    }

    /// Notes the request that is under way. One that was already keeps its time.
    fn at_reload(again: &mut Option<Again>, client: &Client) {
        let request = client.upload.request();
        *again = match *again {
            _ if client.is_in(Phase::Idle) => None,
            Some(noted) if noted.request == request && noted.at > Instant::now() => Some(noted),
            _ => Some(Again::of(client)),
        };
    }

    /// Waits until the policy that holds then denies what was under way, and still is; says why.
    async fn denied(self, client: &Client) -> Explanation {
        sleep_until(self.at).await;
        let asked = || match client.upload.request() == self.request {
            true => client.asked().clone(),
            false => None,
        };
        if let Some(earlier) = asked()
            && let Some(why) = rulebook::denied_now(client, earlier).await
            && asked().is_some()
        {
            return why;
        }
        pending().await
    }
}

/// Waits until a reload has brought a policy that denies a tunnel.
async fn denied_by_reload(
    client: &Client,
    now: &mut watch::Receiver<Now>,
    mut heard: Heard,
    mut again: Option<Again>,
) {
    loop {
        tokio::select! {
            why = async {
                match again {
                    Some(again) => again.denied(client).await,
                    None => pending().await,
                }
            } => return client.deny(why),
            news = heard.news(now) => if let News::Reloaded = news {
                Again::at_reload(&mut again, client);
            },
        }
    }
}

/// Why a connection ends that could go on.
enum Over {
    /// Nobody needs it.
    Unneeded,
    /// What it is for is denied now.
    Denied(Explanation),
}

/// Waits until nobody needs the connection any more, behind the client's FIN or when it was told to
/// close, or until its request is denied.
async fn is_over(client: Arc<Client>, fin: bool, told: bool, again: Option<Again>) -> Over {
    let denied = async {
        match again {
            Some(again) => again.denied(&client).await,
            None => pending().await,
        }
    };
    tokio::select! {
        () = client.link.socket.reset(), if fin => Over::Unneeded,
        () = given_up(&client), if fin => Over::Unneeded,
        () = silent(&client), if told => Over::Unneeded,
        why = denied => Over::Denied(why),
    }
}

async fn told_to_close(now: &mut watch::Receiver<Now>) {
    let _ = now.wait_for(|now| now.stage >= Stage::Closing).await;
}

/// Waits until the engine has sent nothing for [`FIN_PATIENCE`] although the client could take it.
async fn given_up(client: &Client) {
    quiet(client, FIN_PATIENCE, || {
        let takes_more = client.link.socket.is_writable();
        takes_more && !client.is_in(Phase::Idle)
    })
    .await;
}

/// Waits until an answer or a tunnel that is under way has moved nothing for [`SILENCE`].
async fn silent(client: &Client) {
    quiet(client, SILENCE, || client.is_in(Phase::Streaming)).await;
}

/// Waits until nothing has moved for `time` while `counts` was true.
async fn quiet(client: &Client, time: Duration, counts: impl Fn() -> bool) {
    let (mut last, mut looks) = (client.activity(), 0);
    while looks < LOOKS {
        sleep(time / LOOKS).await;
        let now = client.activity();
        looks = if now == last && counts() {
            looks + 1
        } else {
            0
        };
        last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reload_is_heard_before_and_behind_a_shutdown() {
        let (sender, mut now) = watch::channel(Now::default());
        let mut heard = Heard::until(&now);
        let mut news = async || {
            tokio::select! {
                biased;
                news = heard.news(&mut now) => Some(news),
                () = ready(()) => None,
            }
        };
        let reload = |now: &mut Now| now.reloads += 1;
        sender.send_modify(|now| {
            reload(now);
            now.stage = Stage::Closing;
        });
        assert!(matches!(news().await, Some(News::Reloaded)));
        assert!(matches!(news().await, Some(News::Close)));
        assert!(news().await.is_none());
        sender.send_modify(reload);
        sender.send_modify(reload);
        assert!(matches!(news().await, Some(News::Reloaded)));
        drop(sender);
        assert!(news().await.is_none());
    }
}
