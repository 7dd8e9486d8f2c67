//! The ways in which a tool sends its migration.

use super::support::RawClient;
use super::support::frontend::Reply;

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
}

pub(super) const SHAPES: [Shape; 5] = [Shape::Autocommit, Shape::Transaction, Shape::OneString, Shape::Extended, Shape::ExtendedTransaction];

impl Shape {
    /// What is sent, one by one.
    pub(super) fn pieces(self, migration: &[String]) -> Vec<String> {
        match self {
            Self::Transaction | Self::ExtendedTransaction => [&["BEGIN".to_owned()], migration, &["COMMIT".to_owned()]].concat(),
            Self::OneString => vec![migration.join("; ")],
            Self::Autocommit | Self::Extended => migration.to_vec(),
        }
    }

    /// Sends the pieces, each when the one before it is answered, whatever the answer.
    pub(super) async fn send(self, client: &mut RawClient, pieces: &[String]) -> Vec<Reply> {
        let mut replies = Vec::new();
        for sql in pieces {
            let extended = matches!(self, Self::Extended | Self::ExtendedTransaction);
            replies.push(if extended { client.ask_extended(sql).await } else { client.ask(sql).await });
        }
        replies
    }
}
