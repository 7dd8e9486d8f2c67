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
mod bounds;
pub mod case;
mod code;
mod concurrently_in_transaction;
mod create_index_blocking;
mod create_rule;
mod detach_partition;
mod drop_column;
mod drop_index_blocking;
mod drop_object;
mod drop_table;
mod drop_table_foreign_keys;
mod dropped;
pub mod duration;
pub mod estimate;
mod file_or_program_access;
mod inline;
mod joining;
mod large_object_access;
mod names;
mod natively;
mod new_partition;
mod not_understood;
mod opaque_code;
mod protected_setting;
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
mod special;
mod storage_rewrite;
pub mod target;
mod tree;
mod truncate;
mod type_change;
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

/// Rules whose findings are said and recorded, and acted upon only where policy says so: there is nothing better to do.
const REMARKS: &[RuleId] = &[refresh_concurrently::RULE.id];

/// Its findings are no reason to do anything, unless policy says so.
#[must_use]
pub fn is_remark(rule: RuleId) -> bool {
    REMARKS.contains(&rule)
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
