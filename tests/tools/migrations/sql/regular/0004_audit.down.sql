DROP INDEX audit_entries_happened_at_idx;
DROP TABLE audit_entries;
