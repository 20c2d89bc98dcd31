-- A comparison's room: temporary tables of one session, so they cost no log and are gone when it ends.

-- name: compare_room
create temp table far_side (key text not null, digest bytea not null, wanted boolean not null);
create temp table hub_side (key text, digest bytea, link text not null, state text not null, settled boolean not null);
create temp table suspect (
    n bigint primary key generated always as identity,
    key text, link text, item text, seen boolean not null, lost boolean not null default false);
create temp table finding (
    id text primary key, n bigint not null, kind text not null, flow text not null, system text not null,
    resource text not null, key text not null, item text, link text, fields jsonb not null, found_at timestamptz);
create index on finding (n);

-- name: compare_clear
truncate far_side, hub_side, suspect;
update finding set n = 0 where n <> 0;

-- name: copy_far_side
copy far_side (key, digest, wanted) from stdin (format binary);

-- name: take_hub_side
-- "settled" where the hub's own memory says that all is well: nothing to do, and the item holds all that the system
-- showed. Parts of a struct that the system does not hold do not count; lists must be equal. A gone record is settled
-- when nothing of it lives on elsewhere.
insert into hub_side (key, digest, link, state, settled)
select link.key, link.digest, link.id, link.state,
    case link.state
        when 'linked' then
            link.due_at is null and link.waits_for is null and link.problem is null and link.doom is null
            and link.conflicts = '{}' and link.not_held = '{}' and item.deleted_at is null
            and (item.fields || link.far = item.fields or not exists (
                select from jsonb_each(link.far) as shown
                where shown.value is distinct from item.fields -> shown.key
                    and not coalesce(
                        jsonb_typeof(shown.value) = 'object' and item.fields -> shown.key @> shown.value
                        and not jsonb_path_exists(shown.value, '$.** ? (@.type() == "array")'), false)))
        when 'gone' then
            not exists (
                select from link as other
                where other.item = link.item and other.flow = link.flow and other.id <> link.id
                    and other.state = 'linked' and other.system <> link.system)
            or exists (
                select from link as other
                where other.item = link.item and other.system = link.system and other.resource = link.resource
                    and other.state in ('linked', 'creating'))
        else false
    end
from link left join item on item.id = link.item
where link.flow = %(flow)s and link.system = %(system)s;

-- name: analyze_sides
analyze far_side, hub_side;

-- name: find_suspects
insert into suspect (key, link, seen, lost)
select coalesce(far_side.key, hub_side.key), hub_side.link, coalesce(far_side.digest = hub_side.digest, false),
    coalesce(hub_side.state = 'gone' and not hub_side.settled, false)
from far_side full join hub_side on hub_side.key = far_side.key
where case
    when hub_side.link is null then far_side.wanted
    when hub_side.state = 'unlinked' then false
    when hub_side.state = 'gone' then far_side.key is not null or not hub_side.settled
    else far_side.key is null or not hub_side.settled or hub_side.digest is distinct from far_side.digest
    end;

-- name: find_lacking
insert into suspect (item, seen)
select distinct link.item, false
from link join item on item.id = link.item
where link.flow = %(flow)s and link.system <> %(system)s and link.state = 'linked' and link.doom is null
    and item.deleted_at is null and item.alias_of is null
    and not exists (
        select from link as other
        where other.item = link.item and other.system = %(system)s and other.resource = %(resource)s);

-- name: count_suspects
select count(*) from suspect;

-- name: suspects
select n, key, link, item, seen, lost from suspect where n > %(after)s order by n limit %(limit)s;

-- name: links_of_suspects
-- By id, and by key: what had no link may have one by now.
select {link_columns} from link
where id = any(%(ids)s)
    or flow = %(flow)s and system = %(system)s and resource = %(resource)s and key = any(%(keys)s);

-- name: questions_of_links
-- About these links, others of their items, or what they wait for; and what the brake holds.
select inbox.kind, inbox.subject, asked.item, asked.awaited
from inbox left join lateral (
    select link.item, array(
        select name from unnest(array[
            'doubt/' || link.id, link.system || '/' || link.resource || '/' || link.key, link.item || '/' || link.system
        ]) as name
        where link.state <> 'linked' and name = any(%(waits)s)) as awaited
    from link where link.id = inbox.subject) as asked on true
where inbox.decided_at is null
    and (inbox.subject = any(%(subjects)s) or inbox.kind = 'delete' and asked.item = any(%(items)s)
        or asked.awaited <> '{}');

-- name: findings
select n, id, kind, flow, system, resource, key, item, link, fields, found_at from finding where n = any(%(suspects)s);

-- name: forget_findings
delete from finding where n = any(%(suspects)s);

-- name: note_findings
-- One record may have become the suspect twice: as the key that it has now, and as the link that waited for it.
insert into finding
select given.id, given.n, given.kind, given.flow, given.system, given.resource, given.key, given.item, given.link,
    given.fields, %(now)s
from jsonb_to_recordset(%(rows)s) as given (
    id text, n bigint, kind text, flow text, system text, resource text, key text, item text, link text, fields jsonb)
on conflict (id) do nothing;

-- name: drop_suspects
delete from suspect where n = any(%(suspects)s);

-- name: count_missed
select count(*) from finding where n <> 0 and kind = 'missed change';

-- name: excuse
update finding set kind = 'edited while paused'
where n <> 0 and kind = 'missed change' and (%(keys)s::text[] is null or key = any(%(keys)s));

-- name: forget_drifts
delete from drift where flow = %(flow)s;

-- name: publish_findings
insert into drift (id, kind, flow, system, resource, key, item, link, fields, found_at)
select id, kind, flow, system, resource, key, item, link, fields, found_at from finding where flow = %(flow)s;

-- name: drifts
select {drift_columns} from drift
where flow = any(%(flows)s) and id > %(after)s and (%(ids)s::text[] is null or id = any(%(ids)s))
order by id
limit %(limit)s;

-- name: drift_fields
-- Of a system, by resource, flow and field of the entity; without a field: all of the flow. Of very many the first ones:
-- a page must not wait for a count.
with first as materialized (select resource, flow, fields from drift where system = %(system)s limit 20000)
select resource, flow, '' as field, count(*) from first group by resource, flow
union all
select resource, flow, field, count(*) from first, jsonb_object_keys(fields) as field group by resource, flow, field;

-- name: drift_counts
select kind, count(*) from drift where flow = any(%(flows)s) group by kind order by kind;
