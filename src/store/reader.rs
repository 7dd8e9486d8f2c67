//! The thread that reads: who looks at the log keeps no decision waiting.

use tokio::sync::mpsc;

use super::backend::Backend;
use super::error::StoreError;
use super::place::Place;

/// Something to be read; it sends its own answer.
pub(super) type Question = Box<dyn FnOnce(Result<&mut dyn Backend, StoreError>) + Send>;

/// Opens the store at the first question, and again at the next where that failed.
pub(super) fn serve(place: &Place, mut asked: mpsc::Receiver<Question>) {
    let mut open: Option<Box<dyn Backend>> = None;
    while let Some(question) = asked.blocking_recv() {
        if open.is_none() {
            match place.open_again() {
                Ok(backend) => open = Some(backend),
                Err(error) => {
                    question(Err(error));
                    continue;
                }
            }
        }
        match &mut open {
            Some(backend) => question(Ok(backend.as_mut())),
            None => question(Err(StoreError::Closed)),
        }
    }
}
