//! The ways in which a tool sends its migration.

use super::support::RawClient;
use super::support::frontend::{Reply, statement, sync};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shape {
    /// Each statement is a Query of its own.
    Autocommit,
    /// The same between BEGIN and COMMIT.
    Transaction,
    /// All of them are one Query.
    OneString,
    /// Parse, Bind, Execute and Sync for each.
    Extended,
    /// The same between BEGIN and COMMIT.
    ExtendedTransaction,
    /// Parse, Bind and Execute for each, and one Sync behind all of them.
    OneBatch,
}

pub(super) const SHAPES: [Shape; 6] =
    [Shape::Autocommit, Shape::Transaction, Shape::OneString, Shape::Extended, Shape::ExtendedTransaction, Shape::OneBatch];

/// Statements that are answered together.
pub(super) type Piece = Vec<String>;

impl Shape {
    /// All statements are answered, and fail, together.
    pub(super) fn is_whole(self) -> bool {
        matches!(self, Self::OneString | Self::OneBatch)
    }

    /// What is sent, one by one.
    pub(super) fn pieces(self, migration: &[String]) -> Vec<Piece> {
        if self.is_whole() {
            return vec![migration.to_vec()];
        }
        let in_block = matches!(self, Self::Transaction | Self::ExtendedTransaction);
        let (begin, commit) = if in_block { (Some("BEGIN".to_owned()), Some("COMMIT".to_owned())) } else { (None, None) };
        begin.into_iter().chain(migration.iter().cloned()).chain(commit).map(|sql| vec![sql]).collect()
    }

    /// Sends the pieces, each when the one before it is answered, whatever the answer.
    pub(super) async fn send(self, client: &mut RawClient, pieces: &[Piece]) -> Vec<Reply> {
        let mut replies = Vec::new();
        for piece in pieces {
            replies.push(match self {
                Self::Autocommit | Self::Transaction | Self::OneString => client.ask(&piece.join("; ")).await,
                Self::Extended | Self::ExtendedTransaction | Self::OneBatch => {
                    let messages: Vec<u8> = piece.iter().flat_map(|sql| statement(sql)).chain(sync()).collect();
                    client.exchange(&messages, 1).await.remove(0)
                }
            });
        }
        replies
    }
}
