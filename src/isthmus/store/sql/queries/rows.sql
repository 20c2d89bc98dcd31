-- Rows of one transaction. "for no key update" locks in the order of ids, always: no two batches can wait for each other.

-- name: links_by_key
select {link_columns}
from link
where system = %(system)s and resource = %(resource)s and key = any(%(keys)s)
order by id for no key update;

-- name: links_by_item
select {link_columns}
from link
where item = any(%(items)s)
order by id for no key update;

-- name: links
select {link_columns}
from link
where id = any(%(ids)s)
order by id for no key update;

-- name: link_rows
-- For rows that are locked already.
select {link_columns} from link where id = any(%(ids)s) order by id;

-- name: item_rows
select {item_columns} from item where id = any(%(ids)s) order by id;

-- name: families
select {link_columns}
from link
where id in (
        select id from link where id = any(%(ids)s)
        union all select other.id from link as named join link as other on other.item = named.item
        where named.id = any(%(ids)s))
order by id for no key update;

-- name: asked_about
-- After a merge, or several: the record stays with its own item until the answer.
select {link_columns}
from link
where state = 'doubtful' and item in (
        with recursive merged as (
            select id from item where alias_of = any(%(items)s)
            union
            select item.id from merged join item on item.alias_of = merged.id
        )
        select id from merged)
order by id for no key update;

-- name: items
select {item_columns}
from item
where id = any(%(ids)s)
order by id for no key update;

-- name: due_links
-- The conditions stand twice: after waiting for a lock only the outer ones are looked at again.
select {link_columns}
from link
where id in (
        select link from due
        where flow = %(flow)s and system = %(system)s and not read and at <= %(now)s
            and case when state = 'creating' then 'creates' when doomed then 'deletes' else 'updates' end
                <> all(%(held)s::text[])
            and (%(lanes)s::integer[] is null or lane(link) = any(%(lanes)s::integer[]))
        order by at, link limit %(limit)s)
    and due_at <= %(now)s and state <> 'new' and waits_for is null
order by id for no key update;

-- name: due_lanes
select lane(link), count(*), min(at) from due
where flow = %(flow)s and system = %(system)s and not read and at <= %(now)s
group by 1
order by 3, 1;

-- name: due_reads
select {link_columns}
from link
where id in (
        select link from due
        where system = %(system)s and read and at <= %(now)s
        order by at, link limit %(limit)s)
    and waits_for = 'read' and due_at <= %(now)s
order by id for no key update;

-- name: new_links
select {link_columns}
from link
where id in (
        select id from link
        where flow = %(flow)s and state = 'new' and waits_for is null and id > %(after)s
        order by id limit %(limit)s)
    and state = 'new' and waits_for is null
order by id for no key update;

-- name: unmet
select {link_columns}
from link
where flow = %(flow)s and system = %(system)s and state = 'new'
order by id for no key update;

-- name: unsure
select {link_columns}
from link
where flow = %(flow)s and system = %(system)s and (state = 'creating' or state = 'unlinked' and key is null)
    and intent -> 'sent_at' is not null and intent -> 'sent_at' <> 'null'
order by id for no key update;

-- name: count_due
select
    count(*) filter (where state = 'creating' and not doomed) as creates,
    count(*) filter (where state = 'linked' and not doomed) as updates,
    count(*) filter (where doomed) as deletes,
    exists (
        select from inbox
        where kind = 'brake' and decided_at is null
            and subject in (%(place)s || 'creates', %(place)s || 'updates', %(place)s || 'deletes')) as asked,
    exists (
        select from approval
        where subject in (%(place)s || 'creates', %(place)s || 'updates', %(place)s || 'deletes')) as approved,
    (select coalesce(jsonb_object_agg(kind, links), '{}')
        from (
            select substr(subject, length(%(place)s) + 1) as kind, sum(cardinality(links)) as links
            from traffic
            where subject in (%(place)s || 'creates', %(place)s || 'updates', %(place)s || 'deletes') and at > %(since)s
            group by subject) as by_kind) as noted
from due
where flow = %(flow)s and system = %(system)s and not read and at <= %(now)s;

-- name: count_linked
select count(*)
from (select from link where flow = %(flow)s and system = %(system)s and state = 'linked' limit %(enough)s) as found;

-- name: resolve
select distinct on (link.system, link.resource, link.key) link.system, link.resource, link.key, link.item
from link
    join unnest(%(systems)s::text[], %(resources)s::text[], %(keys)s::text[]) as wanted (system, resource, key)
        on link.system = wanted.system and link.resource = wanted.resource and link.key = wanted.key
    join item on item.id = link.item
where link.state = 'linked' and item.deleted_at is null and item.alias_of is null
order by link.system, link.resource, link.key, link.id;

