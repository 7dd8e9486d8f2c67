//! The schema of a database as text, by names: two databases are the same when their texts are.
//!
//! Left out on purpose, since they may differ between two schemas that nobody can tell apart by their use:
//! * oids, numbers of files, and names that PostgreSQL makes of oids (TOAST, the triggers of foreign keys): another database has others;
//! * the numbers of columns: a column that was made and taken back leaves a gap; what counts is their order;
//! * `atthasmissing` and `attmissingval`: whether a default stands in the rows or beside them;
//! * `indcheckxmin`, sizes, statistics of the planner: when and in which order something was built.

use super::Session;

/// One line for each thing that a migration could have made: its kind, its name, and everything that tells it from another.
const QUESTIONS: &[&str] = &[
    "SELECT format('schema %s owner=%s acl=%s', nspname, nspowner::regrole, nspacl)
     FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'",
    "SELECT format('relation %s %s kind=%s owner=%s acl=%s persistence=%s options=%s replica_identity=%s security=%s,%s method=%s of=%s',
        n.nspname, c.relname, c.relkind, c.relowner::regrole, c.relacl, c.relpersistence, c.reloptions, c.relreplident, c.relrowsecurity,
        c.relforcerowsecurity, (SELECT amname FROM pg_am WHERE oid = c.relam), nullif(c.reloftype, 0)::regtype)
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c') AND OURS",
    // What belongs to what: a partition to its table, by which bounds; an index of a partition to the table's.
    "SELECT format('part %s %s of=%s %s by=%s', n.nspname, c.relname, (SELECT string_agg(i.inhparent::regclass::text, ' ') FROM pg_inherits i
        WHERE i.inhrelid = c.oid), pg_get_expr(c.relpartbound, c.oid), pg_get_partkeydef(c.oid))
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE (c.relkind = 'p' OR c.oid IN (SELECT inhrelid FROM pg_inherits)) AND OURS",
    "SELECT format('inherited %s %s.%s own=%s from=%s', n.nspname, c.relname, a.attname, a.attislocal, a.attinhcount)
     FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE a.attinhcount > 0 AND NOT a.attisdropped AND OURS",
    "SELECT format('inherited constraint %s %s.%s type=%s own=%s from=%s %s', n.nspname, c.relname, k.conname, k.contype, k.conislocal, k.coninhcount,
        (SELECT p.conrelid::regclass || '.' || p.conname FROM pg_constraint p WHERE p.oid = k.conparentid))
     FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE (k.coninhcount > 0 OR k.conparentid <> 0) AND OURS",
    "SELECT format('column %s %s.%s %s %s not_null=%s default=%s identity=%s generated=%s collation=%s storage=%s acl=%s statistics=%s options=%s compression=%s',
        n.nspname, c.relname, a.attname,
        (SELECT count(*) FROM pg_attribute b WHERE b.attrelid = a.attrelid AND b.attnum BETWEEN 1 AND a.attnum AND NOT b.attisdropped),
        format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid), a.attidentity, a.attgenerated,
        nullif(a.attcollation, 0)::regcollation, a.attstorage, a.attacl, a.attstattarget, a.attoptions,
        to_jsonb(a) ->> 'attcompression')
     FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c', 'i', 'I') AND OURS",
    // From 18 on NOT NULL is a constraint, too, with a name, NO INHERIT and NOT VALID.
    // Before 18 VALIDATE does not reach the rows of a foreign key that stand for single partitions of what it references; nothing reads them.
    "SELECT format('constraint %s %s.%s %s validated=%s deferrable=%s,%s index=%s', n.nspname, c.relname, k.conname,
        CASE WHEN k.contype = 'f' AND p.conrelid = k.conrelid THEN replace(pg_get_constraintdef(k.oid), ' NOT VALID', '') ELSE pg_get_constraintdef(k.oid) END,
        CASE WHEN k.contype = 'f' AND p.conrelid = k.conrelid THEN NULL ELSE k.convalidated END, k.condeferrable, k.condeferred,
        nullif(k.conindid, 0)::regclass)
     FROM pg_constraint k LEFT JOIN pg_constraint p ON p.oid = k.conparentid JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE OURS",
    "SELECT format('index %s %s owner=%s valid=%s ready=%s live=%s unique=%s primary=%s immediate=%s clustered=%s replica_identity=%s', n.nspname,
        pg_get_indexdef(i.indexrelid), c.relowner::regrole, i.indisvalid, i.indisready, i.indislive, i.indisunique, i.indisprimary, i.indimmediate,
        i.indisclustered, i.indisreplident)
     FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('i', 'I') AND OURS",
    "SELECT format('sequence %s %s type=%s start=%s by=%s min=%s max=%s cache=%s cycle=%s owner=%s', n.nspname, c.relname,
        format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle,
        (SELECT format('%s.%s', d.refobjid::regclass, a.attname) FROM pg_depend d
         JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
         WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')))
     FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE OURS",
    "SELECT format('view %s %s %s', n.nspname, c.relname, pg_get_viewdef(c.oid))
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('v', 'm') AND OURS",
    "SELECT format('trigger %s %s enabled=%s %s', n.nspname, c.relname, t.tgenabled, pg_get_triggerdef(t.oid))
     FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT t.tgisinternal AND OURS",
    // By the schema of its table: 13 gives the foreign key that a partition gets by ATTACH that of the partitioned table.
    "SELECT format('trigger of %s.%s on %s enabled=%s type=%s function=%s deferrable=%s,%s', n.nspname, k.conname, t.tgrelid::regclass, t.tgenabled, t.tgtype,
        t.tgfoid::regproc, t.tgdeferrable, t.tginitdeferred)
     FROM pg_trigger t JOIN pg_constraint k ON k.oid = t.tgconstraint JOIN pg_class c ON c.oid = k.conrelid
       JOIN pg_namespace n ON n.oid = c.relnamespace WHERE t.tgisinternal AND OURS",
    "SELECT format('rule %s %s', n.nspname, pg_get_ruledef(r.oid))
     FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace WHERE r.rulename <> '_RETURN' AND OURS",
    "SELECT format('policy %s %s %s %s %s %s', p.polrelid::regclass, p.polname, p.polcmd, p.polroles::regrole[], pg_get_expr(p.polqual, p.polrelid),
        pg_get_expr(p.polwithcheck, p.polrelid)) FROM pg_policy p",
    "SELECT format('statistics %s %s', n.nspname, pg_get_statisticsobjdef(s.oid))
     FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace WHERE OURS",
    "SELECT format('function %s owner=%s acl=%s %s', n.nspname, p.proowner::regrole, p.proacl, pg_get_functiondef(p.oid))
     FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.prokind IN ('f', 'p') AND OURS",
    "SELECT format('type %s %s owner=%s acl=%s %s not_null=%s default=%s', n.nspname, t.typname, t.typowner::regrole, t.typacl,
        nullif(t.typbasetype, 0)::regtype, t.typnotnull, t.typdefault)
     FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.typtype IN ('e', 'd', 'r') AND OURS",
    "SELECT format('enum %s %s %s', n.nspname, t.typname, (SELECT string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid))
     FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.typtype = 'e' AND OURS",
    "SELECT format('constraint of domain %s %s %s validated=%s', n.nspname, t.typname, pg_get_constraintdef(k.oid), k.convalidated)
     FROM pg_constraint k JOIN pg_type t ON t.oid = k.contypid JOIN pg_namespace n ON n.oid = t.typnamespace WHERE OURS",
    "SELECT format('default acl %s %s %s %s', d.defaclrole::regrole, nullif(d.defaclnamespace, 0)::regnamespace, d.defaclobjtype, d.defaclacl)
     FROM pg_default_acl d",
    "SELECT format('comment on %s %s: %s', o.type, o.identity, d.description)
     FROM pg_description d, pg_identify_object(d.classoid, d.objoid, d.objsubid) o WHERE d.objoid >= 16384",
    // What goes with what: an index with its constraint, a sequence with its column.
    "SELECT format('%s %s depends on %s %s (%s)', o.type, o.identity, r.type, r.identity, d.deptype)
     FROM pg_depend d, pg_identify_object(d.classid, d.objid, d.objsubid) o, pg_identify_object(d.refclassid, d.refobjid, d.refobjsubid) r
     WHERE d.objid >= 16384 AND o.identity IS NOT NULL AND r.identity IS NOT NULL AND concat(o.identity, r.identity) !~ 'pg_toast|pg_temp_|ConstraintTrigger_|\"_RETURN\"'",
];

