-- The fields that far systems have, so that a change of their schema is noticed.
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
