-- Finding items by parts of their texts, and listing them. What they are found by is made a moment after a change; what
-- changed since is looked at as it is.

-- name: refresh_search
-- Of items that changed, at most so many; how many that were. Two that do so at once take others, and a later version is
-- not overwritten.
with taken as (
    delete from item_changed
    where ctid = any(array(select ctid from item_changed limit %(limit)s for update skip locked))
    returning item
),
seen as materialized (select item from item where id in (select taken.item from taken)),
gone as (delete from item_search using seen where item_search.item = (seen.item).id and (seen.item).alias_of is not null),
saved as (
    insert into item_search
    select made.* from seen, search_row(seen.item) as made where (seen.item).alias_of is null order by made.item
    on conflict (item) do update set
        entity = excluded.entity, version = excluded.version, text = excluded.text, shown = excluded.shown,
        place = excluded.place, customer = excluded.customer, station = excluded.station, day = excluded.day,
        number = excluded.number, state = excluded.state
    where item_search.version <= excluded.version
        and (item_search.entity, item_search.text, item_search.shown, item_search.place, item_search.customer,
            item_search.station, item_search.day, item_search.number, item_search.state)
        is distinct from (excluded.entity, excluded.text, excluded.shown, excluded.place, excluded.customer,
            excluded.station, excluded.day, excluded.number, excluded.state)
)
select count(*) from taken;

-- name: changed_items
-- Not to be found by what they were; if more have changed, those are not looked at.
select item as id from item_changed limit 1000

-- name: changed_rows
select made.*
from item, search_row(item) as made
where item.id in (select id from changed) and item.alias_of is null

-- name: search
-- planned each time
-- As many as are asked for, whichever come first: with a common word a million others need not be looked at.
with changed as materialized ({changed_items}),
found as (
    (select link.item as id from link where link.key = %(text)s and link.item is not null limit %(limit)s)
    union
    (select parts.item
    from search_parts(%(pattern)s, %(entity)s, %(limit)s + (select count(*) from changed)) as parts (item)
    where not exists (select from changed where changed.id = parts.item))
    union
    (select item from ({changed_rows}) as now
    where text like %(pattern)s and (%(entity)s::text is null or entity = %(entity)s)
    limit %(limit)s)
)
select {item_columns}
from found join item using (id)
where item.alias_of is null and (%(entity)s::text is null or item.entity = %(entity)s)
order by item.deleted_at is not null, item.entity, item.id
limit %(limit)s;

-- name: search_common
-- planned each time
-- Among the first thousand: what is common is found there, and the index would give too many.
with changed as materialized ({changed_items}),
found as (
    select first.item as id
    from (select item, text from item_search where %(entity)s::text is null or entity = %(entity)s limit 1000) as first
    where first.text like %(pattern)s and not exists (select from changed where changed.id = first.item)
    limit %(limit)s
)
select {item_columns}
from found join item using (id)
where item.alias_of is null
order by item.deleted_at is not null, item.entity, item.id
limit %(limit)s;

-- name: items_page_like
-- planned each time
with changed as materialized ({changed_items}),
found as (
    select item as id from item_search
    where text like %(pattern)s and item > %(after)s and (%(entity)s::text is null or entity = %(entity)s)
        and not exists (select from changed where changed.id = item_search.item)
    union all
    select item from ({changed_rows}) as now
    where text like %(pattern)s and item > %(after)s and (%(entity)s::text is null or entity = %(entity)s)
)
select {item_columns}
from found join item using (id)
where item.alias_of is null and item.deleted_at is null and (%(wanted)s::jsonb is null or fields @> %(wanted)s)
order by id
limit %(limit)s;

-- name: products_page
-- planned each time
-- What is sold, by part number; found by what buyers may read of it, and not by what it costs us. ``among``: of how many
-- that come next they are taken.
with changed as materialized ({changed_items}),
next as (
    select item, place, shown from item_search
    where shown is not null and place > %(after)s
    order by place, item limit %(among)s
),
found as (
    (select item as id, place from next
    where (%(pattern)s::text is null or shown like %(pattern)s)
        and not exists (select from changed where changed.id = next.item)
    order by place, item limit %(limit)s)
    union all
    select item, place from ({changed_rows}) as now
    where place > %(after)s and (%(pattern)s::text is null or shown like %(pattern)s)
)
select {item_columns}
from (select id, place from found order by place, id limit %(limit)s) as first join item using (id)
order by first.place, id;

