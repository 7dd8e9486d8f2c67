//! Asks a real server what a script needs to be judged, as a session would.

use std::sync::Arc;

use pgairlock::catalog::facts::Facts;
use pgairlock::catalog::questions::{Answer, Inquiry, Prepared};
use pgairlock::sql::parse;
use pgairlock::sql::statement::Script;
use tokio_postgres::types::{ToSql, Type};

use super::Session;

/// No prepared statements.
pub struct NothingPrepared;

impl Prepared for NothingPrepared {
    fn script(&self, _: &str) -> Option<Arc<Script>> {
        None
    }
}

/// A script that must be one.
pub fn script(sql: &str) -> Script {
    parse::script(sql, 1 << 20).unwrap()
}

/// Asks what `sql` needs to be judged, in this session.
pub async fn facts(session: &Session, sql: &str) -> Facts {
    let inquiry = Inquiry::of(&script(sql), &NothingPrepared);
    let mut answers = Vec::new();
    for question in inquiry.questions() {
        let types = vec![Type::TEXT; question.parameters.len()];
        let statement = session.prepare_typed(question.sql, &types).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let parameters: Vec<&(dyn ToSql + Sync)> = question.parameters.iter().map(|text| text as &(dyn ToSql + Sync)).collect();
        answers.push(Answer::Text(session.query_one(&statement, &parameters).await.unwrap().get(0)));
    }
    let version = session.value("SHOW server_version_num").await.parse().unwrap();
    let zone = session.value("SHOW timezone").await;
    inquiry.facts(version, &zone, &answers)
}
