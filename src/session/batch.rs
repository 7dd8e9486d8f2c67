//! The frames between two Syncs.

/// What the client sent since its last Sync.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Batch {
    /// Something was sent: an implicit transaction may be open on the server.
    pub(super) open: bool,
    /// An Execute was sent: what follows shares its transaction.
    pub(super) executed: bool,
    /// A BEGIN, COMMIT or the like was among what was sent.
    pub(super) controls: bool,
    /// The last of these was a BEGIN: what follows stands in its block, unless it fails and takes what follows along.
    pub(super) begun: bool,
}