-- name: far_keys
-- A child may still name an item that was merged into another one, and that one into a third.
with recursive wanted as (
    select system, resource, item
    from unnest(%(systems)s::text[], %(resources)s::text[], %(items)s::text[]) as given (system, resource, item)
), heir as (
    select id as named, id, alias_of from item where id in (select item from wanted)
    union
    select heir.named, item.id, item.alias_of from heir join item on item.id = heir.alias_of
)
select distinct on (wanted.system, wanted.resource, wanted.item) wanted.system, wanted.resource, wanted.item, link.key
from wanted
    join heir on heir.named = wanted.item and heir.alias_of is null
    join link on link.system = wanted.system and link.resource = wanted.resource and link.item = heir.id
where link.state = 'linked' and link.key is not null
order by wanted.system, wanted.resource, wanted.item, link.id;

-- name: find_evidence
select wanted.rule, wanted.value, found.item
from unnest(%(rules)s::text[], %(values)s::text[]) as wanted (rule, value)
    cross join lateral (
        select distinct evidence.item
        from evidence join item on item.id = evidence.item
        where evidence.entity = %(entity)s and evidence.rule = wanted.rule
            and hashtextextended(evidence.value, 0) = hashtextextended(wanted.value, 0)
            and evidence.value = wanted.value
            and item.deleted_at is null and item.alias_of is null
        order by evidence.item
        limit 200
    ) as found;

-- name: take_sightings
with taken as (
    delete from sighting where system = %(system)s and resource = %(resource)s and key = any(%(keys)s)
    returning seq, system, resource, key, at, fields
)
select system, resource, key, at, fields from taken order by seq;

-- name: last_writes
select {effect_columns}
from unnest(%(links)s::text[]) as wanted (link)
    cross join lateral (
        select * from effect where effect.link = wanted.link and effect.outcome = 'done' order by effect.seq desc limit 1
    ) as effect;

-- name: updates_since
select {effect_columns}
from effect
where link = any(%(links)s) and at >= %(since)s and outcome in ('done', 'unknown-outcome') and kind = 'update'
order by seq desc;

-- name: journal_since
select {journal_columns} from journal where item = any(%(items)s) and at >= %(since)s order by seq;

-- name: feed
select {feed_columns}
from feed
where system = %(system)s and resource = %(resource)s;

-- name: forget_scan
delete from scan_seen where system = %(system)s and resource = %(resource)s;

-- name: scan_seen
insert into scan_seen (system, resource, key)
select %(system)s, %(resource)s, key from unnest(%(keys)s::text[]) as shown (key)
order by key
on conflict do nothing;

-- name: scan_missing
-- A record we read or wrote since the scan began is there, whatever the pages of the scan showed.
select distinct key
from link
where system = %(system)s and resource = %(resource)s and key is not null and state in ('new', 'doubtful', 'linked')
    and (seen_at is null or seen_at < %(started)s)
    and (written_at is null or written_at < %(started)s)
    and not exists (
        select from scan_seen
        where scan_seen.system = link.system and scan_seen.resource = link.resource and scan_seen.key = link.key)
order by key;

-- name: linked_keys
select key, item from link
where flow = %(flow)s and system = %(system)s and state = 'linked' and key is not null;

-- name: creating
select {link_columns}
from link
where flow = %(flow)s and system = %(system)s and state = 'creating'
order by id for no key update;

-- name: last_decided
select {inbox_columns}
from inbox
where kind = %(kind)s and subject = %(subject)s and decided_at is not null and decision <> 'withdrawn'
order by decided_at desc limit 1;

-- name: inbox_entry
select {inbox_columns}
from inbox
where id = %(id)s
for no key update;

-- name: open_entries
select {inbox_columns}
from inbox
where kind = %(kind)s and subject = any(%(subjects)s) and decided_at is null
order by id for no key update;

-- name: all_open_entries
select {inbox_columns}
from inbox
where decided_at is null
order by opened_at, id;

-- name: brake_approvals
-- Links that were granted and are not due any more need nothing.
select subject, writes, array(select id from link where id = any(granted) and due_at <= %(now)s)
from approval
where subject = any(%(subjects)s)
order by subject for no key update;

-- name: use_approval
update approval set
    writes = greatest(writes - (select count(*) from unnest(%(links)s::text[]) as each (id) where id <> all(granted)), 0),
    granted = array(select unnest(granted) union select unnest(%(links)s::text[]))
where subject = %(subject)s;

-- name: end_approval
update approval set granted = array(select unnest(granted) except select unnest(%(links)s::text[]))
where subject = %(subject)s;

-- name: forget_approval
delete from approval where subject = %(subject)s and writes = 0 and granted = '{}';

-- name: note_traffic
with forgotten as (delete from traffic where subject = %(subject)s and at <= %(since)s)
insert into traffic (subject, at, links) values (%(subject)s, %(now)s, %(links)s::text[]);

-- name: recent_traffic
select count(distinct noted.id)
from traffic cross join unnest(links) as noted (id)
where subject = %(subject)s and at > %(since)s
    and not exists (select from link where link.id = noted.id and link.due_at <= %(now)s);

-- name: approve
insert into approval (subject, writes) values (%(subject)s, %(writes)s)
on conflict (subject) do update set writes = excluded.writes;
