//! `pgairlock deferred wait`.

use std::time::{Duration, Instant};

use super::choice::{Standing, standing};
use super::{Ended, FAILURE, SUCCESS, say, show};
use crate::store::{Store, Wanted};

/// Between two looks at the store.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) async fn wait(store: &Store, limit: Duration) -> Result<u8, Ended> {
    let begun = Instant::now();
    loop {
        let pending = store.pending(Wanted::All).await?;
        let left = limit.saturating_sub(begun.elapsed());
        let why = match standing(&pending) {
            Standing::Over => {
                say("nothing is pending\n");
                return Ok(SUCCESS);
            }
            Standing::Stuck(ids) => {
                format!("{}: failed, and is not tried again before a person has mended the cause; then: pgairlock deferred run", show::numbers(&ids))
            }
            Standing::Going(ids) if left.is_zero() => format!(
                "{}: not done after {limit:?}; a session that works on it goes on, otherwise the next session of its role finishes it, or: pgairlock deferred run",
                show::numbers(&ids)
            ),
            Standing::Going(_) => {
                tokio::time::sleep(left.min(PAUSE)).await;
                continue;
            }
        };
        say(&show::table(&pending));
        return Err(Ended(FAILURE, why));
    }
}
