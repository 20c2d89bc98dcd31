-- Some systems save whole records, and of two saves at the same moment the later one undoes the earlier one.
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
