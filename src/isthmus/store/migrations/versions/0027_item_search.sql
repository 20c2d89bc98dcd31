-- Searching costs each change no longer: what items are found by is made a moment later, and stands in a table of its own.
drop index item_search;

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

insert into item_search select made.* from item, search_row(item) as made where item.alias_of is null;

create index item_search_parts on item_search using gin (text public.gin_trgm_ops, entity public.gin_trgm_ops);
create index item_search_entity on item_search (entity, state);
create index item_search_shown on item_search using gin (shown public.gin_trgm_ops) where shown is not null;
create index item_search_place on item_search (place, item) where shown is not null;
create index item_search_customer on item_search (customer, entity, day desc, number desc, item) where customer is not null;
create index item_search_station on item_search (station, entity, day desc, number desc, item) where station is not null;

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

comment on table job is 'Work that people start on a page and that a worker of the hub does, several side by side.';

-- What a merge had archived is taken back into use when it is parted.
alter table link drop constraint link_doom_check;
alter table link add constraint link_doom_check check (doom in ('delete', 'archive', 'unlink', 'restore'));
