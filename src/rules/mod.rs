//! The rules: one file each.

mod add_check_validating;
mod add_column_check;
mod add_column_not_null;
mod add_column_references;
mod add_column_rewrite;
mod add_column_unique;
mod add_foreign_key_validating;
mod add_primary_key_blocking;
mod add_unique_blocking;
mod after_commit_failed;
mod alter;
mod alter_column_type;
mod alter_domain_scan;
mod backfill_in_transaction;
mod batches;
mod bounds;
pub mod case;
mod code;
mod concurrently_in_transaction;
mod create_index_blocking;
mod create_rule;
mod detach_partition;
mod drop_column;
mod drop_default;
mod drop_index_blocking;
mod drop_object;
mod drop_table;
mod drop_table_foreign_keys;
mod dropped;
pub mod duration;
pub mod estimate;
mod file_or_program_access;
mod if_not_exists_differs;
mod inline;
mod joining;
mod large_object_access;
pub mod listing;
mod names;
mod natively;
mod new_enum_value;
mod new_partition;
mod not_understood;
mod opaque_code;
mod protected_setting;
pub mod protection;
mod proven;
mod referenced;
mod refresh_concurrently;
mod refresh_materialized_view;
mod reindex_blocking;
mod remote_access;
mod rename_column;
mod rename_table;
pub mod rule;
mod set_expression_rewrite;
mod set_not_null_scan;
mod several_tables;
mod special;
mod storage_rewrite;
pub mod target;
mod tree;
mod truncate;
mod type_change;
mod unbatched_write;
mod unique;
mod unjudged_statement;
mod vacuum_full;
mod validate_in_transaction;
mod waits_for_commit;

use rule::{Rule, RuleId};

/// The rule of a string that the grammar does not accept.
pub const NOT_UNDERSTOOD: RuleId = not_understood::RULE.id;

/// The rule of code that is not seen.
pub const OPAQUE_CODE: RuleId = opaque_code::RULE.id;

/// What a rule's findings lead to where policy says nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stance {
    /// The statement is run in its safe form, or refused.
    Act,
    /// It runs, with a WARNING: whether it hurts depends on code that nobody sees here.
    Warn,
    /// It runs, and the finding is recorded: there is nothing better to do.
    Note,
}

/// What the findings of a rule lead to where policy says nothing of it.
#[must_use]
pub fn stance(rule: RuleId) -> Stance {
    const WARNING: &[RuleId] = &[drop_default::RULE.id];
    const NOTING: &[RuleId] = &[refresh_concurrently::RULE.id, several_tables::RULE.id];
    if WARNING.contains(&rule) {
        Stance::Warn
    } else if NOTING.contains(&rule) {
        Stance::Note
    } else {
        Stance::Act
    }
}

/// Rules that guard what the proxy itself stands on: how it reads the session, and what it has promised. Nothing that comes over the wire lifts them.
const OF_THE_PROXY: &[RuleId] = &[protected_setting::RULE.id, not_understood::RULE.id, after_commit_failed::RULE.id, waits_for_commit::RULE.id];

/// Rules that ask how large a table is; the others are about data, names, or code that is lost or unseen.
const BY_SIZE: &[RuleId] = &[
    alter_column_type::RULE.id,
    set_expression_rewrite::RULE.id,
    storage_rewrite::RULE.id,
    vacuum_full::RULE.id,
    alter_domain_scan::RULE.id,
    refresh_materialized_view::RULE.id,
    refresh_concurrently::RULE.id,
    add_column_rewrite::RULE.id,
    add_column_not_null::RULE.id,
    add_column_check::RULE.id,
    add_column_unique::RULE.id,
    add_column_references::RULE.id,
    add_foreign_key_validating::RULE.id,
    add_check_validating::RULE.id,
    set_not_null_scan::RULE.id,
    add_primary_key_blocking::RULE.id,
    add_unique_blocking::RULE.id,
    validate_in_transaction::RULE.id,
    create_index_blocking::RULE.id,
    detach_partition::RULE.id,
    new_partition::RULE.id,
    drop_index_blocking::RULE.id,
    reindex_blocking::RULE.id,
    backfill_in_transaction::RULE.id,
    unbatched_write::RULE.id,
    several_tables::RULE.id,
    drop_table_foreign_keys::RULE.id,
    unjudged_statement::RULE.id,
];

/// The proxy could no longer do its work where it were lifted from a statement itself.
#[must_use]
pub fn guards_the_proxy(rule: &str) -> bool {
    OF_THE_PROXY.iter().any(|id| id.0 == rule)
}

/// Its hazards pass on small tables, so that a size of its own means something.
#[must_use]
pub fn goes_by_size(rule: &str) -> bool {
    BY_SIZE.iter().any(|id| id.0 == rule)
}

/// The rule that somebody may have meant by a name that no rule has.
#[must_use]
pub fn nearest(stranger: &str) -> Option<&'static str> {
    let distance = |id: &str| strsim::damerau_levenshtein(stranger, id);
    ids().min_by_key(|id| distance(id)).filter(|id| distance(id) <= 1 + id.len() / 3)
}

/// Every rule that judges statements. What cannot be helped stands before what can, so that the first finding is the one to tell.
#[must_use]
pub fn all() -> &'static [Rule] {
    const ALL: &[Rule] = &[
        protected_setting::RULE,
        file_or_program_access::RULE,
        large_object_access::RULE,
        remote_access::RULE,
        opaque_code::RULE,
        concurrently_in_transaction::RULE,
        after_commit_failed::RULE,
        waits_for_commit::RULE,
        drop_column::RULE,
        drop_table::RULE,
        truncate::RULE,
        drop_object::RULE,
        create_rule::RULE,
        rename_column::RULE,
        rename_table::RULE,
        alter_column_type::RULE,
        set_expression_rewrite::RULE,
        storage_rewrite::RULE,
        vacuum_full::RULE,
        alter_domain_scan::RULE,
        refresh_materialized_view::RULE,
        refresh_concurrently::RULE,
        add_column_rewrite::RULE,
        add_column_not_null::RULE,
        add_column_check::RULE,
        add_column_unique::RULE,
        add_column_references::RULE,
        add_foreign_key_validating::RULE,
        add_check_validating::RULE,
        set_not_null_scan::RULE,
        add_primary_key_blocking::RULE,
        add_unique_blocking::RULE,
        validate_in_transaction::RULE,
        create_index_blocking::RULE,
        detach_partition::RULE,
        new_partition::RULE,
        drop_index_blocking::RULE,
        reindex_blocking::RULE,
        drop_table_foreign_keys::RULE,
        backfill_in_transaction::RULE,
        unbatched_write::RULE,
        new_enum_value::RULE,
        if_not_exists_differs::RULE,
        drop_default::RULE,
        several_tables::RULE,
        unjudged_statement::RULE,
    ];
    ALL
}

/// Every rule, for people: those that judge statements, and that of what is no statement.
pub fn documented() -> impl Iterator<Item = &'static Rule> {
    const NO_STATEMENT: &Rule = &not_understood::RULE;
    all().iter().chain([NO_STATEMENT])
}

/// The ids that a finding may carry, and that `[rules]` and `[[exempt]]` may name.
pub fn ids() -> impl Iterator<Item = &'static str> {
    documented().map(|rule| rule.id.0)
}
