//! Applies the authorisation table to every request of a server.

use std::task::{Context, Poll};

use futures_util::future::{Either, Ready, ready};
use tower::{Layer, Service};

use super::authz::{Caller, authorise};
use super::connection::ConnectionInfo;
use super::status::{ErrorKind, Failure};

/// Refuses what the table doesn't allow, and leaves the [`Caller`] in the request for the service.
#[derive(Debug, Clone, Copy)]
pub(super) struct Authorise;

impl<S> Layer<S> for Authorise {
    type Service = Authorised<S>;

    fn layer(&self, inner: S) -> Authorised<S> {
        Authorised(inner)
    }
}

#[derive(Debug, Clone)]
pub(super) struct Authorised<S>(S);

impl<S, B, R> Service<http::Request<B>> for Authorised<S>
where
    S: Service<http::Request<B>, Response = http::Response<R>>,
    R: Default,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<Ready<Result<S::Response, S::Error>>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<B>) -> Self::Future {
        match check(&request) {
            Ok(caller) => {
                request.extensions_mut().insert(caller);
                Either::Right(self.0.call(request))
            }
            Err(failure) => {
                tracing::info!(call = request.uri().path(), "refused a call: {failure}");
                Either::Left(ready(Ok(tonic::Status::from(failure).into_http())))
            }
        }
    }
}

fn check<B>(request: &http::Request<B>) -> Result<Caller, Failure> {
    let unknown = || Failure::new(ErrorKind::Internal, "the caller of this connection is not known");
    let info = request.extensions().get::<ConnectionInfo>().ok_or_else(unknown)?;
    authorise(request.uri().path(), &info.caller)?;
    Ok(info.caller.clone())
}
