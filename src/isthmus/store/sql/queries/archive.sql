-- Putting old history away.

-- name: old_default_rows
-- The oldest month before this one of which rows are in a default partition: they came before their partition was made.
select min(at) from (
    select min(at) as at from journal_default union all select min(at) from effect_default) as oldest
where at < %(before)s;

-- name: make_partitions_of
select make_partitions(%(start)s, %(months)s);

-- name: partitions
select relname from pg_class
where relnamespace = 'isthmus'::regnamespace and relispartition and relkind = 'r'
    and relname ~ '^(journal|effect)_\d{4}_\d{2}$'
order by relname;

-- name: copy_journal
copy (
    select seq, at, item, version, changes, cause from journal
    where at >= %(low)s and at < %(high)s order by seq
) to stdout (format csv, header, force_quote *);

-- name: copy_effect
copy (
    select seq, at, link, item, flow, system, resource, key, kind, changes, outcome, message, seconds from effect
    where at >= %(low)s and at < %(high)s order by seq
) to stdout (format csv, header, force_quote *);

-- name: drop_partition
select drop_partition(%(part)s, %(rows)s, %(last)s);
