-- Work that people start on a page and the hub does; when each flow was compared last; systems that people have paused.
create table job (
    id text primary key,
    kind text not null check (kind in ('compare', 'repair', 'plan')),
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
    result jsonb not null default '{}'
);
comment on table job is 'Work that people start on a page and that a worker of the hub does, one after the other.';
comment on column job.flow is 'Empty: all flows.';
comment on column job.choices is 'Of a repair: rule, far or hub for all differences, ID=far and so on for single ones.';
comment on column job.attempts is 'How often it was begun; more than once when a worker died over it.';
comment on column job.progress is 'Place -> [what is being done, how many so far].';
-- Of two people who ask for the same, the second one joins the first one's job.
create unique index job_open on job (kind, flow) where done_at is null;
create index job_asked on job (asked_at);

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
