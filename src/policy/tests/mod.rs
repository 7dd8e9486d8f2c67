//! Whole decisions, from SQL text on a make-believe server.

mod approvals;
mod columns;
mod comments;
mod decisions;
mod deferred;
mod directives;
mod drop_table;
mod estimates;
mod names;
mod new_partitions;
mod partitions;
mod protected;
mod relations;
mod sessions;
mod strong;
mod thresholds;
mod transactions;

use std::sync::Arc;

use crate::catalog::overlay::{Effect, Overlay};
use crate::catalog::questions::Prepared;
use crate::catalog::testing::{self, LARGE, NothingPrepared, World, function, index, table};
use crate::deferred::promise::Pending;
use crate::deferred::step::{Debris, Step, Wait};
use crate::rules;
use crate::sql::name::RelationName;
use crate::sql::parse;
use crate::sql::statement::Script;

use super::allowance::Allowance;
use super::by_itself::ByItself;
use super::decide::{LockTimeoutCare, Outcome, Situation, decide, not_understood};
use super::plan::{self, Plan, Refusal, Verdict};
use super::settings::{Exemption, Grant, Mode, PolicySettings, Principal, Severity};

/// A decision to be made: change what matters, then `of`.
#[derive(Clone)]
struct Ask {
    world: World,
    settings: PolicySettings,
    principal: Principal,
    mode: Mode,
    in_transaction: bool,
    in_block: bool,
    failed: bool,
    overlay: Overlay,
    pending: Vec<Pending>,
    cap: u64,
    extended: bool,
    allowance: Allowance,
    granted: Option<crate::policy::approval::Granted>,
    prepared: Vec<(&'static str, &'static str)>,
}

fn ask() -> Ask {
    Ask {
        world: World::default(),
        settings: PolicySettings::default(),
        principal: Principal { role: "deployer".into(), database: "app".into(), application_name: Some("flyway".into()) },
        mode: Mode::Enforce,
        in_transaction: false,
        in_block: false,
        failed: false,
        overlay: Overlay::default(),
        pending: Vec::new(),
        cap: 2_000,
        extended: false,
        allowance: Allowance::default(),
        granted: None,
        prepared: Vec::new(),
    }
}

fn on(world: World) -> Ask {
    Ask { world, ..ask() }
}

fn in_transaction() -> Ask {
    Ask { in_transaction: true, ..ask() }
}

struct Known(Vec<(&'static str, &'static str)>);

impl Prepared for Known {
    fn script(&self, name: &str) -> Option<Arc<Script>> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, sql)| Arc::new(script(sql)))
    }
}

fn script(sql: &str) -> Script {
    parse::script(sql, 1 << 20).unwrap()
}

impl Ask {
    /// Among other statements of the extended protocol, without BEGIN.
    fn in_batch(&self) -> bool {
        self.extended && self.in_transaction && !self.in_block
    }

    fn of(&self, sql: &str) -> Outcome {
        let script = script(sql);
        let prepared = Known(self.prepared.clone());
        decide(&script, &self.world.facts(&script, &prepared), &self.situation(&prepared))
    }

    fn situation<'a>(&'a self, prepared: &'a dyn Prepared) -> Situation<'a> {
        Situation {
            principal: &self.principal,
            settings: &self.settings,
            mode: self.mode,
            in_transaction: self.in_transaction,
            in_block: self.in_block,
            promises: self.in_block || self.in_batch(),
            failed_transaction: self.failed,
            overlay: &self.overlay,
            pending: &self.pending,
            lock_timeout_cap_ms: self.cap,
            prepared,
            extended: self.extended,
            allowance: &self.allowance,
            system: Some("system"),
            granted: self.granted.as_ref(),
        }
    }

    fn passes(&self, sql: &str) {
        let plan = self.of(sql).decision.plan;
        assert_eq!(plan, Plan::Pass, "{sql}");
    }

    fn refused(&self, sql: &str) -> Refusal {
        match self.of(sql).decision.plan {
            Plan::Refuse(refusal) => refusal,
            other => panic!("{sql}: {other:?}"),
        }
    }

    fn refused_by(&self, rule: &str, sql: &str) {
        let message = self.refused(sql).message;
        assert!(message.starts_with(&format!("pgairlock [{rule}]: ")), "{sql}: {message}");
    }

    /// The rule speaks, since what stands before leaves it in doubt: it is refused, or asked about anew when it is its turn.
    fn doubted_by(&self, rule: &str, sql: &str) {
        let decision = self.of(sql).decision;
        let enforced = |judged: &plan::Judged| judged.finding.rule.0 == rule && judged.verdict == Verdict::Enforced;
        assert!(decision.findings.iter().any(enforced), "{sql}: {decision:?}");
        assert!(matches!(decision.plan, Plan::Refuse(_) | Plan::Split), "{sql}: {:?}", decision.plan);
    }

    /// Code that is not seen: it is refused, or run where its locks are looked at.
    fn unseen(&self, sql: &str) {
        let decision = self.of(sql).decision;
        let enforced = |judged: &plan::Judged| judged.finding.rule.0 == "opaque-code" && judged.verdict == Verdict::Enforced;
        assert!(decision.findings.iter().any(enforced), "{sql}: {decision:?}");
        assert!(matches!(decision.plan, Plan::Refuse(_) | Plan::Split | Plan::Gate | Plan::Enclose), "{sql}: {:?}", decision.plan);
    }

    fn steps(&self, sql: &str) -> Vec<String> {
        self.rewrite(sql).into_iter().map(|step| step.sql).collect()
    }

    fn rewrite(&self, sql: &str) -> Vec<Step> {
        match self.of(sql).decision.plan {
            Plan::Rewrite(form) => form.steps(),
            other => panic!("{sql}: {other:?}"),
        }
    }

    fn rewrites(&self, sql: &str, expected: &[&str]) {
        assert_eq!(self.steps(sql), expected, "{sql}");
    }
}
