-- Whole batches: one JSON array of rows per table, whatever their number (measured: as fast as COPY into a staging table
-- for thousands of rows, three times as fast for one).

-- name: drop_links
delete from link where id = any(%(ids)s);

-- name: save_items
-- By what they are found then is worked out later: see refresh_search.
with given as materialized (
    select id, entity, version, fields, set_by, deleted_at, alias_of
    from jsonb_to_recordset(%(rows)s) as given (
        id text, entity text, version bigint, fields jsonb, set_by jsonb, deleted_at timestamptz, alias_of text)
),
changed as (insert into item_changed (item) select id from given)
insert into item (id, entity, version, fields, set_by, deleted_at, alias_of)
select id, entity, version, fields, set_by, deleted_at, alias_of
from given
order by id
on conflict (id) do update set
    entity = excluded.entity, version = excluded.version, fields = excluded.fields, set_by = excluded.set_by,
    deleted_at = excluded.deleted_at, alias_of = excluded.alias_of
returning id, ctid::text, xmin::text;

-- name: update_items
-- Of rows that are there and locked.
with given as materialized (
    select id, entity, version, fields, set_by, deleted_at, alias_of
    from jsonb_to_recordset(%(rows)s) as given (
        id text, entity text, version bigint, fields jsonb, set_by jsonb, deleted_at timestamptz, alias_of text)
),
changed as (insert into item_changed (item) select id from given)
update item set
    entity = given.entity, version = given.version, fields = given.fields, set_by = given.set_by,
    deleted_at = given.deleted_at, alias_of = given.alias_of
from given
where item.id = given.id
returning item.id, item.ctid::text, item.xmin::text;

-- name: save_links
insert into link (
    id, flow, system, resource, key, item, state, base, far, far_version, digest, conflicts, not_held, unseen, intent,
    doom, due_at, attempts, problem, waits_for, seen_at, written_at, agreed_at)
select
    id, flow, system, resource, key, item, state, base, far, far_version, decode(digest, 'base64'), conflicts, not_held,
    unseen, intent, doom, due_at, attempts, problem, waits_for, seen_at, written_at, agreed_at
from jsonb_to_recordset(%(rows)s) as given (
    id text, flow text, system text, resource text, key text, item text, state text, base jsonb, far jsonb,
    far_version text, digest text, conflicts jsonb, not_held jsonb, unseen jsonb, intent jsonb, doom text,
    due_at timestamptz, attempts integer, problem jsonb, waits_for text, seen_at timestamptz, written_at timestamptz,
    agreed_at timestamptz)
order by id
on conflict (id) do update set
    flow = excluded.flow, system = excluded.system, resource = excluded.resource, key = excluded.key,
    item = excluded.item, state = excluded.state, base = excluded.base, far = excluded.far,
    far_version = excluded.far_version, digest = excluded.digest, conflicts = excluded.conflicts,
    not_held = excluded.not_held, unseen = excluded.unseen, intent = excluded.intent, doom = excluded.doom,
    due_at = excluded.due_at, attempts = excluded.attempts, problem = excluded.problem, waits_for = excluded.waits_for,
    seen_at = excluded.seen_at, written_at = excluded.written_at, agreed_at = excluded.agreed_at
returning id, ctid::text, xmin::text;

-- name: update_links
-- Of rows that are there and locked, and stay the same record of the same item.
update link set
    state = given.state, base = given.base, far = given.far, far_version = given.far_version,
    digest = decode(given.digest, 'base64'), conflicts = given.conflicts, not_held = given.not_held,
    unseen = given.unseen, intent = given.intent, doom = given.doom, due_at = given.due_at, attempts = given.attempts,
    problem = given.problem, waits_for = given.waits_for, seen_at = given.seen_at, written_at = given.written_at,
    agreed_at = given.agreed_at