-- name: rare_products_page
-- planned each time
-- The same for a word that few have: by the index of parts.
with changed as materialized ({changed_items}),
matching as materialized (
    select item, place from item_search where shown like %(pattern)s and shown is not null
),
found as (
    (select item as id, place from matching
    where place > %(after)s and not exists (select from changed where changed.id = matching.item)
    order by place, item limit %(limit)s)
    union all
    select item, place from ({changed_rows}) as now where place > %(after)s and shown like %(pattern)s
)
select {item_columns}
from (select id, place from found order by place, id limit %(limit)s) as first join item using (id)
order by first.place, id;

-- name: documents_page
-- planned each time
-- The newest first; what has no day yet (an order that is kept) stands before them, and what never has one is by number.
with changed as materialized ({changed_items}),
found as (
    (select item as id, day, number from item_search
    where {changed_owned} and not exists (select from changed where changed.id = item_search.item)
    order by day desc, number desc, item limit %(limit)s + %(offset)s)
    union all
    select item, day, number from ({changed_rows}) as now where {changed_owned}
),
page as (select * from found order by day desc, number desc, id limit %(limit)s offset %(offset)s)
select {item_columns}
from page join item using (id)
order by page.day desc, page.number desc, id;

-- name: documents_in_state
-- planned each time
with changed as materialized ({changed_items}),
found as (
    select item as id, number from item_search
    where entity = %(entity)s and state = any(%(states)s)
        and not exists (select from changed where changed.id = item_search.item)
    union all
    select item, number from ({changed_rows}) as now where entity = %(entity)s and state = any(%(states)s)
)
select {item_columns}
from found join item using (id)
where item.alias_of is null and item.deleted_at is null
order by found.number, id
limit %(limit)s offset %(offset)s;

-- name: changed_owned
entity = %(entity)s and (customer = %(customer)s::text or station = %(station)s::text)
    and (%(states)s::text[] is null or state = any(%(states)s))

-- name: open_items
-- planned each time
with changed as materialized ({changed_items}),
found as (
    select item as id from item_search
    where {changed_owned} and not exists (select from changed where changed.id = item_search.item)
    union all
    select item from ({changed_rows}) as now where {changed_owned}
)
select fields -> 'open_amount' ->> 'currency' as currency,
    sum((fields -> 'open_amount' ->> 'amount')::numeric) as amount,
    count(*) as invoices,
    coalesce(sum((fields -> 'open_amount' ->> 'amount')::numeric) filter (where fields ->> 'due_on' < %(today)s), 0),
    count(*) filter (where fields ->> 'due_on' < %(today)s)
from found join item using (id)
where (fields -> 'open_amount' ->> 'amount')::numeric <> 0
group by 1
order by 1;

-- name: settlement_shares
-- planned each time
-- The newest settlements with lines of a station: their number and the like, how many lines those are and their sum.
with changed as materialized ({changed_items})
select fields ->> 'number', fields ->> 'period', fields ->> 'state', fields ->> 'currency', fields ->> 'due_on',
    share.lines, share.amount
from (
    -- Large ones: no more of them are opened than it takes to find so many.
    select item, number from (
        select item, number from item_search
        where entity = 'LabourSettlement' and not exists (select from changed where changed.id = item_search.item)
        union all
        select item, number from ({changed_rows}) as now where entity = 'LabourSettlement'
    ) as known
    order by number desc, item offset 0
) as newest join item on item.id = newest.item, lateral (
    select count(*) as lines, coalesce(sum((line ->> 'amount')::numeric), 0) as amount
    from jsonb_array_elements(fields -> 'lines') as line where line ->> 'station' = %(station)s) as share
where alias_of is null and deleted_at is null and share.lines > 0
order by newest.number desc, newest.item
limit %(limit)s;
