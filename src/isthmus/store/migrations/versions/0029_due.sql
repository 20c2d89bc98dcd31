-- What is due, in a narrow table of its own: an index over link.due_at had every index of the widest table written twice
-- for each change.
create table due (
    link text primary key,
    flow text not null,
    system text not null,
    at timestamptz not null,
    read boolean not null,
    state text not null,
    doomed boolean not null
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
comment on table due is
    'What link.due_at says of links that can be handled, kept by triggers: the queue of what is to be written or read.';
comment on column due.read is 'To be read again; else to be written.';
create index due_order on due (flow, system, read, at, link);
create index due_reads on due (system, at, link) where read;

-- The queue is never read as a whole: it may be empty when a plan is made, and hold a million rows when it is used.
create function keep_due() returns trigger language plpgsql
set search_path = pg_temp, isthmus set enable_seqscan = off
as $$
begin
    if tg_op = 'TRUNCATE' then
        truncate due;
        return null;
    end if;
    if tg_op <> 'INSERT' then
        delete from due using moved
        where due.link = moved.id
            and (tg_op = 'DELETE' or moved.due_at is null
                or not (moved.waits_for = 'read' or moved.waits_for is null and moved.state <> 'new'));
    end if;
    if tg_op <> 'DELETE' then
        insert into due (link, flow, system, at, read, state, doomed)
        select id, flow, system, due_at, waits_for is not null, state, doom is not null
        from moved
        where due_at is not null and (waits_for = 'read' or waits_for is null and state <> 'new')
        on conflict (link) do update set
            flow = excluded.flow, system = excluded.system, at = excluded.at, read = excluded.read,
            state = excluded.state, doomed = excluded.doomed
        where (due.flow, due.system, due.at, due.read, due.state, due.doomed)
            is distinct from (
                excluded.flow, excluded.system, excluded.at, excluded.read, excluded.state, excluded.doomed);
    end if;
    return null;
end
$$;
comment on function keep_due() is 'Trigger of link: brings due in step with what was just changed.';
create trigger due_new after insert on link
    referencing new table as moved for each statement execute function keep_due();
create trigger due_moved after update on link
    referencing new table as moved for each statement execute function keep_due();
create trigger due_dropped after delete on link
    referencing old table as moved for each statement execute function keep_due();
create trigger due_emptied after truncate on link for each statement execute function keep_due();

insert into due (link, flow, system, at, read, state, doomed)
select id, flow, system, due_at, waits_for is not null, state, doom is not null
from link
where due_at is not null and (waits_for = 'read' or waits_for is null and state <> 'new');
drop index link_due;
