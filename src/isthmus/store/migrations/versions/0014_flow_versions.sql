-- Every version of a flow that was in force, so that one can go back to an earlier one.
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
