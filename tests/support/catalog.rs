//! The schema of a database as text, by names: two databases are the same when their texts are.

use super::Session;

/// One line for each thing that a migration could have made: its kind, its name, and everything that tells it from another.
const QUESTIONS: &[&str] = &[
    "SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'",
    "SELECT format('relation %s %s kind=%s persistence=%s options=%s replica_identity=%s', n.nspname, c.relname, c.relkind, c.relpersistence,
        c.reloptions, c.relreplident)
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
    "SELECT format('inherited constraint %s %s.%s own=%s from=%s %s', n.nspname, c.relname, k.conname, k.conislocal, k.coninhcount,
        (SELECT p.conrelid::regclass || '.' || p.conname FROM pg_constraint p WHERE p.oid = k.conparentid))
     FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE (k.coninhcount > 0 OR k.conparentid <> 0) AND OURS",
    "SELECT format('column %s %s.%s %s %s not_null=%s default=%s identity=%s generated=%s collation=%s storage=%s', n.nspname, c.relname, a.attname,
        (SELECT count(*) FROM pg_attribute b WHERE b.attrelid = a.attrelid AND b.attnum BETWEEN 1 AND a.attnum AND NOT b.attisdropped),
        format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid), a.attidentity, a.attgenerated,
        nullif(a.attcollation, 0)::regcollation, a.attstorage)
     FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND OURS",
    // From 18 on NOT NULL is a constraint, too, with a name, NO INHERIT and NOT VALID.
    "SELECT format('constraint %s %s.%s %s validated=%s', n.nspname, c.relname, k.conname, pg_get_constraintdef(k.oid), k.convalidated)
     FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE OURS",
    "SELECT format('index %s %s valid=%s ready=%s clustered=%s replica_identity=%s', n.nspname, pg_get_indexdef(i.indexrelid), i.indisvalid,
        i.indisready, i.indisclustered, i.indisreplident)
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
    "SELECT format('function %s %s', n.nspname, pg_get_functiondef(p.oid))
     FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.prokind IN ('f', 'p') AND OURS",
    "SELECT format('enum %s %s %s', n.nspname, t.typname, (SELECT string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid))
     FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.typtype = 'e' AND OURS",
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
