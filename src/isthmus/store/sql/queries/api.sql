-- What the API and the portal ask for: pages of things, and calls that are remembered.

-- name: items_page
-- planned each time
select {item_columns}
from item
where alias_of is null and deleted_at is null and id > %(after)s
    and (%(entity)s::text is null or entity = %(entity)s)
    and (%(wanted)s::jsonb is null or fields @> %(wanted)s)
order by id
limit %(limit)s;

-- name: processes_page
select {process_columns} from process
where (cardinality(%(states)s::text[]) = 0 or state = any(%(states)s::text[]))
    and (%(before)s::timestamptz is null or (started_at, id) < (%(before)s, %(id)s))
order by started_at desc, id desc
limit %(limit)s;

-- name: inbox_page
-- planned each time
select {inbox_columns}
from inbox
where decided_at is null
    and (%(kind)s::text is null or kind = %(kind)s)
    and (%(flow)s::text is null or flow = %(flow)s)
    and (%(after)s::timestamptz is null or (opened_at, id) > (%(after)s, %(id)s))
order by opened_at, id
limit %(limit)s;

-- name: begin_api_call
-- One row when this call is to be carried out: it is new, or whoever began it has died in it.
with forgotten as (delete from api_call where made_at < %(now)s - interval '1 day' and (login, key) <> (%(login)s, %(key)s))
insert into api_call (login, key, digest, made_at)
values (%(login)s, %(key)s, %(digest)s, %(now)s)
on conflict (login, key) do update set digest = excluded.digest, made_at = excluded.made_at, status = null
where api_call.made_at < %(now)s - interval '1 day'
    or (api_call.status is null and api_call.digest = excluded.digest and api_call.made_at < %(now)s - interval '1 minute')
returning key;

-- name: api_call
select digest, status, headers, body from api_call where login = %(login)s and key = %(key)s;

-- name: end_api_call
update api_call set status = %(status)s, headers = %(headers)s, body = %(body)s where login = %(login)s and key = %(key)s;

-- name: drop_api_call
delete from api_call where login = %(login)s and key = %(key)s;
