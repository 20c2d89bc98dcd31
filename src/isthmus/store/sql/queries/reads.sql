-- Read models of the faces. Nothing is locked.

-- name: flow_status
select flow, system,
    count(*) filter (where state = 'linked') as linked,
    count(*) filter (where state = 'new') as new,
    count(*) filter (where state = 'doubtful') as doubtful,
    count(*) filter (where state = 'creating') as creating,
    count(*) filter (where due_at <= %(now)s and waits_for is null and state <> 'new') as due,
    count(*) filter (where waits_for is not null) as waiting,
    count(*) filter (where problem is not null and due_at is null) as parked,
    count(*) filter (where conflicts <> '{}') as conflicts,
    count(*) filter (where not_held <> '{}') as not_held,
    count(*) filter (where state = 'gone') as gone,
    count(*) filter (where state = 'unlinked') as unlinked,
    min(due_at) filter (where waits_for is null and state <> 'new') as oldest_due,
    max(seen_at) as seen_at,
    max(written_at) as written_at,
    max(agreed_at) as agreed_at
from link
group by flow, system
order by flow, system;

-- name: feeds
select {feed_columns} from feed order by system, resource;

-- name: inbox
select {inbox_columns}
from inbox
where (not %(open_only)s or decided_at is null)
    and (%(kind)s::text is null or kind = %(kind)s)
    and (%(flow)s::text is null or flow = %(flow)s)
order by opened_at, id
limit %(limit)s offset %(offset)s;

-- name: inbox_counts
select kind, flow, count(*), min(opened_at) from inbox where decided_at is null group by kind, flow order by kind, flow;

-- name: entry
select {inbox_columns} from inbox where id = %(id)s;

-- name: entries_about
select {inbox_columns} from inbox where subject = any(%(subjects)s) and decided_at is null order by opened_at, id;

-- name: links_of_record
select {link_columns}
from link
where system = %(system)s and resource = %(resource)s and key = %(key)s
order by flow;

-- name: links_of_items
select {link_columns} from link where item = any(%(items)s) order by system, resource, id;

-- name: one_item
select {item_columns} from item where id = %(id)s;

-- name: heir
with recursive heir as (
    select id, alias_of from item where id = %(id)s
    union
    select item.id, item.alias_of from heir join item on item.id = heir.alias_of
)
select {item_columns} from item where id = (select id from heir where alias_of is null);

-- name: history
-- With the history of what was merged into it, and into that.
with recursive merged as (
    select %(item)s::text as id
    union
    select item.id from merged join item on item.alias_of = merged.id
)
select {journal_columns}
from journal
where item = any (array(select id from merged))
order by seq desc
limit %(limit)s;

-- name: effects_of_item
select {effect_columns} from effect where item = %(id)s order by seq desc limit %(limit)s;

-- name: effects_of_link
select {effect_columns} from effect where link = %(id)s order by seq desc limit %(limit)s;

-- name: recent_effects
select {effect_columns} from effect where at >= %(since)s order by at desc, seq desc limit %(limit)s;

-- name: recent_journal
select {journal_columns} from journal where at >= %(since)s order by at desc, seq desc limit %(limit)s;

-- name: search_exactly
-- For texts too short for the index of parts.
with found as (
    (select link.item as id from link where link.key = %(text)s and link.item is not null limit %(limit)s)
    union
    (select id from item
    where alias_of is null and fields @? ('$.** ? (@ == ' || to_json(%(text)s::text)::text || ')')::jsonpath
    limit %(limit)s)
)
select {item_columns}
from found join item using (id)
where item.alias_of is null and (%(entity)s::text is null or item.entity = %(entity)s)
limit %(limit)s;

-- name: activity
-- What was taken from and written to each system, by minute.
select 'read', cause ->> 'by', extract(epoch from at)::bigint / 60 as minute, count(*)
from journal
where at >= %(since)s and cause ->> 'kind' = 'system'
group by 2, 3
union all
select 'written', system, extract(epoch from at)::bigint / 60 as minute, count(*)
from effect
where at >= %(since)s and outcome = 'done'
group by 2, 3;

