-- Processes.

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
