-- What the console looks for among millions of rows.
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
create index item_search on item using gin (search_text(fields) public.gin_trgm_ops) where alias_of is null;
create index link_key on link (key text_pattern_ops) where key is not null;

-- Rows come in order of time: a few pages of index are enough.
create index journal_at on journal using brin (at) with (autosummarize = on, pages_per_range = 16);
create index effect_at on effect using brin (at) with (autosummarize = on, pages_per_range = 16);

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

-- Pages of ten thousand questions.
create index inbox_open_kind on inbox (kind, opened_at, id) where decided_at is null;

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
alter table inbox add column cause text generated always as (inbox_cause(kind, summary, detail)) stored;
create index inbox_open_cause on inbox (kind, flow, cause) where decided_at is null;
