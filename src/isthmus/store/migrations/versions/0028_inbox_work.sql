-- Decisions on many questions at once are jobs: several of one flow at a time, each with its questions one by one.
alter table job drop constraint job_kind_check;
alter table job add constraint job_kind_check check (kind in ('compare', 'repair', 'plan', 'preview', 'decide'));
alter table job add column task jsonb not null default '{}';
comment on column job.task is 'Of decisions: what is decided, of which questions, how many.';
drop index job_open;
-- Of two people who ask for the same, the second one joins the first one's job; decisions are everyone's own.
create unique index job_open on job (kind, flow) where done_at is null and kind <> 'decide';

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