from jsonb_to_recordset(%(rows)s) as given (
    id text, state text, base jsonb, far jsonb, far_version text, digest text, conflicts jsonb, not_held jsonb,
    unseen jsonb, intent jsonb, doom text, due_at timestamptz, attempts integer, problem jsonb, waits_for text,
    seen_at timestamptz, written_at timestamptz, agreed_at timestamptz)
where link.id = given.id
returning link.id, link.ctid::text, link.xmin::text;

-- name: mark_links
-- The same, of links in which nothing large has changed.
update link set
    state = given.state, far_version = given.far_version, digest = decode(given.digest, 'base64'), doom = given.doom,
    due_at = given.due_at, attempts = given.attempts, waits_for = given.waits_for, seen_at = given.seen_at,
    written_at = given.written_at, agreed_at = given.agreed_at
from jsonb_to_recordset(%(rows)s) as given (
    id text, state text, far_version text, digest text, doom text, due_at timestamptz, attempts integer, waits_for text,
    seen_at timestamptz, written_at timestamptz, agreed_at timestamptz)
where link.id = given.id
returning link.id, link.ctid::text, link.xmin::text;

-- name: save_journal
insert into journal (item, version, changes, cause, at)
select item, version, changes, cause, at
from rows from (
    jsonb_to_recordset(%(rows)s) as (item text, version bigint, changes jsonb, cause jsonb, at timestamptz)
) with ordinality as given (item, version, changes, cause, at, place)
order by place;

-- name: save_effects
insert into effect (link, item, flow, system, resource, key, kind, changes, outcome, message, at, seconds)
select link, item, flow, system, resource, key, kind, changes, outcome, message, at, seconds
from rows from (
    jsonb_to_recordset(%(rows)s) as (
        link text, item text, flow text, system text, resource text, key text, kind text, changes jsonb, outcome text,
        message text, at timestamptz, seconds double precision)
) with ordinality as given (
    link, item, flow, system, resource, key, kind, changes, outcome, message, at, seconds, place)
order by place;

-- name: drop_evidence
delete from evidence where item = any(%(items)s);

-- name: save_evidence
insert into evidence (entity, rule, value, item)
select distinct entity, rule, value, item
from jsonb_to_recordset(%(rows)s) as given (entity text, rule text, value text, item text);

-- name: close_inbox
update inbox set decided_at = %(now)s, decision = 'withdrawn', decided_by = 'hub'
from unnest(%(kinds)s::text[], %(subjects)s::text[]) as given (kind, subject)
where inbox.kind = given.kind and inbox.subject = given.subject and inbox.decided_at is null;

-- name: open_inbox
insert into inbox (id, kind, subject, flow, summary, detail, choices, opened_at)
select id, kind, subject, flow, summary, detail, choices, opened_at
from jsonb_to_recordset(%(rows)s) as given (
    id text, kind text, subject text, flow text, summary text, detail jsonb, choices jsonb, opened_at timestamptz)
order by kind, subject
on conflict (kind, subject) where decided_at is null do update set
    flow = excluded.flow, summary = excluded.summary, detail = excluded.detail, choices = excluded.choices;

-- name: decide_inbox
insert into inbox (id, kind, subject, flow, summary, detail, choices, opened_at, decided_at, decision, decided_by)
select id, kind, subject, flow, summary, detail, choices, opened_at, decided_at, decision, decided_by
from jsonb_to_recordset(%(rows)s) as given (
    id text, kind text, subject text, flow text, summary text, detail jsonb, choices jsonb, opened_at timestamptz,
    decided_at timestamptz, decision text, decided_by text)
order by id
on conflict (id) do update set
    detail = excluded.detail, decided_at = excluded.decided_at, decision = excluded.decision,
    decided_by = excluded.decided_by;

-- name: save_feeds
insert into feed (
    system, resource, cursor, scan_cursor, scan_started, scan_feed_cursor, scanned_at, scanned_for, polled_at,
    changed_at, failing_since, problem)
select
    system, resource, cursor, scan_cursor, scan_started, scan_feed_cursor, scanned_at, scanned_for, polled_at,
    changed_at, failing_since, problem
