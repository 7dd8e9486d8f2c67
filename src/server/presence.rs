//! A session as the operator sees it: opened once, closed once, however it ends.

use std::time::Instant;

use crate::session::Identity;
use crate::telemetry::{Event, SessionClosed, SessionOpened};

/// What is told of a session whose task ended before it could say why.
const ABORTED: &str = "aborted";

/// An open session. Its end is told when this is dropped, also by a panic: a gauge that only ever grows helps nobody.
pub(super) struct Presence<'a> {
    identity: &'a Identity,
    since: Instant,
    reason: &'static str,
    message: Option<String>,
}

impl<'a> Presence<'a> {
    /// Tells that the session is open.
    pub(super) fn begin(identity: &'a Identity, upstream: &str) -> Self {
        SessionOpened {
            session: &identity.id,
            listener: &identity.listener,
            client: &identity.client,
            role: &identity.principal.role,
            database: &identity.principal.database,
            application_name: identity.principal.application_name.as_deref(),
            tls: identity.tls.as_deref(),
            upstream,
        }
        .emit();
        Self { identity, since: Instant::now(), reason: ABORTED, message: None }
    }

    /// Tells that it has ended.
    pub(super) fn end(mut self, reason: &'static str, message: Option<String>) {
        self.reason = reason;
        self.message = message;
    }
}

impl Drop for Presence<'_> {
    fn drop(&mut self) {
        let Self { identity, since, reason, message } = self;
        SessionClosed { session: &identity.id, listener: &identity.listener, reason, message: message.as_deref(), duration: since.elapsed() }.emit();
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;
    use crate::policy::settings::{Mode, Principal};
    use crate::policy::strong::Patience;
    use crate::session::gauging::Pace;

    #[test]
    fn a_session_that_panics_is_not_counted_as_open_for_ever() {
        let identity = Identity {
            tls: None,
            id: "s".into(),
            listener: "l".into(),
            client: "c".into(),
            principal: Principal::default(),
            mode: Mode::Enforce,
            backend_pid: None,
            monitored: false,
            lock_timeout_ms: 0,
            kept_lock_timeout_ms: 0,
            patience: Patience::USUAL,
            step_timeout_ms: 0,
            pace: Pace::Unasked,
        };
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            Presence::begin(&identity, "u").end("client", None);
            let _orderly = Presence::begin(&identity, "u");
            let panicked = std::panic::catch_unwind(|| {
                let _present = Presence::begin(&identity, "u");
                panic!("as a bug would");
            });
            assert!(panicked.is_err());
            assert!(handle.render().contains("pgairlock_sessions{listener=\"l\"} 1"), "{}", handle.render());
        });
        assert!(handle.render().contains("pgairlock_sessions{listener=\"l\"} 0"));
    }
}
