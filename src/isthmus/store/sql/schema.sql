-- What the hub remembers: the readable truth. Databases are built by migrations/versions/*.sql; a test proves that both
-- give the same catalog. Everything lives in the schema "isthmus"; names are unqualified because the search path is set by
-- whoever runs this file (and because a dry run shadows the tables by temporary ones of the same names).

create extension if not exists pg_trgm with schema public;

-- Every text and number in an item's fields but the ids of other items, one a line, in lower case. Signs beyond ASCII
-- become octal bytes: in a database without a locale pg_trgm takes no notice of them.
create function search_text(fields jsonb) returns text language sql immutable parallel safe
    return (select encode(convert_to(lower(string_agg(left(value #>> '{}', 200), E'\n')), 'UTF8'), 'escape')
        from jsonb_path_query(fields, 'strict $.**') as value
        where jsonb_typeof(value) in ('string', 'number')
            and value #>> '{}' !~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$');
comment on function search_text(jsonb) is
    'What an item can be found by: texts and numbers in its fields, in lower case, signs beyond ASCII as octal bytes.';

-- One canonical thing.
create table item (
    id text primary key,
    entity text not null,
    version bigint not null,
    fields jsonb not null,
    set_by jsonb not null,
    deleted_at timestamptz,
    alias_of text references item (id) deferrable initially deferred
) with (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
comment on table item is 'The hub record: one canonical thing, all its fields, and who set each of them.';
comment on column item.set_by is 'field -> {by, at}: who set the present value, and when the hub learnt of it.';
comment on column item.alias_of is 'The item this one was merged into.';
-- Finds items by any value in any place of their fields: references to an item, equal fields.
create index item_fields on item using gin (fields);
create index item_entity on item (entity);
create index item_alias on item (alias_of) where alias_of is not null;

-- What items are found and listed by, made of them a moment after they changed: an index over their texts within the
-- change itself costs more than all the rest of it.
create table item_search (
    item text primary key,
    entity text not null,
    version bigint not null,
    text text not null,
    shown text,
    place text,
    customer text,
    station text,
    day text,
    number text,
    state text
) with (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
comment on table item_search is 'What items are found and listed by; aliases are not in it.';
comment on column item_search.version is 'Of the item as it was when this was made.';
comment on column item_search.text is 'See search_text.';
comment on column item_search.shown is 'Of a product that is sold: what buyers may read of it, and may find it by. Else null.';
comment on column item_search.place is 'Of a product that is sold: its part number.';
comment on column item_search.customer is 'Whose it is, of what is not deleted; so is station.';
comment on column item_search.day is 'Of a document: by this, and then by its number, the newest are listed first.';
create index item_search_parts on item_search using gin (text public.gin_trgm_ops, entity public.gin_trgm_ops);
create index item_search_entity on item_search (entity, state);
create index item_search_shown on item_search using gin (shown public.gin_trgm_ops) where shown is not null;
create index item_search_place on item_search (place, item) where shown is not null;
create index item_search_customer on item_search (customer, entity, day desc, number desc, item) where customer is not null;
create index item_search_station on item_search (station, entity, day desc, number desc, item) where station is not null;

create table item_changed (
    item text not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
comment on table item_changed is
    'Items that changed since item_search was made of them, as often as they did; searches look at them as they are.';

-- What an item is found and listed by. Part numbers and the like are kept apart, for indexes of their own.
create function search_row(item) returns item_search language sql stable
return (
    select row($1.id, $1.entity, $1.version, coalesce(search_text($1.fields), ''),
        case when sold then search_text(jsonb_build_array(
            $1.fields -> 'sku', $1.fields -> 'name', $1.fields -> 'description')) end,
        case when sold then $1.fields ->> 'sku' end,
        case when $1.deleted_at is null then $1.fields ->> 'customer' end,
        case when $1.deleted_at is null then $1.fields ->> 'station' end,
        coalesce($1.fields ->> 'ordered_on', $1.fields ->> 'issued_on'), $1.fields ->> 'number', $1.fields ->> 'state'
    )::item_search
    from (select $1.entity = 'Product' and $1.deleted_at is null and $1.fields ->> 'sku' is not null
        and $1.fields -> 'active' is distinct from 'false'::jsonb as sold) as product
);
comment on function search_row(item) is 'The row of item_search for an item as it is.';

-- Items with this part in their texts, of one entity where one is named; which of them is not said. By the index of parts
-- always: the planner takes neighbouring columns for independent, hopes to come across a few soon, and reads everything.
create function search_parts(pattern text, kind text, most bigint) returns setof text language plpgsql stable
set enable_seqscan = off set enable_indexscan = off
as $$
begin
    return query execute 'select item from item_search where text like $1'
        || case when kind is null then '' else ' and entity = $2' end || ' limit $3'
        using pattern, kind, most;
end
$$;
comment on function search_parts(text, text, bigint) is 'Items with this part in their texts, by the index of parts.';

-- Item and record belong together.
create table link (
    id text primary key,
    flow text not null,
    system text not null,
    resource text not null,
    key text,
    item text references item (id) deferrable initially deferred,
    state text not null
        check (state in ('new', 'doubtful', 'creating', 'linked', 'gone', 'unlinked')),
    base jsonb not null,
    far jsonb not null,
    far_version text,
    digest bytea,
    conflicts jsonb not null,
    not_held jsonb not null,
    intent jsonb,
    doom text check (doom in ('delete', 'archive', 'unlink', 'restore')),
    due_at timestamptz,
    attempts integer not null,
    problem jsonb,
    waits_for text,
    seen_at timestamptz,
    written_at timestamptz,
    agreed_at timestamptz,
    unseen jsonb not null default '{}',
    -- Deferrable so that one statement may let two links swap keys. In this order it also finds records by their key.
    constraint link_record unique (system, resource, key, flow) deferrable initially immediate
) with (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
comment on table link is 'Item and far record belong together; what both last agreed on, and what is still to be done.';
comment on column link.base is 'Last state both sides agreed on, entity terms.';
comment on column link.far is 'What the system last showed, entity terms.';
comment on column link.unseen is
    'What a save of an older copy may have set back where the record did not show it when it was read.';
comment on column link.due_at is 'When to plan this link; null when there is nothing to do by itself.';
comment on column link.waits_for is
    '"system/resource/key" of a parent not linked yet, "item/system" of a parent not yet created there, '
    'or "read": the record must be read again.';
create index link_key on link (key text_pattern_ops) where key is not null;
create index link_item on link (item) where item is not null;
create index link_waits_for on link (waits_for) where waits_for is not null;
create index link_unsettled on link (flow, state, id) where state in ('new', 'doubtful', 'creating');
-- Counts without visiting rows: for the brake.
create index link_state on link (flow, system, state);
create index link_conflicts on link (flow, system) where conflicts <> '{}';
create index link_problem on link (flow, system) where problem is not null;
create index link_apart on link (flow, system) where state = 'unlinked' and key is null;

-- What is due. With an index over link.due_at instead, every index of that widest table would be written twice for each change.
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

-- Append-only: one row per change of an item. Its own sequence rather than an identity column, because partitions
-- with identity columns cannot be attached from PostgreSQL 17 on.
create sequence journal_seq as bigint;
create table journal (
    seq bigint not null default nextval('journal_seq'),
    xid xid8 not null default pg_current_xact_id(),
    at timestamptz not null,
    item text not null,
    version bigint not null,
    changes jsonb not null,
    cause jsonb not null,
    primary key (seq, at)
) partition by range (at);
comment on table journal is 'Append-only history of items: field -> [old, new], by whom, when.';
comment on column journal.xid is
    'Readers that follow the journal take only rows with xid < pg_snapshot_xmin(pg_current_snapshot()): '
    'sequence numbers commit out of order.';
create index journal_item on journal (item, seq);
-- Rows come in order of time: a few pages of index are enough.
create index journal_at on journal using brin (at) with (autosummarize = on, pages_per_range = 16);
create table journal_default partition of journal default;

-- Append-only: one row per write to a far system.
create sequence effect_seq as bigint;
create table effect (
    seq bigint not null default nextval('effect_seq'),
    xid xid8 not null default pg_current_xact_id(),
    at timestamptz not null,
    link text not null,
    item text,
    flow text not null,
    system text not null,
    resource text not null,
    key text,
    kind text not null,
    changes jsonb not null,
    outcome text not null,
    message text not null,
    seconds double precision not null,
    primary key (seq, at)
) partition by range (at);
comment on table effect is 'Append-only: every write to a far system and what came of it.';
create index effect_item on effect (item, seq);
create index effect_link on effect (link, seq);
create index effect_at on effect using brin (at) with (autosummarize = on, pages_per_range = 16);
create table effect_default partition of effect default;

-- Exact values by which an item can be found at first contact.
create table evidence (
    entity text not null,
    rule text not null,
    value text not null,
    item text not null references item (id) deferrable initially deferred
);
comment on table evidence is 'Exact values by which items are found at first contact.';
-- By hash, because a value may be longer than an index row can be.
create index evidence_value on evidence (entity, rule, hashtextextended(value, 0));
create index evidence_item on evidence (item);

-- What many questions have in common: fields in conflict, or the answer of a system without what differs.
create function inbox_cause(kind text, summary text, detail jsonb) returns text language sql immutable parallel safe
    return case kind
        when 'conflict' then (select string_agg(field, ', ' order by field) from jsonb_object_keys(detail -> 'fields') as field)
        when 'failure' then left(regexp_replace(
            coalesce(detail ->> 'message',
                (select string_agg(field.key || ': ' || field.value, '; ' order by field.key)
                from jsonb_each_text(detail -> 'fields') as field),
                summary),
            '[0-9]+|"[^"]*"|''[^'']*''', '#', 'g'), 200)
        else '' end;
comment on function inbox_cause(text, text, jsonb) is
    'What many questions have in common: fields in conflict, or the answer of a system without what differs.';

-- Questions to people.
create table inbox (
    id text primary key,
    kind text not null check (kind in ('conflict', 'match', 'failure', 'delete', 'merge', 'brake')),
    subject text not null,
    flow text not null,
    summary text not null,
    detail jsonb not null,
    choices jsonb not null,
    opened_at timestamptz not null,
    decided_at timestamptz,
    decision text,
    decided_by text,
    cause text generated always as (inbox_cause(kind, summary, detail)) stored
);
comment on table inbox is 'Questions to people; at most one open entry per kind and subject.';
create unique index inbox_open on inbox (kind, subject) where decided_at is null;
create index inbox_time on inbox (opened_at);
-- Pages of ten thousand questions.
create index inbox_open_kind on inbox (kind, opened_at, id) where decided_at is null;
create index inbox_open_cause on inbox (kind, flow, cause) where decided_at is null;

-- What people do with a question before it is decided.
create table inbox_care (
    entry text primary key references inbox (id) on delete cascade,
    assignee text,
    snoozed_until timestamptz
);
comment on table inbox_care is 'Who looks after an open question, and until when it is left alone.';

create table inbox_comment (
    seq bigint primary key generated always as identity,
    entry text not null references inbox (id) on delete cascade,
    at timestamptz not null,
    by text not null,
    text text not null
);
comment on table inbox_comment is 'What people wrote about a question.';
create index inbox_comment_entry on inbox_comment (entry, seq);

-- How far each resource was read.
create table feed (
    system text not null,
    resource text not null,
    cursor text,
    scan_cursor text,
    scan_started timestamptz,
    scan_feed_cursor text,
    scanned_at timestamptz,
    scanned_for text not null,
    polled_at timestamptz,
    changed_at timestamptz,
    failing_since timestamptz,
    problem jsonb,
    primary key (system, resource)
);
comment on table feed is 'How far the hub has read each resource of each system.';

-- Logged on purpose: an unlogged table is emptied by a crash of the server, and every record that the interrupted scan
-- had shown before would then look deleted.
create table scan_seen (
    system text not null,
    resource text not null,
    key text not null,
    primary key (system, resource, key)
);
comment on table scan_seen is 'Keys shown by the running scan of a resource.';

create table approval (
    subject text primary key,
    writes bigint not null check (writes >= 0),
    granted text[] not null default '{}'
);
comment on table approval is 'Writes that a person allowed past a brake ("flow/system/kind").';
comment on column approval.granted is 'Links that were counted and are not finished yet.';

create table traffic (
    subject text not null,
    at timestamptz not null,
    links text[] not null
);
comment on table traffic is 'Links written without approval within the last minute, for all workers; one row a claim.';
create index traffic_time on traffic (subject, at);

create table hint (
    system text not null,
    resource text not null,
    key text not null,
    primary key (system, resource, key)
);
comment on table hint is '"Look now", from webhook receivers in any process; key "" means the whole resource.';

create table sighting (
    seq bigint primary key generated always as identity,
    system text not null,
    resource text not null,
    key text not null,
    at timestamptz not null,
    fields jsonb not null
);
comment on table sighting is
    'What systems told of records when they were saved, for a minute: shows edits that our own writes have undone.';
create index sighting_key on sighting (system, resource, key);
create index sighting_at on sighting (at);

-- Unlogged: a comparison can be made again at any time.
create unlogged table drift (
    id text not null,
    kind text not null,
    flow text not null,
    system text not null,
    resource text not null,
    key text not null,
    item text,
    link text,
    fields jsonb not null,
    found_at timestamptz not null,
    primary key (flow, id)
);
comment on table drift is 'Differences that the last complete comparison of each flow found.';
comment on column drift.fields is 'field -> {hub, far}, entity terms.';

create table far_field (
    system text not null,
    resource text not null,
    name text not null,
    type text not null,
    former_type text not null,
    changed_at timestamptz,
    gone_at timestamptz,
    primary key (system, resource, name)
);
comment on table far_field is 'Fields of resources that flows use, as their systems last had them.';
comment on column far_field.changed_at is 'When it appeared or changed its type; null for what was there from the beginning.';

create table flow_version (
    flow text not null,
    number integer not null,
    file text,
    content text,
    pack text,
    ran_at timestamptz,
    noted_at timestamptz not null,
    by text not null,
    primary key (flow, number)
);
comment on table flow_version is 'Every version of a flow that was in force, or was set aside when somebody went back.';
comment on column flow_version.content is 'Text of the project''s own file; null for a pack''s flow as it comes.';
comment on column flow_version.pack is 'Text of the pack''s flow; null with no content: the flow was taken out.';
comment on column flow_version.ran_at is 'When a hub first ran it; null for what was set aside without having run.';

-- Changes of flows that people make in the console: drafts, proposals, what was decided.
create table flow_change (
    id text primary key,
    flow text not null,
    file text not null,
    base text,
    content text,
    edits integer not null,
    note text not null,
    state text not null check (state in ('draft', 'proposed', 'approved', 'refused', 'withdrawn')),
    made_by text not null,
    made_at timestamptz not null,
    saved_at timestamptz not null,
    decided_by text,
    decided_at timestamptz,
    answer text not null,
    place integer,
    in_force_at timestamptz,
    problem text not null
);
comment on table flow_change is 'Changes of flows that people make: drafts, proposals, what was decided.';
comment on column flow_change.base is 'The file''s text that it was made from; null: there was no file.';
comment on column flow_change.content is 'The file''s text as wanted; null: the file is to be taken away.';
comment on column flow_change.edits is 'How often the draft was saved, so that two windows do not undo each other.';
comment on column flow_change.place is 'Order of the approvals; a project''s folder remembers up to which it has them.';
comment on column flow_change.problem is 'Why it could not be brought into force where that was tried last.';
create unique index flow_change_draft on flow_change (flow, made_by) where state = 'draft';
create unique index flow_change_place on flow_change (place);
create index flow_change_flow on flow_change (flow, made_at);

create table meta (
    name text primary key,
    value jsonb not null
);
comment on table meta is 'Small facts about this hub.';

-- Steps across systems over time, in which people and deadlines take part.
create table process (
    id text primary key,
    name text not null,
    input jsonb,
    state text not null
        check (state in ('running', 'waiting', 'sleeping', 'retrying', 'done', 'failed', 'cancelled')),
    version bigint not null,
    step text not null,
    question text not null,
    who text not null,
    since timestamptz not null,
    wake_at timestamptz,
    attempts integer not null,
    result jsonb,
    problem jsonb,
    started_at timestamptz not null
) with (fillfactor = 85);
comment on table process is 'Processes: where each one stands, what it waits for, from whom and since when.';
create index process_state on process (state, started_at);

create table process_history (
    process text not null references process (id) on delete cascade,
    seq integer not null,
    kind text not null check (kind in ('step', 'wait', 'sleep')),
    name text not null,
    value jsonb,
    problem jsonb,
    until timestamptz,
    done boolean not null,
    at timestamptz not null,
    primary key (process, seq)
);
comment on table process_history is 'What each process has behind it, in order; its function is replayed from this.';

create table process_signal (
    seq bigint generated always as identity,
    process text not null references process (id) on delete cascade,
    id text not null,
    topic text not null,
    value jsonb,
    by text not null,
    at timestamptz not null,
    taken boolean not null default false,
    primary key (process, id)
);
comment on table process_signal is 'What processes were told; the same id twice is one signal.';
create index process_signal_waiting on process_signal (process, topic, seq) where not taken;

-- Approvals of documents (the table "approval" is the brake's), and deputies.
create table approval_request (
    id text primary key,
    process text not null,
    document text not null,
    key text not null,
    title text not null,
    facts jsonb not null,
    details jsonb not null,
    requester text not null,
    rule text not null,
    stages jsonb not null,
    four_eyes boolean not null,
    state text not null check (state in ('open', 'approved', 'refused', 'expired')),
    stage integer not null,
    escalated boolean not null,
    since timestamptz not null,
    due_at timestamptz,
    requested_at timestamptz not null,
    ended_at timestamptz,
    tell jsonb
) with (fillfactor = 85);
comment on table approval_request is
    'What people must approve: what is asked, by whom, the stages of its rule, which one is open, since and until when.';
create index approval_request_open on approval_request (requested_at) where state = 'open';
create index approval_request_document on approval_request (document, key);

create table approval_answer (
    seq bigint generated always as identity,
    request text not null references approval_request (id) on delete cascade,
    stage integer not null,
    escalated boolean not null,
    seat text not null,
    choice text not null check (choice in ('approve', 'refuse')),
    by text not null,
    on_behalf_of text not null,
    comment text not null,
    via text not null,
    at timestamptz not null,
    primary key (request, stage, escalated, seat)
);
comment on table approval_answer is 'What was answered, by whom and by whose right. One answer for each seat of a stage.';

create table delegation (
    id text primary key,
    person text not null,
    deputy text not null,
    from_at timestamptz not null,
    until_at timestamptz not null,
    made_by text not null,
    made_at timestamptz not null,
    ended_at timestamptz,
    check (until_at > from_at),
    check (deputy <> person)
);
comment on table delegation is 'Who answers for whom, from when until when.';
create index delegation_person on delegation (person, until_at);
create index delegation_deputy on delegation (deputy, until_at);

-- The outbox of mail.
create table notice (
    seq bigint generated always as identity,
    id text primary key,
    milestone text not null,
    document text not null,
    key text not null,
    recipient text not null,
    language text not null,
    context jsonb not null,
    thread text not null,
    state text not null check (state in ('queued', 'sending', 'sent', 'refused', 'bounced', 'off')),
    attempts integer not null,
    next_at timestamptz not null,
    queued_at timestamptz not null,
    sent_at timestamptz,
    problem jsonb
) with (fillfactor = 85);
comment on table notice is
    'Mail that is to be sent or was: queued in the transaction of what it tells. The id is made of what it is about, so '
    'that nothing is sent twice; the Message-ID is made of the id.';
create index notice_waiting on notice (next_at, seq) where state in ('queued', 'sending');
create index notice_document on notice (document, key, recipient, seq);
create index notice_seq on notice (seq);

-- Who may use the hub's faces, and what they did there.
create table person (
    login text primary key check (login = lower(login)),
    name text not null,
    language text not null check (language in ('en', 'zh')),
    theme text not null check (theme in ('auto', 'light', 'dark')),
    roles text[] not null,
    password text,
    made_at timestamptz not null,
    disabled_at timestamptz,
    customer text references item (id) deferrable initially deferred
);
comment on table person is 'People who sign in; the login is their mail address.';
comment on column person.password is 'Argon2 hash; null: cannot sign in by password.';
comment on column person.customer is 'The customer whose documents this person may see and for whom they order; null: staff.';

create table identity (
    issuer text not null,
    subject text not null,
    login text not null references person (login) on delete cascade,
    made_at timestamptz not null,
    primary key (issuer, subject),
    unique (issuer, login)
);
comment on table identity is 'Who a person is at an OpenID provider; found by it, never by a mail address that may change hands.';
create index identity_login on identity (login);

create table web_session (
    digest bytea primary key,
    login text not null references person (login) on delete cascade,
    made_at timestamptz not null,
    seen_at timestamptz not null,
    expires_at timestamptz not null,
    address text not null,
    agent text not null,
    id_token text
);
comment on table web_session is 'Sessions of signed-in people; deleting a row signs out.';
comment on column web_session.digest is 'SHA-256 of the secret that only the browser has.';
comment on column web_session.id_token is
    'What the provider said at the beginning; handed back when signing out there. Null: began with a password.';
create index web_session_login on web_session (login);

create table api_token (
    id text primary key,
    digest bytea not null unique,
    login text not null references person (login) on delete cascade,
    name text not null,
    scopes text[] not null,
    made_at timestamptz not null,
    expires_at timestamptz,
    used_at timestamptz,
    revoked_at timestamptz
);
comment on table api_token is 'Secrets of programs that act for a person, and what they may do.';
comment on column api_token.digest is 'SHA-256 of the secret, which is shown once.';

create table api_call (
    login text not null,
    key text not null,
    digest bytea not null,
    made_at timestamptz not null,
    status integer,
    headers jsonb,
    body bytea,
    primary key (login, key)
);
comment on table api_call is 'Calls with an Idempotency-Key: what was asked, and what was answered; kept for a day.';
comment on column api_call.digest is 'SHA-256 over method, path and body.';
comment on column api_call.status is 'Null while it is under way.';
create index api_call_made_at on api_call (made_at);

create table audit (
    seq bigint primary key,
    at timestamptz not null,
    who text not null,
    action text not null,
    subject text not null,
    detail jsonb not null,
    digest bytea not null
);
comment on table audit is 'What people did, each entry chained to the one before it.';
comment on column audit.digest is 'SHA-256 over the digest before it and this entry.';

create function audit_digest(previous bytea, entry audit) returns bytea language sql stable parallel safe
    return sha256(coalesce(previous, ''::bytea) || convert_to(
        jsonb_build_array(entry.seq, to_char(entry.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'),
            entry.who, entry.action, entry.subject, entry.detail)::text, 'UTF8'));
comment on function audit_digest(bytea, audit) is 'The digest that this entry must have after the one before it.';

-- One after the other, so that there is one chain.
create function append_audit(at timestamptz, who text, action text, subject text, detail jsonb) returns bigint
language plpgsql as $$
declare
    last audit;
    made audit;
begin
    perform pg_advisory_xact_lock(hashtextextended('isthmus audit', 0));
    select * into last from audit order by seq desc limit 1;
    made := row(coalesce(last.seq, 0) + 1, at, who, action, subject, detail, ''::bytea);
    made.digest := audit_digest(last.digest, made);
    insert into audit select made.*;
    return made.seq;
end
$$;
comment on function append_audit(timestamptz, text, text, text, jsonb) is 'Adds an entry to the audit log; its number.';

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'the audit log is append-only';
end
$$;
comment on function refuse_change() is 'Trigger of tables that are only added to.';
create trigger audit_append_only before update or delete or truncate on audit execute function refuse_change();

-- Makes the monthly partitions from the month of "start" on, moving rows that were kept in the default partition.
create function make_partitions(start timestamptz, months integer) returns integer language plpgsql as $$
declare
    parent text;
    part text;
    low timestamptz;
    high timestamptz;
    made integer := 0;
begin
    perform pg_advisory_xact_lock(hashtextextended('isthmus partitions', 0));
    foreach parent in array array['journal', 'effect'] loop
        for ahead in 0 .. months - 1 loop
            low := (date_trunc('month', start at time zone 'UTC') + make_interval(months => ahead)) at time zone 'UTC';
            high := ((low at time zone 'UTC') + interval '1 month') at time zone 'UTC';
            part := parent || to_char(low at time zone 'UTC', '_YYYY_MM');
            continue when to_regclass(part) is not null;
            execute format('create table %I (like %I including defaults including constraints)', part, parent);
            execute format('lock table %I in share update exclusive mode', parent);
            execute format('lock table %I in access exclusive mode', parent || '_default');
            execute format(
                'with moved as (delete from %I where at >= %L and at < %L returning *) insert into %I select * from moved',
                parent || '_default', low, high, part);
            execute format('alter table %I attach partition %I for values from (%L) to (%L)', parent, part, low, high);
            made := made + 1;
        end loop;
    end loop;
    return made;
end
$$;
comment on function make_partitions(timestamptz, integer) is
    'Makes the monthly partitions of journal and effect for this many months; returns how many it made.';

-- Drops a monthly partition whose rows were put away; false, and nothing is done, when it has others than those.
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

-- The share of due work that a link belongs to; the number of lanes is LANES in sync/ports.py.
create function lane(link text) returns integer language sql immutable parallel safe
    return (hashtextextended(link, 0) & 63)::integer;
comment on function lane(text) is 'The share of due work that a link belongs to, 0 to 63.';

-- Takes lanes in the order given, passing over those that another session has, until enough is due in them.
create function take_lanes(place text, lanes integer[], due integer[], enough integer) returns setof integer
language plpgsql as $$
declare
    taken integer := 0;
begin
    for n in 1 .. cardinality(lanes) loop
        exit when taken >= enough;
        if pg_try_advisory_lock(hashtextextended('isthmus ' || place || '/' || lanes[n], 0)) then
            taken := taken + due[n];
            return next lanes[n];
        end if;
    end loop;
end
$$;
comment on function take_lanes(text, integer[], integer[], integer) is
    'Takes session locks of lanes that nobody else has until enough links are due in them; which.';

-- Orders that were simulated: what was asked, what the ERP said, and which order came of it.
create table simulation (
    id text primary key,
    asked jsonb not null,
    truth jsonb not null,
    made_at timestamptz not null,
    expires_at timestamptz not null,
    client_key text unique,
    "order" text
);
comment on table simulation is 'Orders before they are made: what was asked and what the ERP said of it.';
comment on column simulation.client_key is 'The client''s own key: placed twice with the same one, it is one order.';
comment on column simulation."order" is 'The item that it became.';
create index simulation_order on simulation ("order") where "order" is not null;
create index simulation_made on simulation (made_at) where "order" is null;

-- Number ranges of documents that the hub makes itself.
create table number_range (
    name text primary key,
    last bigint not null
);
comment on table number_range is 'Numbers of documents that the hub makes: the last one given of each range.';

-- Work that people start on a page and the hub does; when each flow was compared last; systems that people have paused.
create table job (
    id text primary key,
    kind text not null check (kind in ('compare', 'repair', 'plan', 'preview', 'decide')),
    flow text not null,
    choices text[] not null,
    asked_by text not null,
    asked_at timestamptz not null,
    started_at timestamptz,
    attempts integer not null default 0,
    progress jsonb not null default '{}',
    stopped_by text,
    done_at timestamptz,
    problem text not null default '',
    result jsonb not null default '{}',
    task jsonb not null default '{}'
);
comment on table job is 'Work that people start on a page and that a worker of the hub does, several side by side.';
comment on column job.flow is 'Empty: all flows.';
comment on column job.choices is
    'Of a repair: rule, far or hub for all differences, ID=far and so on for single ones. Of a preview: the change.';
comment on column job.attempts is 'How often it was begun; more than once when a worker died over it.';
comment on column job.progress is 'Place -> [what is being done, how many so far].';
comment on column job.task is 'Of decisions: what is decided, of which questions, how many.';
-- Of two people who ask for the same, the second one joins the first one's job; decisions are everyone's own.
create unique index job_open on job (kind, flow) where done_at is null and kind <> 'decide';
create index job_asked on job (asked_at);

create table job_entry (
    job text not null references job (id) on delete cascade,
    place integer not null,
    entry text not null,
    state text not null default 'waiting' check (state in ('waiting', 'done', 'passed', 'refused')),
    reason text not null default '',
    primary key (job, place),
    unique (job, entry)
);
comment on table job_entry is 'Questions that a job decides, and what came of each; noted in the transaction that decides it.';
comment on column job_entry.state is 'passed: it was not open any more; refused: it could not be decided so, for the reason.';
create index job_entry_waiting on job_entry (entry) where state = 'waiting';

create unlogged table comparison (
    flow text primary key,
    began_at timestamptz not null,
    done_at timestamptz not null,
    records bigint not null
);
comment on table comparison is 'The last complete comparison of each flow; unlogged like what it found.';
comment on column comparison.records is 'Records that it read, of all systems.';

create table pause (
    system text not null,
    resource text not null,
    paused_by text not null,
    since timestamptz not null,
    reason text not null,
    primary key (system, resource)
);
comment on table pause is 'Systems and resources that people have paused: no process of the hub calls them.';
comment on column pause.resource is 'Empty: the whole system.';

create table hook_count (
    system text primary key,
    taken bigint not null,
    refused bigint not null,
    taken_at timestamptz,
    refused_at timestamptz
);
comment on table hook_count is 'Webhooks of each system: taken, and refused because of a bad signature or body.';

create table quota (
    system text not null,
    name text not null,
    most bigint,
    "left" bigint not null,
    "window" double precision,
    renews_at timestamptz,
    seen_at timestamptz not null,
    primary key (system, name)
);
comment on table quota is 'What each far system last said of how often it may be called.';
comment on column quota.name is 'What the system calls the limit; "wait": it asked to be left alone until then.';
comment on column quota.most is 'Calls that are allowed in a window; null: it does not say.';
comment on column quota."window" is 'Seconds; null: it does not say.';
