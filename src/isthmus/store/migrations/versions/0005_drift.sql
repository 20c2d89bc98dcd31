-- What the last complete comparison of each flow found. Unlogged: a comparison can be made again at any time.
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