-- name: latest_items
-- Those that changed last, each once.
select {item_columns}
from (
    select item as id, max(seq) as seq
    from (select item, seq from journal order by seq desc limit 500) as recent
    group by item order by 2 desc limit %(limit)s
) as latest join item using (id)
where item.alias_of is null
order by latest.seq desc;

-- name: items_by_field
select {item_columns}
from item
where entity = %(entity)s and fields @> %(wanted)s and fields -> %(field)s = %(wanted)s::jsonb -> %(field)s
    and deleted_at is null and alias_of is null
order by id
limit %(limit)s;

-- name: items_by_values
-- One look into the index for each value.
select {item_columns}
from (select distinct jsonb_build_object(%(field)s::text, value) as wanted from unnest(%(values)s::text[]) as value) as one,
    lateral (
        -- First those with the value, then those of the entity among them: the other way round there are very many.
        select * from (select * from item where fields @> one.wanted offset 0) as item
        where entity = %(entity)s and fields -> %(field)s = one.wanted -> %(field)s
            and deleted_at is null and alias_of is null
        order by id limit %(limit)s) as item;

-- name: referencing
select {item_columns}
from item
where fields @? ('$.** ? (@ == ' || to_json(%(item)s::text)::text || ')')::jsonpath
    and alias_of is null and (%(entity)s::text is null or entity = %(entity)s)
order by entity, id
limit %(limit)s;

-- name: parked
select {link_columns}
from link
where problem is not null and due_at is null
    and (%(flow)s::text is null or flow = %(flow)s) and (%(system)s::text is null or system = %(system)s)
order by flow, system, id
limit %(limit)s;

-- name: differing_links
-- Both sides known and not equal. A field that the record does not show proves nothing; one the item lacks is empty.
-- The first look is cheap: laying what was shown over the item changes nothing when all of it is equal.
select link.id
from link join item on item.id = link.item
where link.flow = %(flow)s and link.state = 'linked' and link.id > %(after)s
    and item.fields || link.far <> item.fields and exists (
    select from jsonb_each(link.far) as shown
    where shown.value is distinct from coalesce(item.fields -> shown.key, 'null'))
order by link.id
limit %(limit)s;

-- name: links_by_id
select {link_columns} from link where id = any(%(ids)s) order by id;

-- name: items_by_id
select {item_columns} from item where id = any(%(ids)s) order by id;

-- name: freshness
-- Time from a change in the hub to the write that carried it: the latest change of the item before each write.
select effect.flow, effect.system, count(*), max(effect.at),
    percentile_cont(0.5) within group (order by extract(epoch from effect.at - change.at)::double precision),
    percentile_cont(0.95) within group (order by extract(epoch from effect.at - change.at)::double precision)
from effect cross join lateral (
    select journal.at from journal
    where journal.item = effect.item and journal.at <= effect.at
    order by journal.seq desc limit 1) as change
where effect.at >= %(since)s and effect.outcome = 'done'
group by effect.flow, effect.system
order by effect.flow, effect.system;

-- name: system_writes
select system, count(*), count(*) filter (where outcome <> 'done'),
    percentile_cont(0.5) within group (order by seconds), percentile_cont(0.95) within group (order by seconds)
from effect
where at >= %(since)s
group by system
order by system;

-- name: linkable
-- Records of these flows with this key, or whose name or number begins so, and those of some items; what is gone or not
-- made yet is nothing to link with.
(select {link_columns} from link
where flow = any(%(flows)s) and key = %(text)s and state in ('new', 'doubtful', 'linked', 'unlinked')
limit %(limit)s)
union
(select {link_columns} from link
where flow = any(%(flows)s) and item = any(%(items)s) and key is not null and state in ('linked', 'unlinked')
limit %(limit)s)
union
(select {link_columns} from link
where flow = any(%(flows)s) and state in ('new', 'doubtful') and key is not null
    and (far ->> 'name' ilike %(pattern)s or far ->> 'number' ilike %(pattern)s)
limit %(limit)s)
limit %(limit)s;
