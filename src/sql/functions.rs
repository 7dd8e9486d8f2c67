//! What is known of a function by its name alone; everything else is asked of the server.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::statement::FunctionCall;

/// A function with an effect that its name tells and that a rule judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Special {
    /// Waits for an advisory lock.
    AdvisoryLock,
    /// `set_config`: SET by another name.
    SetConfig,
    /// Reads or writes a large object, also from and to a file of the server.
    LargeObject,
    /// Reads or writes files of the server.
    File,
    /// Connects to another server, or has SQL run by another session.
    Remote,
    /// Runs the SQL of its argument: a query, but one that may call anything.
    RunsQuery,
    /// Ends or interrupts other sessions.
    Backend,
    /// Acts on the whole server: configuration, log, WAL, backup, promotion.
    Server,
    /// Logical decoding, replication slots and origins.
    Replication,
}

/// Whether `call` can only be a built-in function that computes, or reads the catalog and the session's state.
///
/// `pg_catalog` comes first in every ordinary search_path, so an unqualified name of the list is that function.
#[must_use]
pub fn is_harmless_builtin(call: &FunctionCall) -> bool {
    is_builtin_schema(call) && HARMLESS.contains(call.name.as_str())
}

/// The names that [`is_harmless_builtin`] goes by.
pub fn harmless() -> impl Iterator<Item = &'static str> {
    NAMES.split_whitespace()
}

/// Whether the server must be asked what `call` is.
#[must_use]
pub fn needs_a_look(call: &FunctionCall) -> bool {
    !is_harmless_builtin(call) && special(call).is_none()
}

/// What is special about `call`, if anything.
#[must_use]
pub fn special(call: &FunctionCall) -> Option<Special> {
    if is_builtin_schema(call)
        && let Some(found) = builtin(&call.name)
    {
        return Some(found);
    }
    of_extension(call)
}

fn is_builtin_schema(call: &FunctionCall) -> bool {
    call.schema.as_deref().is_none_or(|schema| schema == "pg_catalog")
}

fn builtin(name: &str) -> Option<Special> {
    Some(match name {
        "pg_advisory_lock" | "pg_advisory_lock_shared" | "pg_advisory_xact_lock" | "pg_advisory_xact_lock_shared" => Special::AdvisoryLock,
        "set_config" => Special::SetConfig,
        "loread" | "lowrite" => Special::LargeObject,
        "pg_stat_file" | "pg_hba_file_rules" | "pg_ident_file_mappings" | "pg_show_all_file_settings" | "pg_current_logfile" => Special::File,
        "query_to_xml" | "query_to_xmlschema" | "query_to_xml_and_xmlschema" | "ts_stat" | "ts_rewrite" => Special::RunsQuery,
        "pg_terminate_backend" | "pg_cancel_backend" => Special::Backend,
        "pg_reload_conf" | "pg_rotate_logfile" | "pg_promote" | "pg_switch_wal" | "pg_create_restore_point" => Special::Server,
        "pg_backup_start" | "pg_backup_stop" | "pg_start_backup" | "pg_stop_backup" | "pg_log_standby_snapshot" => Special::Server,
        "pg_wal_replay_pause" | "pg_wal_replay_resume" | "pg_log_backend_memory_contexts" => Special::Server,
        "pg_drop_replication_slot" | "pg_sync_replication_slots" => Special::Replication,
        _ => return by_prefix(name),
    })
}

fn by_prefix(name: &str) -> Option<Special> {
    const PREFIXES: &[(&str, Special)] = &[
        ("lo_", Special::LargeObject),
        ("pg_read_", Special::File),
        ("pg_ls_", Special::File),
        ("pg_logical_", Special::Replication),
        ("pg_replication_", Special::Replication),
        ("pg_create_logical_", Special::Replication),
        ("pg_create_physical_", Special::Replication),
        ("pg_copy_logical_", Special::Replication),
        ("pg_copy_physical_", Special::Replication),
    ];
    PREFIXES.iter().find(|(prefix, _)| name.starts_with(prefix)).map(|(_, special)| *special)
}

/// Functions of well-known extensions, which may be installed in any schema.
fn of_extension(call: &FunctionCall) -> Option<Special> {
    let name = call.name.as_str();
    let schema = call.schema.as_deref();
    if name.starts_with("dblink") || name.starts_with("postgres_fdw_") || name.starts_with("pg_background_") || schema == Some("cron") {
        return Some(Special::Remote);
    }
    if name.starts_with("pg_file_") || name == "pg_logdir_ls" {
        return Some(Special::File);
    }
    (name.starts_with("crosstab") || matches!(name, "connectby" | "xpath_table")).then_some(Special::RunsQuery)
}

static HARMLESS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| NAMES.split_whitespace().collect());

