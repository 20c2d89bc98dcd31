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

alter table job drop constraint job_kind_check;
alter table job add constraint job_kind_check check (kind in ('compare', 'repair', 'plan', 'preview'));
comment on column job.choices is
    'Of a repair: rule, far or hub for all differences, ID=far and so on for single ones. Of a preview: the change.';
