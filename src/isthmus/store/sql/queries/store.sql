-- Around the transactions.

-- name: due_at
-- The first of each kind, from one to the next: what is due may be much, and is asked for before every write.
with recursive place as (
    (select flow, system, read from due order by flow, system, read limit 1)
    union all
    select following.flow, following.system, following.read
    from place cross join lateral (
        select flow, system, read from due
        where (due.flow, due.system, due.read) > (place.flow, place.system, place.read)
        order by flow, system, read limit 1
    ) as following
)
select place.flow, place.system, min(earliest.at), min(earliest.at) filter (where place.read)
from place cross join lateral (
    select at from due
    where due.flow = place.flow and due.system = place.system and due.read = place.read
    order by at limit 1
) as earliest
group by place.flow, place.system;

-- name: try_lock
select pg_try_advisory_lock(hashtextextended('isthmus ' || %(name)s, 0));

-- name: unlock
select pg_advisory_unlock(hashtextextended('isthmus ' || %(name)s, 0));

-- name: take_lanes
select take_lanes(%(place)s, %(lanes)s::integer[], %(due)s::integer[], %(enough)s);

-- name: give_lanes
select pg_advisory_unlock(hashtextextended('isthmus ' || %(place)s || '/' || lane, 0))
from unnest(%(lanes)s::integer[]) as given (lane);

-- name: join_workers
-- Shared, so that every worker can hold it: whoever is in pg_locks with it is alive.
select set_config('application_name', %(title)s, false),
    pg_advisory_lock_shared(hashtextextended('isthmus worker', 0));

-- name: workers
-- Whose session holds the lock, in which a session's application_name is its title. The key of an advisory lock is
-- shown in two halves.
select activity.application_name, activity.backend_start
from pg_locks join pg_stat_activity as activity on activity.pid = pg_locks.pid
where locktype = 'advisory' and mode = 'ShareLock' and granted and objsubid = 1
    and database = (select oid from pg_database where datname = current_database())
    and (classid::bigint << 32 | objid::bigint) = hashtextextended('isthmus worker', 0)
order by activity.backend_start, activity.pid;

-- name: tell_stop
select pg_notify('isthmus', 'stop');

-- name: tell_fields
select pg_notify('isthmus', 'fields');

-- name: unlock_all
select pg_advisory_unlock_all();

-- name: add_hints
-- Unless it must be sure nobody waits until it is on the disk, nor when it is taken: what a crash of the server loses is found
-- in the next look, and what it brings back is looked at once more.
with hinted as (
    insert into hint (system, resource, key)
    select system, resource, key from unnest(%(systems)s::text[], %(resources)s::text[], %(keys)s::text[])
        as given (system, resource, key)
    order by system, resource, key
    on conflict do nothing
)
select pg_notify('isthmus', '/' || system),
    set_config('synchronous_commit', case when %(sure)s then current_setting('synchronous_commit') else 'off' end, true)
from (select distinct unnest(%(systems)s::text[]) as system) as places;

-- name: add_sightings
with forgotten as (delete from sighting where at < now() - interval '1 minute')
insert into sighting (system, resource, key, at, fields)
select system, resource, key, at, fields
from jsonb_to_recordset(%(rows)s) as given (system text, resource text, key text, at timestamptz, fields jsonb);

-- name: take_hints
-- In a fixed order first: two takers, or a taker and a giver, never wait for each other.
with first as (
    select system, resource, key from hint where system = %(system)s order by resource, key for update skip locked
),
taken as (
    delete from hint using first
    where hint.system = first.system and hint.resource = first.resource and hint.key = first.key
    returning hint.resource, hint.key
)
select resource, key, set_config('synchronous_commit', 'off', true) from taken;

-- name: forget_base
with forgotten as (
    update link set base = base #- %(path)s::text[], digest = null
    where flow = %(flow)s and system = %(system)s and base #> %(path)s::text[] is not null
    returning id
)
select count(*) from forgotten;

-- name: remember
insert into meta (name, value) values (%(name)s, %(value)s)
on conflict (name) do update set value = excluded.value;

-- name: recall
select value from meta where name = %(name)s;

-- name: make_partitions
select make_partitions(now(), %(months)s);

-- name: shadow
-- Temporary tables of the same names in this session only; unqualified names then mean the copies. Indexes come after the
-- rows, and only those that the engine's queries need.
create temp sequence journal_seq as bigint;
create temp sequence effect_seq as bigint;
create temp table item (like isthmus.item including defaults including constraints including storage);
create temp table item_changed (like isthmus.item_changed);
create temp table link (like isthmus.link including defaults including constraints including storage);
create temp table due (like isthmus.due including all);
create temp table evidence (like isthmus.evidence including defaults including constraints);
create temp table inbox (like isthmus.inbox including all excluding generated);
create temp table feed (like isthmus.feed including all);
create temp table scan_seen (like isthmus.scan_seen including all);
create temp table approval (like isthmus.approval including all);
create temp table traffic (like isthmus.traffic including all);
create temp table hint (like isthmus.hint including all);
create temp table sighting (like isthmus.sighting including all);
create temp table flow_version (like isthmus.flow_version including all);
create temp table meta (like isthmus.meta including all);
create temp table simulation (like isthmus.simulation including all);
create temp table number_range (like isthmus.number_range including all);
create temp table journal (like isthmus.journal including all);
create temp table effect (like isthmus.effect including all);
alter table pg_temp.journal alter column seq set default nextval('pg_temp.journal_seq');
alter table pg_temp.effect alter column seq set default nextval('pg_temp.effect_seq');
insert into pg_temp.item select * from isthmus.item;
insert into pg_temp.link select * from isthmus.link;
insert into pg_temp.due select * from isthmus.due;
insert into pg_temp.evidence select * from isthmus.evidence;
insert into pg_temp.inbox select * from isthmus.inbox;
insert into pg_temp.feed select * from isthmus.feed;
insert into pg_temp.scan_seen select * from isthmus.scan_seen;
insert into pg_temp.approval select * from isthmus.approval;
insert into pg_temp.traffic select * from isthmus.traffic;
insert into pg_temp.meta select * from isthmus.meta;
alter table pg_temp.item add primary key (id);
alter table pg_temp.link add primary key (id);
alter table pg_temp.link add unique (system, resource, key, flow) deferrable initially immediate;
create index on pg_temp.item (alias_of) where alias_of is not null;
create index on pg_temp.link (item) where item is not null;
create index on pg_temp.link (flow, system, state);
create index on pg_temp.link (waits_for) where waits_for is not null;
create index on pg_temp.link (flow, state, id) where state in ('new', 'doubtful', 'creating');
create index on pg_temp.evidence (entity, rule, hashtextextended(value, 0));
create index on pg_temp.evidence (item);
create trigger due_new after insert on pg_temp.link
    referencing new table as moved for each statement execute function isthmus.keep_due();
create trigger due_moved after update on pg_temp.link
    referencing new table as moved for each statement execute function isthmus.keep_due();
create trigger due_dropped after delete on pg_temp.link
    referencing old table as moved for each statement execute function isthmus.keep_due();

-- name: analyze_shadow
-- Nobody gathers statistics of temporary tables by himself.
analyze pg_temp.item;
analyze pg_temp.link;
analyze pg_temp.evidence;
