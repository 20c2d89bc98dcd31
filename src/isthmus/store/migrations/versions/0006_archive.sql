-- History can be put away.
create function drop_partition(part text, rows bigint, last bigint) returns boolean language plpgsql as $$
declare
    same boolean;
begin
    if part !~ '^(journal|effect)_\d{4}_\d{2}$' then
        raise exception 'no monthly partition: %', part;
    end if;
    execute format('lock table %I in share mode', part);
    execute format('select count(*) = $1 and coalesce(max(seq), 0) = $2 from %I', part) into same using rows, last;
    if same then
        execute format('drop table %I', part);
    end if;
    return same;
end
$$;
comment on function drop_partition(text, bigint, bigint) is
    'Drops a monthly partition of journal or effect if it has just these rows, up to this number; whether it did.';
