//! The first exchange after the login, before the client hears ReadyForQuery: is this really our server's own backend, and what does the role's
//! own lock_timeout say? (DESIGN: the strictest of role, client and proxy wins.)

use serde::Deserialize;

use crate::catalog::questions::Answer;
use crate::catalog::shadows::Shadows;
use crate::wire::startup_settings::{milliseconds, strictest};

use crate::deferred::promise::Place;

use super::effects::{Close, Effects};
use super::own::{Ending, OwnExchange, server_error};
use super::settling::Process;
use super::work::Work;
use super::{Fatal, Progress, Session};

/// Everything that the start-up packet cannot tell, as JSON.
const QUESTION: &str = "SELECT pg_catalog.json_build_object('pid', pg_catalog.pg_backend_pid(), 'standby', pg_catalog.pg_is_in_recovery(), \
     'started', (SELECT pg_catalog.date_part('epoch', a.backend_start)::pg_catalog.text FROM pg_catalog.pg_stat_activity a \
      WHERE a.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()), \
     'database', pg_catalog.current_database(), 'system', (SELECT s.system_identifier FROM pg_catalog.pg_control_system() s)::pg_catalog.text, 'settings', \
     (SELECT pg_catalog.json_agg(c) FROM pg_catalog.pg_db_role_setting s CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) c \
      WHERE (s.setrole OPERATOR(pg_catalog.=) 0::pg_catalog.oid OR s.setrole OPERATOR(pg_catalog.=) \
             (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) SESSION_USER)) \
        AND (s.setdatabase OPERATOR(pg_catalog.=) 0::pg_catalog.oid OR s.setdatabase OPERATOR(pg_catalog.=) \
             (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())) \
        AND pg_catalog.starts_with(pg_catalog.lower(c), 'lock_timeout=')))::pg_catalog.text";

#[derive(Deserialize)]
struct Greeting {
    pid: u32,
    standby: bool,
    /// When the process began, in seconds since 1970.
    started: Option<String>,
    /// The cluster, whatever its name: a transaction's number means something in one only.
    system: Option<String>,
    database: Option<String>,
    /// `lock_timeout=500ms` of ALTER ROLE and ALTER DATABASE.
    settings: Option<Vec<String>>,
}

impl Session {
    pub(super) fn greet(&mut self, out: &mut Effects) {
        let shadows = Shadows::question();
        self.run_owns(&[(QUESTION, &[]), (shadows.sql, &shadows.parameters)], Ending::Sync, out);
        self.work = Work::Greeting;
    }

    pub(super) fn greeted(&mut self, exchange: OwnExchange, out: &mut Effects) -> Progress {
        self.check_parameters()?;
        if let Some(error) = &exchange.error {
            return Err(unusable(&server_error(error).message));
        }
        let [Answer::Text(Some(answer)), shadows] = &*exchange.answers else {
            return Err(unusable("it did not answer"));
        };
        if !self.shadows.learn(shadows) {
            return Err(unusable("the functions of the database could not be looked up"));
        }
        let Ok(greeting) = serde_json::from_str::<Greeting>(answer) else {
            return Err(unusable("the answer could not be read"));
        };
        if let Some(announced) = self.identity.backend_pid
            && announced != greeting.pid
        {
            return Err(pooler_between(announced, greeting.pid));
        }
        self.standby = greeting.standby;
        self.process = greeting.started.map(|started| Process { pid: greeting.pid, started });
        self.place = greeting.system.zip(greeting.database).map(|(system, database)| Place { system, database });
        let role =
            greeting.settings.iter().flatten().filter_map(|setting| setting.split_once('=')).filter_map(|(_, value)| milliseconds(value.as_bytes()));
        let cap = role.fold(self.lock_timeout_cap_ms, strictest);
        if cap < self.lock_timeout_cap_ms {
            self.lock_timeout_cap_ms = cap;
            self.reapply_cap(out);
            self.work = Work::Welcoming;
        } else {
            self.say_ready(out);
        }
        Ok(())
    }
}

fn unusable(why: &str) -> Fatal {
    Fatal {
        close: Close::Policy,
        sqlstate: "08004",
        message: format!("pgairlock could not check the connection to the database server, so it was not opened: {why}"),
    }
}

fn pooler_between(announced: u32, real: u32) -> Fatal {
    Fatal {
        close: Close::Policy,
        sqlstate: "08004",
        message: format!(
            "pgairlock: a transaction pooler stands between pgairlock and the server (it announced backend {announced}, the statement ran on {real}); \
             migrations need a session of their own: point [[upstream]] at the server itself, or at a session pooler with pooler = \"session\""
        ),
    }
}
