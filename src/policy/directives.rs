//! What the SQL itself asks to be let through, and whether policy hears it.

use crate::rules;
use crate::sql::directive::{self, Directive};
use crate::sql::statement::Script;

use super::allowance::Allowance;
use super::judge::Found;
use super::settings::{Grant, PolicySettings, Principal};

/// The directives at each statement of a script; those that are none with what is wrong with them.
#[derive(Default)]
pub(super) struct Requests(Vec<Vec<Result<Directive, String>>>);

/// What a finding's directives come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// None is about it.
    None,
    /// It is lifted, for this reason.
    Honoured(String),
    /// It stays, and this is why.
    Ignored(String),
}

impl Requests {
    /// Those of comments are about the statement that they stand at; the setting is about every statement while it holds.
    pub(super) fn of(script: &Script, setting: &Allowance) -> Self {
        let mut setting = setting.clone();
        let mut at = directive::of_script(script);
        for (here, parsed) in at.iter_mut().zip(&script.statements) {
            here.extend(setting.value().and_then(directive::of_setting));
            setting.completed(parsed);
        }
        Self(at.into_iter().map(|here| here.into_iter().map(known).collect()).collect())
    }

    /// What becomes of a finding of this statement.
    pub(super) fn answer(&self, found: &Found, settings: &PolicySettings, principal: &Principal) -> Answer {
        let mut answer = Answer::None;
        for request in self.0.get(found.statement).into_iter().flatten() {
            match request {
                Ok(directive) if directive.rules.iter().all(|rule| rule != found.finding.rule.0) => {}
                Ok(directive) => match obstacle(found, settings, principal) {
                    None => return Answer::Honoured(directive.reason.clone()),
                    Some(why) => answer = Answer::Ignored(ignored(&why)),
                },
                Err(why) if answer == Answer::None => answer = Answer::Ignored(ignored(why)),
                Err(_) => {}
            }
        }
        answer
    }
}

fn ignored(why: &str) -> String {
    format!("The directive pgairlock:allow is not honoured: {why}.")
}

/// A directive that names a rule that does not exist lifts nothing at all: what else it says may not be what was meant.
fn known(read: directive::Read) -> Result<Directive, String> {
    let directive = read.map_err(|malformed| malformed.to_string())?;
    match directive.rules.iter().find(|rule| rules::ids().all(|id| id != rule.as_str())) {
        None => Ok(directive),
        Some(stranger) => Err(match rules::nearest(stranger) {
            Some(nearest) => format!("there is no rule \"{stranger}\" (did you mean \"{nearest}\"?)"),
            None => format!("there is no rule \"{stranger}\"; `pgairlock rules` lists them"),
        }),
    }
}

/// Why this principal cannot have the finding lifted.
fn obstacle(found: &Found, settings: &PolicySettings, principal: &Principal) -> Option<String> {
    let rule = found.finding.rule.0;
    if rules::guards_the_proxy(rule) {
        return Some(format!("{rule} guards what pgairlock itself stands on, and nothing in the SQL lifts it"));
    }
    if let Some(protected) = &found.protected {
        return Some(format!("{} is under [[protect]], and nothing in the SQL lifts that", protected.table));
    }
    (!settings.directives.iter().any(|grant| permits(grant, rule, principal))).then(|| {
        let role = &principal.role;
        format!(
            "no [[directive]] of pgairlock's configuration lets the role \"{role}\" lift {rule} here; it takes: [[directive]] with role = \"{role}\", \
             rules = [\"{rule}\"]"
        )
    })
}

fn permits(grant: &Grant, rule: &str, principal: &Principal) -> bool {
    let is = |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|wanted| found == Some(wanted));
    grant.rules.iter().any(|permitted| permitted == rule)
        && is(&grant.role, Some(&principal.role))
        && is(&grant.database, Some(&principal.database))
        && is(&grant.application_name, principal.application_name.as_deref())
}