/// Names of `pg_catalog` (15 and 18) whose functions, all of them, change neither schema nor settings nor anything outside the database.
const NAMES: &str = "
    abbrev abs acldefault aclexplode acos age any_value array_agg array_append array_cat array_dims array_fill array_length array_lower array_ndims
    array_position array_positions array_prepend array_remove array_replace array_reverse array_sample array_shuffle array_sort array_to_json
    array_to_string array_to_tsvector array_upper ascii asin atan atan2 avg bit_and bit_count bit_length bit_or bit_xor bool bool_and bool_or box
    bpchar brin_summarize_new_values brin_summarize_range broadcast btrim bytea cardinality casefold cbrt ceil ceiling char_length character_length
    chr cidr circle clock_timestamp col_description concat concat_ws convert convert_from convert_to corr cos cosh cot count covar_pop covar_samp
    crc32 crc32c cume_dist current_database current_query current_schema current_schemas current_setting current_user currval date date_add date_bin
    date_part date_subtract date_trunc daterange decode degrees dense_rank div encode every exp extract factorial family first_value float4 float8
    floor format format_type gcd gen_random_uuid generate_series generate_subscripts get_bit get_byte get_current_ts_config gin_clean_pending_list
    has_any_column_privilege has_column_privilege has_database_privilege has_foreign_data_wrapper_privilege has_function_privilege
    has_language_privilege has_schema_privilege has_sequence_privilege has_server_privilege has_table_privilege has_tablespace_privilege
    has_type_privilege hashtext hashtextextended host hostmask inet_client_addr inet_client_port inet_merge inet_same_family inet_server_addr
    inet_server_port initcap int2 int4 int4range int8 int8range interval is_normalized isempty isfinite json_agg json_array_elements
    json_array_elements_text json_array_length json_build_array json_build_object json_each json_each_text json_extract_path json_extract_path_text
    json_object json_object_agg json_object_keys json_populate_record json_populate_recordset json_strip_nulls json_to_record json_to_recordset
    json_typeof jsonb_agg jsonb_array_elements jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object jsonb_each
    jsonb_each_text jsonb_extract_path jsonb_extract_path_text jsonb_insert jsonb_object jsonb_object_agg jsonb_object_keys jsonb_path_exists
    jsonb_path_match jsonb_path_query jsonb_path_query_array jsonb_path_query_first jsonb_populate_record jsonb_populate_recordset jsonb_pretty
    jsonb_set jsonb_set_lax jsonb_strip_nulls jsonb_to_record jsonb_to_recordset jsonb_typeof justify_days justify_hours justify_interval lag
    last_value lastval lcm lead left length like_escape line ln log log10 lower lower_inc lower_inf lpad lseg ltrim make_date make_interval make_time
    make_timestamp make_timestamptz makeaclitem masklen max md5 min min_scale mod mode money name netmask network nextval normalize now nth_value
    ntile num_nonnulls num_nulls numeric numnode numrange obj_description octet_length oid overlaps overlay parse_ident path percent_rank
    percentile_cont percentile_disc pg_advisory_unlock pg_advisory_unlock_all pg_advisory_unlock_shared pg_available_extension_versions
    pg_available_extensions pg_backend_pid pg_blocking_pids pg_char_to_encoding pg_client_encoding pg_collation_for pg_collation_is_visible
    pg_column_compression pg_column_is_updatable pg_column_size pg_conf_load_time pg_current_snapshot pg_current_wal_insert_lsn pg_current_wal_lsn
    pg_current_xact_id pg_current_xact_id_if_assigned pg_cursor pg_database_size pg_describe_object pg_encoding_to_char pg_event_trigger_ddl_commands
    pg_event_trigger_dropped_objects pg_export_snapshot pg_function_is_visible pg_get_constraintdef pg_get_expr pg_get_function_arguments
    pg_get_function_identity_arguments pg_get_function_result pg_get_functiondef pg_get_indexdef pg_get_keywords pg_get_partition_constraintdef
    pg_get_partkeydef pg_get_ruledef pg_get_serial_sequence pg_get_statisticsobjdef pg_get_triggerdef pg_get_userbyid pg_get_viewdef pg_has_role
    pg_identify_object pg_index_column_has_property pg_index_has_property pg_indexam_has_property pg_indexes_size pg_is_in_recovery
    pg_is_other_temp_schema pg_jit_available pg_last_wal_receive_lsn pg_last_wal_replay_lsn pg_last_xact_replay_timestamp pg_listening_channels
    pg_lock_status pg_my_temp_schema pg_notification_queue_usage pg_notify pg_opclass_is_visible pg_operator_is_visible pg_options_to_table
    pg_partition_ancestors pg_partition_root pg_partition_tree pg_postmaster_start_time pg_prepared_statement pg_prepared_xact pg_relation_filenode
    pg_relation_filepath pg_relation_is_updatable pg_relation_size pg_safe_snapshot_blocking_pids pg_sequence_last_value pg_sequence_parameters
    pg_show_all_settings pg_size_bytes pg_size_pretty pg_sleep pg_sleep_for pg_sleep_until pg_stat_get_activity pg_stat_get_dead_tuples
    pg_stat_get_live_tuples pg_stat_get_numscans pg_stat_get_progress_info pg_table_is_visible pg_table_size pg_tablespace_location
    pg_tablespace_size pg_timezone_abbrevs pg_timezone_names pg_total_relation_size pg_trigger_depth pg_try_advisory_lock pg_try_advisory_lock_shared
    pg_try_advisory_xact_lock pg_try_advisory_xact_lock_shared pg_type_is_visible pg_typeof pg_visible_in_snapshot pg_wal_lsn_diff pg_xact_status
    phraseto_tsquery pi plainto_tsquery point polygon position power querytree quote_ident quote_literal quote_nullable radians random random_normal
    range_agg range_merge rank regclass regexp_count regexp_instr regexp_like regexp_match regexp_matches regexp_replace regexp_split_to_array
    regexp_split_to_table regexp_substr regr_intercept regr_slope repeat replace reverse right round row_number row_security_active row_to_json rpad
    rtrim scale session_user set_bit set_byte set_masklen setseed setval setweight sha224 sha256 sha384 sha512 shobj_description sign similar_escape
    similar_to_escape sin sinh split_part sqrt starts_with statement_timestamp stddev stddev_pop stddev_samp string_agg string_to_array
    string_to_table strip strpos substr substring sum suppress_redundant_updates_trigger tan tanh text texticlike textlike time timeofday timestamp
    timestamptz timetz timezone to_ascii to_bin to_char to_date to_hex to_json to_jsonb to_number to_oct to_regclass to_regcollation to_regnamespace
    to_regoper to_regoperator to_regproc to_regprocedure to_regrole to_regtype to_regtypemod to_timestamp to_tsquery to_tsvector
    transaction_timestamp translate trim_array trim_scale trunc ts_delete ts_filter ts_headline ts_rank ts_rank_cd tsrange tstzrange
    tsvector_to_array txid_current txid_current_if_assigned txid_current_snapshot txid_status unistr unnest upper upper_inc upper_inf
    uuid_extract_timestamp uuid_extract_version uuidv4 uuidv7 var_pop var_samp varchar variance version websearch_to_tsquery width_bucket
    xml_is_well_formed xml_is_well_formed_content xml_is_well_formed_document xmlagg xmlcomment xmlconcat2 xmlexists xmltext xpath xpath_exists";

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str) -> FunctionCall {
        match name.split_once('.') {
            Some((schema, name)) => FunctionCall { schema: Some(schema.to_owned()), name: name.to_owned() },
            None => FunctionCall { schema: None, name: name.to_owned() },
        }
    }

    #[test]
    fn ordinary_functions_need_no_look() {
        for name in ["now", "pg_catalog.lower", "gen_random_uuid", "pg_catalog.extract", "to_regclass", "pg_try_advisory_lock", "setval"] {
            assert!(!needs_a_look(&call(name)), "{name}");
        }
        for name in ["public.now", "add_new_column", "create_hypertable", "binary_upgrade_set_next_pg_enum_oid"] {
            assert!(needs_a_look(&call(name)), "{name}");
        }
    }

    #[test]
    fn special_functions_are_known_by_name() {
        for (name, expected) in [
            ("pg_advisory_lock", Special::AdvisoryLock),
            ("pg_catalog.pg_advisory_xact_lock_shared", Special::AdvisoryLock),
            ("set_config", Special::SetConfig),
            ("lo_import", Special::LargeObject),
            ("lowrite", Special::LargeObject),
            ("pg_read_binary_file", Special::File),
            ("pg_ls_dir", Special::File),
            ("pg_file_write", Special::File),
            ("dblink_exec", Special::Remote),
            ("ext.dblink", Special::Remote),
            ("cron.schedule", Special::Remote),
            ("postgres_fdw_disconnect_all", Special::Remote),
            ("query_to_xml", Special::RunsQuery),
            ("public.crosstab", Special::RunsQuery),
            ("pg_terminate_backend", Special::Backend),
            ("pg_reload_conf", Special::Server),
            ("pg_logical_emit_message", Special::Replication),
            ("pg_drop_replication_slot", Special::Replication),
        ] {
            assert_eq!(special(&call(name)), Some(expected), "{name}");
        }
        for name in ["now", "public.set_config", "app.lo_things"] {
            assert_eq!(special(&call(name)), None, "{name}");
        }
    }

    #[test]
    fn no_harmless_function_is_special() {
        assert!(HARMLESS.len() > 400);
        let both: Vec<_> = HARMLESS.iter().filter(|name| builtin(name).is_some()).collect();
        assert_eq!(both, Vec::<&&str>::new());
    }
}