const OURS: &str = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

/// The schema as lines, each kind sorted by the server's bytes.
pub async fn catalog(session: &Session) -> String {
    let mut lines = Vec::new();
    for question in QUESTIONS {
        let question = question.replace("OURS", OURS);
        lines.extend(session.column(&format!("SELECT line FROM ({question}) AS t(line) ORDER BY line COLLATE \"C\"")).await);
    }
    lines.join("\n")
}

/// Every table and every sequence, with its kind and its name in quotes.
const HOLDERS: &str = "SELECT format('%s%I.%I', c.relkind, n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'S') AND OURS ORDER BY 1";

/// The rows of every table, without those of its children, in the order of their text; and how far every sequence is.
pub async fn contents(session: &Session) -> String {
    let holders = session.column(&HOLDERS.replace("OURS", OURS)).await;
    let questions = holders.iter().map(|holder| match holder.split_at(1) {
        ("S", name) => format!("SELECT {} || format(': %s %s', last_value, is_called) FROM {name}", literal(name)),
        (_, name) => format!("SELECT {} || t::text FROM ONLY {name} AS t", literal(&format!("{name}: "))),
    });
    let all = questions.collect::<Vec<_>>().join(" UNION ALL ");
    if all.is_empty() {
        return all;
    }
    session.column(&format!("SELECT line FROM ({all}) AS t(line) ORDER BY line COLLATE \"C\"")).await.join("\n")
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