from jsonb_to_recordset(%(rows)s) as given (
    system text, resource text, cursor text, scan_cursor text, scan_started timestamptz, scan_feed_cursor text,
    scanned_at timestamptz, scanned_for text, polled_at timestamptz, changed_at timestamptz, failing_since timestamptz,
    problem jsonb)
order by system, resource
on conflict (system, resource) do update set
    cursor = excluded.cursor, scan_cursor = excluded.scan_cursor, scan_started = excluded.scan_started,
    scan_feed_cursor = excluded.scan_feed_cursor, scanned_at = excluded.scanned_at, scanned_for = excluded.scanned_for,
    polled_at = excluded.polled_at, changed_at = excluded.changed_at, failing_since = excluded.failing_since,
    problem = excluded.problem;

-- name: wake
-- "system/resource/key" has two or more slashes: the child's record must be read again, now that its parent is known.
-- "item/system" has one: the child can be written.
update link set due_at = %(now)s, waits_for = case when waits_for like '%%/%%/%%' then 'read' end
where id in (select id from link where waits_for = any(%(wake)s) order by id for no key update)
    and waits_for = any(%(wake)s)
returning id, flow, system;

-- name: retry_now
update link set due_at = %(now)s, attempts = 0
where id in (
        select id from link
        where system = %(system)s and due_at > %(now)s and waits_for is null and problem ->> 'code' = any(%(codes)s)
        order by id for no key update)
    and due_at > %(now)s
returning flow;

-- name: wake_ready
-- What a wake-up missed because parent and child were saved at the same moment by two writers, or because the parent was
-- merged into another item meanwhile, and creates held back for a reading that is not in doubt any more.
update link set due_at = %(now)s, waits_for = case when waits_for like '%%/%%/%%' then 'read' end
where id in (
    select child.id
    from link as child
    where child.waits_for is not null and child.waits_for <> 'read'
        and (%(among)s::text[] is null or child.id = any(%(among)s))
        and case
            when child.waits_for like '%%/%%/%%' then exists (
                select from link as parent join item on item.id = parent.item
                where parent.system = split_part(child.waits_for, '/', 1)
                    and parent.resource = split_part(child.waits_for, '/', 2)
                    and parent.key = regexp_replace(child.waits_for, '^[^/]*/[^/]*/', '')
                    and parent.state = 'linked' and item.deleted_at is null and item.alias_of is null)
            when child.waits_for like 'doubt/%%' then not exists (
                select from link as reading
                where reading.id = substr(child.waits_for, 7) and reading.state in ('new', 'doubtful'))
            else exists (
                with recursive heir as (
                    select id, alias_of from item where id = split_part(child.waits_for, '/', 1)
                    union
                    select item.id, item.alias_of from heir join item on item.id = heir.alias_of
                )
                select from heir join link as parent on parent.item = heir.id
                where heir.alias_of is null and parent.system = split_part(child.waits_for, '/', 2)
                    and parent.state = 'linked' and parent.key is not null)
        end
    order by child.id
    for no key update)
returning flow, system;

-- name: in_flight
-- Every transaction that is under way now, and has written, is older than the first and not older than the second.
select pg_snapshot_xmin(now)::text::bigint, pg_snapshot_xmax(now)::text::bigint from pg_current_snapshot() as now;

-- name: tell_processes
-- Processes that bear the id of an item are told that something happened to it, once until they look.
with told as (
    insert into process_signal (process, id, topic, value, by, at)
    select process.id, gen_random_uuid()::text, %(topic)s, 'null'::jsonb, 'hub', %(now)s
    from process
    where process.id = any(%(items)s::text[]) and process.state in ('running', 'waiting', 'sleeping', 'retrying')
        and not exists (
            select from process_signal
            where process_signal.process = process.id and topic = %(topic)s and not taken)
    returning process
)
select process from told;

-- name: notify
select pg_notify('isthmus', place) from unnest(%(places)s::text[]) as given (place);
