//! One client's connection from accept to close.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::Interest;
use tokio::sync::watch;
use tokio::time::sleep;

use super::respond;
use super::service::{self, Client, Phase, Shared};
use super::wire::{ClientIo, ClientLink, MAX_HEAD, Refusal, Socket};
use crate::observe::access::Peer;
use crate::observe::log::ACCESS;

/// After a client's FIN the engine may be silent for this long until its request is given up.
const FIN_PATIENCE: Duration = Duration::from_secs(10);
/// A stream or tunnel that moves nothing for this long at shutdown is ended.
const SILENCE: Duration = Duration::from_millis(500);

/// How far the shutdown is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// There is none.
    Open,
    /// No new connections.
    Draining,
    /// No new requests either, and no silent streams.
    Closing,
}

/// Serves `socket` until it is closed.
pub(super) async fn serve(
    shared: Arc<Shared>,
    socket: Socket,
    peer: Peer,
    mut stages: watch::Receiver<Stage>,
) {
    let link = ClientLink::new(socket);
    let client = Client::new(shared, peer, Arc::clone(&link));
    let service = {
        let client = Arc::clone(&client);
        service_fn(move |request| {
            client.link.expect_body(service::framing(&request));
            service::answer(Arc::clone(&client), request)
        })
    };
    let mut connection = pin!(
        http1::Builder::new()
            .half_close(true)
            .header_read_timeout(None)
            .max_buf_size(MAX_HEAD)
            .auto_date_header(false)
            .serve_connection(TokioIo::new(ClientIo::new(Arc::clone(&link))), service)
            .with_upgrades()
    );
    let (mut fin, mut told) = (false, false);
    let ended = loop {
        tokio::select! {
            biased;
            ended = poll_fn(|cx| {
                let ended = connection.as_mut().poll(cx);
                if link.take_long_idle() {
                    client.drop_upstream();
                }
                ended
            }) => break ended,
            is_fin = link.socket.closed(), if !fin => match is_fin {
                true => fin = true,
                false => return,
            },
            () = link.socket.reset(), if fin => return,
            () = given_up(&client), if fin => return,
            () = told_to_close(&mut stages), if !told => {
                told = true;
                connection.as_mut().graceful_shutdown();
            }
            () = silent(&client), if told => return,
        }
    };
    if let Some(tunnel) = client.take_tunnel() {
        return tunnel
            .run(async {
                tokio::join!(told_to_close(&mut stages), silent(&client));
            })
            .await;
    }
    if let Err(e) = ended {
        refuse(&client, &e);
    }
    if link.has_unread() {
        link.socket.linger().await;
    }
}

/// Says why the connection ends, in the log and, where hyper did not, to the client.
fn refuse(client: &Client, e: &hyper::Error) {
    let said_by_hyper = |status, message: String| Refusal { status, message };
    let refusal = match client.link.take_refusal() {
        Some(refusal) => {
            // A client that takes nothing now would not take it later.
            let answer = respond::raw_error(refusal.status, &refusal.message);
            let _ = client.link.socket.try_write(&answer);
            refusal
        }
        None if e.is_parse_too_large() => {
            said_by_hyper(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, e.to_string())
        }
        None if e.is_parse() => said_by_hyper(
            StatusCode::BAD_REQUEST,
            format!("the request is malformed: {e}"),
        ),
        // A transfer that broke off, which the request's own record tells.
        None => return,
    };
    log::warn!(
        target: ACCESS,
        "{} - - {} denied: {}",
        client.peer, refusal.status.as_str(), refusal.message
    );
}

async fn told_to_close(stages: &mut watch::Receiver<Stage>) {
    let _ = stages.wait_for(|stage| *stage == Stage::Closing).await;
}

/// Waits until the engine has sent nothing for [`FIN_PATIENCE`] although the client could take it.
async fn given_up(client: &Client) {
    loop {
        let before = client.activity();
        sleep(FIN_PATIENCE).await;
        let stalls = tokio::select! {
            biased;
            _ = client.link.socket.ready(Interest::WRITABLE) => false,
            () = std::future::ready(()) => true,
        };
        if client.activity() == before && !stalls && !client.is_in(Phase::Idle) {
            return;
        }
    }
}

/// Waits until an answer or a tunnel that is under way has moved nothing for [`SILENCE`].
async fn silent(client: &Client) {
    loop {
        let before = client.activity();
        sleep(SILENCE).await;
        if client.activity() == before && client.is_in(Phase::Streaming) {
            return;
        }
    }
}
