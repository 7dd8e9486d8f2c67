//! The process's own entries of the log, each once, in their order.

use std::time::Instant;

use tokio::sync::watch;

use super::lane::Lanes;
use crate::audit::event::Event as Logged;
use crate::audit::record::DecisionId;
use crate::deferred::promise::{Pending, PromiseId};
use crate::notify::teller::{Beside, Teller, failed_promise};
use crate::store::{Store, StoreError, Wanted};
use crate::telemetry::{Event, StoreFailed};

/// Read at once.
const PAGE: u32 = 200;

pub(super) struct Tail {
    store: Store,
    /// The short number of the process's chain, once it has one.
    number: Option<i64>,
    /// The last entry that was read, or is not to be.
    seq: i64,
}

impl Tail {
    /// From where the log stands now.
    pub(super) fn new(store: Store) -> Self {
        let seq = *store.written().borrow();
        Self { store, number: None, seq }
    }

    /// Tells when there is more.
    pub(super) fn written(&self) -> watch::Receiver<i64> {
        self.store.written()
    }

    /// What is there already is not told of.
    pub(super) fn skip(&mut self) {
        self.seq = *self.store.written().borrow();
    }

    /// All that is on disk. Cancel safe: an entry is read and told of in one go.
    pub(super) async fn read(&mut self, teller: &mut Teller, lanes: &mut Lanes) -> Result<(), StoreError> {
        let read = self.pages(teller, lanes).await;
        if let Err(error) = &read {
            StoreFailed { session: "", operation: "webhooks", error: Some(error) }.emit();
        }
        read
    }

    async fn pages(&mut self, teller: &mut Teller, lanes: &mut Lanes) -> Result<(), StoreError> {
        let end = *self.store.written().borrow();
        while self.seq < end {
            let Some(writer) = self.number().await? else { return Ok(()) };
            let page = self.store.entries(DecisionId { writer, seq: self.seq }, PAGE).await?;
            if page.is_empty() {
                return Ok(());
            }
            for entry in page {
                let id = DecisionId { writer, seq: entry.seq };
                // Only we write to it; what cannot be read is of a version that is none.
                if let Ok(event) = serde_json::from_str::<Logged>(&entry.body) {
                    let beside = self.beside(&event).await?;
                    lanes.tell(teller.read(id, entry.at_unix_micros, &event, beside, Instant::now()));
                }
                self.seq = entry.seq;
            }
        }
        Ok(())
    }

    async fn number(&mut self) -> Result<Option<i64>, StoreError> {
        if self.number.is_none() {
            let name = self.store.name();
            self.number = self.store.writers().await?.into_iter().find(|(_, writer)| writer == name).map(|(number, _)| number);
        }
        Ok(self.number)
    }

    async fn beside(&self, event: &Logged) -> Result<Beside, StoreError> {
        let pending = match failed_promise(event) {
            Some(number) => self.pending(PromiseId(number)).await?,
            None => None,
        };
        Ok(Beside { pending })
    }

    async fn pending(&self, id: PromiseId) -> Result<Option<Pending>, StoreError> {
        Ok(self.store.pending(Wanted::All).await?.into_iter().find(|pending| pending.id == id))
    }
}
